"""Who may make, hand over and revoke which API key.

A key is a way to act as somebody: so it is made by that person, or with the platform's authority, or by who may act for them, and
then every use of it says so. It ends with the key that made it and with the membership that it is of.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.access import Asking, Caller, Rights, valid_key
from domain.api_key import API_KEY, ApiKey, ApiKeyCreated, ApiKeyHandedOver, ApiKeyRevoked, KeyRevoked
from domain.envelope import PLATFORM
from domain.facts import Decided, Event, Fact, Invalid, Json, NotFound, PermissionDenied, RuleViolation, View
from domain.member import MEMBER, permissions_of
from domain.names import require_text
from domain.permission import PERMISSIONS, require_granted, require_within

ACT_AS = "users:act_as"


class OwnNameOnly(PermissionDenied):
    """A key cannot be made on behalf of another member: name the member in `user_id`."""

    code = "own_name_only"


class AnothersKey(PermissionDenied):
    """A key for another person needs users:act_as; every use of it then records who acts for them."""

    code = "anothers_key"


class NobodysKey(RuleViolation):
    """Only a service's key has an owner: a person's own key cannot be handed over."""

    code = "not_a_service_key"


@dataclass(frozen=True)
class KeyRequest:
    """`user_id` None: a key for a service."""

    name: str
    permissions: tuple[str, ...]
    user_id: UUID | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class _Whose:
    """Whom a key belongs to, as `ApiKeyCreated` has it."""

    user_id: UUID | None = None
    on_behalf_of: UUID | None = None
    owner_id: UUID | None = None
    term: int | None = None
    on_behalf_term: int | None = None


def make(view: View, asking: Asking, key_id: UUID, secret_hash: str, wanted: KeyRequest) -> Decided:
    """Make a key, with no more than its maker may do and for no longer than the maker's own key is valid."""
    caller, who = asking.caller, asking.who
    if who.delegated:
        raise OwnNameOnly
    maker = None if caller.key_id is None else valid_key(view, caller, asking.platform)
    whose = _whose(view, caller, who, maker, wanted.user_id)
    require_text(wanted.name, "/name")
    require_granted(wanted.permissions, who.granted)
    given = tuple(dict.fromkeys(wanted.permissions))
    event = ApiKeyCreated(
        wanted.name,
        secret_hash,
        (*given, ACT_AS) if whose.on_behalf_of is not None and ACT_AS not in given else given,
        all_permissions=PERMISSIONS.keys() <= set(given),
        by_platform=caller.platform,
        user_id=whose.user_id,
        expires_at=_expiry(view, caller, maker, wanted.expires_at),
        on_behalf_of=whose.on_behalf_of,
        owner_id=whose.owner_id,
        term=whose.term,
        on_behalf_term=whose.on_behalf_term,
        made_by=caller.key_id,
    )
    return Decided((Fact(key_id, event),), result=_described(key_id, event))


def hand_over(view: View, who: Rights, key_id: UUID, owner_id: UUID) -> Decided:
    """Give a service's key another owner, by whom it is limited from then on."""
    state = _existing(view, key_id)
    if state.user_id is not None or state.on_behalf_of is not None or view.tenant_id == PLATFORM:
        raise NobodysKey
    require_within(state.allowed, who.granted)
    owner = view.read(MEMBER, owner_id)
    if not owner.active:
        raise Invalid("This user is not a member here.", "/owner_id")
    return _answer(view, key_id, ApiKeyHandedOver(owner_id, owner.term), {"owner_id": str(owner_id)})


def revoke(view: View, asking: Asking, key_id: UUID, reason: str | None = None, *, keep_made: bool = False) -> Decided:
    """Revoke a key, and with it those that it made, unless they are to be kept.

    One's own, what one's own key made, and what may do no more than oneself.
    """
    state = _existing(view, key_id)
    who = asking.who
    is_own = who.user_id is not None and who.user_id in (state.user_id, state.owner_id)
    if not is_own and state.made_by != asking.caller.key_id:
        require_within(_may(view, state), who.granted)
    return _answer(view, key_id, ApiKeyRevoked(keep_made, reason), {"revoked": True})


def _whose(view: View, caller: Caller, who: Rights, maker: ApiKey | None, user_id: UUID | None) -> _Whose:
    if user_id is None:
        return _of_service(view, who, maker)
    if caller.platform:
        if view.tenant_id == PLATFORM:
            raise Invalid("A platform key must not name a user.", "/user_id")
        return _Whose(user_id=user_id, term=_term(view, user_id))
    if user_id == who.user_id:
        return _Whose(user_id=user_id, term=_term(view, user_id))
    if not who.allows(ACT_AS):
        raise AnothersKey(path="/user_id")
    own = _of_service(view, who, maker)
    term = own.term if who.user_id is None else _term(view, who.user_id)
    return _Whose(who.user_id, user_id, None if who.user_id else own.owner_id, term, _term(view, user_id))


def _of_service(view: View, who: Rights, maker: ApiKey | None) -> _Whose:
    """Its owner is the person who makes it, or the owner of the service that does."""
    if who.user_id is not None:
        return _Whose(owner_id=who.user_id, term=_term(view, who.user_id))
    if who.platform or maker is None:
        return _Whose()
    return _Whose(owner_id=maker.owner_id, term=maker.term)


def _term(view: View, user_id: UUID) -> int:
    member = view.read(MEMBER, user_id)
    if not member.belongs:
        raise Invalid("This user is not a member here.", "/user_id")
    return member.term


def _expiry(view: View, caller: Caller, maker: ApiKey | None, wanted: datetime | None) -> datetime | None:
    """No later than that of the key that makes it."""
    if wanted is not None and wanted <= max(view.now, caller.asked_at or view.now):
        raise Invalid("expires_at must be in the future.", "/expires_at")
    most = None if maker is None else maker.expires_at
    if most is not None and wanted is not None and wanted > most:
        raise Invalid("A key must not expire later than the key that makes it.", "/expires_at")
    return wanted or most


def _may(view: View, state: ApiKey) -> frozenset[str]:
    """What can be done with a key now: a person's or a member's service's is limited by their roles."""
    whose = state.user_id or state.owner_id
    return state.allowed if whose is None else state.allowed & permissions_of(view, view.read(MEMBER, whose))


def _existing(view: View, key_id: UUID) -> ApiKey:
    state = view.read(API_KEY, key_id)
    if not state.exists:
        raise NotFound
    if state.revoked:
        raise KeyRevoked
    return state


def _answer(view: View, key_id: UUID, event: Event, said: dict[str, Json]) -> Decided:
    return Decided((Fact(key_id, event),), result={"id": str(key_id), **said, "version": view.version(key_id) + 1})


def _described(key_id: UUID, event: ApiKeyCreated) -> Json:
    expires_at = event.expires_at
    return {
        "id": str(key_id),
        "name": event.name,
        "user_id": _text(event.user_id),
        "on_behalf_of": _text(event.on_behalf_of),
        "owner_id": _text(event.owner_id),
        "permissions": list(event.permissions),
        "expires_at": None if expires_at is None else expires_at.isoformat().replace("+00:00", "Z"),
        "version": 1,
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)

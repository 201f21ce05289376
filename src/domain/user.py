"""A person or a service that acts. Lives in the platform ledger: one user may be a member of many tenants."""

from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID

from domain.facts import Aggregate, Claim, Decided, Event, EventType, Fact, Json, NotFound, RuleViolation, View
from domain.names import require_email, require_text, require_web_address
from domain.wording import listed


@dataclass(frozen=True)
class UserRegistered(Event):
    email: str
    display_name: str
    avatar_url: str | None = None
    preferences: Json = None


@dataclass(frozen=True)
class UserChanged(Event):
    """`changes` holds new values by column name: display_name, avatar_url, preferences, is_active."""

    changes: dict[str, Json]


UserEvent = UserRegistered | UserChanged


@dataclass(frozen=True)
class User:
    exists: bool = False
    email: str = ""
    display_name: str = ""
    active: bool = False


def evolve(state: User, event: UserEvent) -> User:
    match event:
        case UserRegistered():
            return User(exists=True, email=event.email, display_name=event.display_name, active=True)
        case UserChanged():
            return replace(
                state,
                display_name=event.changes.get("display_name", state.display_name),
                active=event.changes.get("is_active", state.active),
            )
        case _:
            assert_never(event)


USER: Aggregate[User] = Aggregate(
    "user",
    User(),
    evolve,
    (
        EventType(
            UserRegistered,
            "user.registered.v1",
            lambda e, _: f"The user {e.email} was registered.",
            note="In the platform's ledger.",
        ),
        EventType(
            UserChanged,
            "user.changed.v1",
            lambda e, user: f"The user {user.name} was changed: {listed(e.changes)}.",
            changes=lambda e: e.changes,
            note="`changes`: new values by column.",
        ),
    ),
    "access",
)


class UserExists(RuleViolation):
    """A user with this id exists already."""

    code = "user_exists"


CHANGEABLE = frozenset({"display_name", "avatar_url", "preferences", "is_active"})


def register(
    view: View,
    user_id: UUID,
    email: str,
    display_name: str,
    avatar_url: str | None = None,
    preferences: Json = None,
) -> Decided:
    """Register a user in the platform ledger; the address, in lower case, is claimed there."""
    email = require_email(email, "/email")
    require_text(display_name, "/display_name")
    if avatar_url is not None:
        require_web_address(avatar_url, "/avatar_url")
    if view.read(USER, user_id).exists:
        raise UserExists
    event = UserRegistered(email, display_name, avatar_url, preferences if preferences is not None else {})
    return Decided(
        (Fact(user_id, event),),
        claims=(Claim("user.email", email.lower(), user_id, "/email"),),
        result={"id": str(user_id), "email": email, "display_name": display_name, "version": 1},
    )


def change(view: View, user_id: UUID, changes: dict[str, Json]) -> Decided:
    state = view.read(USER, user_id)
    if not state.exists:
        raise NotFound
    if "display_name" in changes:
        require_text(changes["display_name"], "/display_name")
    if changes.get("avatar_url") is not None:
        require_web_address(changes["avatar_url"], "/avatar_url")
    changes = {name: value for name, value in changes.items() if name in CHANGEABLE}
    facts = (Fact(user_id, UserChanged(changes)),) if changes else ()
    after = evolve(state, UserChanged(changes))
    result = {
        "id": str(user_id),
        "email": after.email,
        "display_name": after.display_name,
        "is_active": after.active,
        "version": view.version(user_id) + len(facts),
    }
    return Decided(facts, result=result)

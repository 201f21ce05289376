"""An API key: belongs to one tenant and one actor. Only a hash of its secret is ever stored.

Who may make, hand over and revoke which key is in `domain.keys`.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from domain.facts import Aggregate, Event, EventType, RuleViolation, Subject
from domain.permission import PERMISSIONS
from domain.wording import because


@dataclass(frozen=True)
class ApiKeyCreated(Event):
    """`secret_hash`: hex SHA-256 of the secret. `user_id`: the member who acts by it; None: a service."""

    name: str
    secret_hash: str
    permissions: tuple[str, ...]
    all_permissions: bool
    """It was given every permission there was, and so has those that later releases add."""
    by_platform: bool
    """Made with the platform's authority; `made_by` is then a key of the platform's ledger, or None for the command line."""
    user_id: UUID | None = None
    expires_at: datetime | None = None
    on_behalf_of: UUID | None = None
    """Every use of it is on behalf of this member."""
    owner_id: UUID | None = None
    """Of a service's key: the member with whom it ends, unless it is handed over."""
    term: int | None = None
    """Which membership of its user or owner it is of: it ends with that one."""
    on_behalf_term: int | None = None
    made_by: UUID | None = None
    """The key that made it, without which it is not valid."""


@dataclass(frozen=True)
class ApiKeyHandedOver(Event):
    """A service's key has another owner."""

    owner_id: UUID
    term: int


@dataclass(frozen=True)
class ApiKeyRevoked(Event):
    """`keep_made`: the keys that it made stay valid."""

    keep_made: bool
    reason: str | None = None


ApiKeyEvent = ApiKeyCreated | ApiKeyHandedOver | ApiKeyRevoked


@dataclass(frozen=True)
class ApiKey:
    exists: bool = False
    name: str = ""
    secret_hash: str = ""
    permissions: frozenset[str] = frozenset()
    all_permissions: bool = False
    by_platform: bool = False
    user_id: UUID | None = None
    expires_at: datetime | None = None
    on_behalf_of: UUID | None = None
    owner_id: UUID | None = None
    term: int | None = None
    on_behalf_term: int | None = None
    made_by: UUID | None = None
    revoked: bool = False
    keeps_made: bool = False

    @property
    def allowed(self) -> frozenset[str]:
        """The most it may do; whose it is may allow less."""
        return self.permissions | PERMISSIONS.keys() if self.all_permissions else self.permissions


def evolve(state: ApiKey, event: ApiKeyEvent) -> ApiKey:
    match event:
        case ApiKeyCreated():
            return ApiKey(
                exists=True,
                name=event.name,
                secret_hash=event.secret_hash,
                permissions=frozenset(event.permissions),
                all_permissions=event.all_permissions,
                by_platform=event.by_platform,
                user_id=event.user_id,
                expires_at=event.expires_at,
                on_behalf_of=event.on_behalf_of,
                owner_id=event.owner_id,
                term=event.term,
                on_behalf_term=event.on_behalf_term,
                made_by=event.made_by,
            )
        case ApiKeyHandedOver():
            return replace(state, owner_id=event.owner_id, term=event.term)
        case ApiKeyRevoked():
            return replace(state, revoked=True, keeps_made=event.keep_made)
        case _:
            assert_never(event)


def _created(event: ApiKeyCreated, _subject: Subject) -> str:
    by = " by the platform" if event.by_platform else ""
    acting = ", to act on behalf of a member" if event.on_behalf_of is not None else ""
    return f"The API key “{event.name}” was created{by}{acting}."


def _without_made(event: ApiKeyRevoked) -> str:
    return ", without the keys that it made" if event.keep_made else ""


API_KEY: Aggregate[ApiKey] = Aggregate(
    "api_key",
    ApiKey(),
    evolve,
    (
        EventType(
            ApiKeyCreated,
            "api_key.created.v2",
            _created,
            note="`user_id` null: a service's key. `term`: which membership of its user or owner it is of, counted from 1. "
            "The audit log shows no `secret_hash`. Its v1 had the first three, `user_id` and `expires_at`.",
        ),
        EventType(
            ApiKeyHandedOver,
            "api_key.handed_over.v1",
            lambda _e, key: f"The API key “{key.name}” was handed over to another owner.",
            note="A service's key has another owner.",
        ),
        EventType(
            ApiKeyRevoked,
            "api_key.revoked.v2",
            lambda e, key: f"The API key “{key.name}” was revoked{_without_made(e)}{because(e.reason)}.",
            severity="warning",
            note="`keep_made`: the keys that it made stay valid. Its v1 had no such word.",
        ),
    ),
    "access",
)


class KeyRevoked(RuleViolation):
    """The key is revoked already."""

    code = "key_revoked"

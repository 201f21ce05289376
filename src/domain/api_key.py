"""An API key: belongs to one tenant and one actor. Only a hash of its secret is ever stored."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, assert_never
from uuid import UUID

from domain.facts import Aggregate, Decided, Event, EventType, Fact, Invalid, NotFound, RuleViolation, View
from domain.names import require_known, require_text
from domain.permission import PERMISSIONS
from domain.wording import because


@dataclass(frozen=True)
class ApiKeyCreated(Event):
    """`secret_hash`: hex SHA-256 of the secret. `user_id` None: a service key, which has just the permissions named here."""

    name: str
    secret_hash: str
    permissions: tuple[str, ...]
    user_id: UUID | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class ApiKeyRevoked(Event):
    reason: str | None = None


ApiKeyEvent = ApiKeyCreated | ApiKeyRevoked


@dataclass(frozen=True)
class ApiKey:
    exists: bool = False
    name: str = ""
    secret_hash: str = ""
    permissions: frozenset[str] = frozenset()
    user_id: UUID | None = None
    expires_at: datetime | None = None
    revoked: bool = False


def evolve(state: ApiKey, event: ApiKeyEvent) -> ApiKey:
    match event:
        case ApiKeyCreated():
            return ApiKey(True, event.name, event.secret_hash, frozenset(event.permissions), event.user_id, event.expires_at)
        case ApiKeyRevoked():
            return replace(state, revoked=True)
        case _:
            assert_never(event)


API_KEY: Aggregate[ApiKey] = Aggregate(
    "api_key",
    ApiKey(),
    evolve,
    (
        EventType(
            ApiKeyCreated,
            "api_key.created.v1",
            lambda e, _: f"The API key “{e.name}” was created.",
            note="`user_id` null: a service's key. The audit log shows no `secret_hash`.",
        ),
        EventType(
            ApiKeyRevoked,
            "api_key.revoked.v1",
            lambda e, key: f"The API key “{key.name}” was revoked{because(e.reason)}.",
            severity="warning",
        ),
    ),
    "access",
)


SECRET_BYTES = 32
_PREFIX = "gk_"


class Token(NamedTuple):
    """What a key's text says: whose ledger and stream to look in, and the secret to prove."""

    tenant_id: UUID
    key_id: UUID
    secret: bytes


class KeyRevoked(RuleViolation):
    """The key is revoked already."""

    code = "key_revoked"


def new_token(tenant_id: UUID, key_id: UUID, secret: bytes) -> str:
    """The text that a client presents; `secret` is 32 random bytes. It is shown once and never stored."""
    return _text(tenant_id.bytes + key_id.bytes + secret)


def _text(raw: bytes) -> str:
    return _PREFIX + urlsafe_b64encode(raw).decode().rstrip("=")


def parse_token(text: str) -> Token | None:
    """The parts of a key's text, or None if it does not have the form of one."""
    if not text.startswith(_PREFIX) or not text.isascii():
        return None
    body = text[len(_PREFIX) :]
    try:
        raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (Base64Error, ValueError):
        return None
    if len(raw) != 32 + SECRET_BYTES or _text(raw) != text:  # base64 has several texts for the same bytes; one is a key's
        return None
    return Token(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:])


def hash_secret(secret: bytes) -> str:
    """Hex SHA-256: enough for a secret of 256 random bits, which cannot be guessed by trying."""
    return hashlib.sha256(secret).hexdigest()


def create(
    view: View,
    key_id: UUID,
    name: str,
    permissions: tuple[str, ...],
    secret_hash: str,
    granted: frozenset[str] | None,
    user_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> Decided:
    """Create a key. `granted`: what its maker may give away (None: everything, for the platform).

    That the user is a member is the caller's to check in the same decision.
    """
    require_text(name, "/name")
    require_known(permissions, PERMISSIONS, "/permissions", "permission")
    if granted is not None:
        require_known(permissions, granted, "/permissions", "permission of yours named")
    if expires_at is not None and expires_at <= view.now:
        raise Invalid("A key must expire in the future.", "/expires_at")
    event = ApiKeyCreated(name, secret_hash, tuple(dict.fromkeys(permissions)), user_id, expires_at)
    result = {
        "id": str(key_id),
        "name": name,
        "user_id": None if user_id is None else str(user_id),
        "permissions": list(event.permissions),
        "expires_at": None if expires_at is None else expires_at.isoformat().replace("+00:00", "Z"),
        "version": 1,
    }
    return Decided((Fact(key_id, event),), result=result)


def revoke(view: View, key_id: UUID, reason: str | None = None) -> Decided:
    state = view.read(API_KEY, key_id)
    if not state.exists:
        raise NotFound
    if state.revoked:
        raise KeyRevoked
    return Decided(
        (Fact(key_id, ApiKeyRevoked(reason)),),
        result={"id": str(key_id), "revoked": True, "version": view.version(key_id) + 1},
    )

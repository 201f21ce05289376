"""An API key: belongs to one tenant and one actor. Only a hash of its secret is ever stored."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from domain.facts import Aggregate, Event


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
            return ApiKey(
                True, event.name, event.secret_hash, frozenset(event.permissions), event.user_id, event.expires_at
            )
        case ApiKeyRevoked():
            return replace(state, revoked=True)
        case _:
            assert_never(event)


API_KEY: Aggregate[ApiKey] = Aggregate("api_key", ApiKey(), evolve, (ApiKeyCreated, ApiKeyRevoked))

"""Who, on whose behalf, from where and why: what every event knows beside its own payload (design: the envelope)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from domain.facts import Event

PLATFORM = UUID("00000000-0000-0000-0000-000000000001")
"""The fixed tenant id of the platform ledger, which owns users, permissions and the existence of tenants."""

ActorType = Literal["user", "api_key", "worker", "schedule", "webhook", "event", "system"]


@dataclass(frozen=True)
class Envelope:
    """The part of the envelope that a command gives to all of its events."""

    actor_type: ActorType
    actor_id: str | None = None
    user_id: UUID | None = None
    """The person who acts: the key's user, or the user on whose behalf a service acts."""
    on_behalf_of: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    ip: str | None = None
    user_agent: str | None = None
    reason: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Unread(Event):
    """ExecutionResult for an event that this release cannot read: one of a newer release, or a damaged one. Never stored."""

    why: str


class RecordedEvent(NamedTuple):
    """An event as it stands in its ledger. Positions and versions count from 1; times are timezone-aware UTC."""

    tenant_id: UUID
    position: int
    stream_id: UUID
    version: int
    topic: str
    event: Event
    occurred_at: datetime
    recorded_at: datetime
    command_id: UUID
    envelope: Envelope
    payload: bytes
    """The event as it was written: a JSON object under that topic, whatever the class of today makes of it."""

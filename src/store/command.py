"""A command on its way to the ledger, and what its caller is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.envelope import Envelope
from domain.facts import Json


@dataclass(frozen=True)
class Command:
    """Who wants what done in which ledger. What is to be decided comes beside it, as a function of the view."""

    tenant_id: UUID
    name: str
    """As in "execution.start": for refusals and logs."""
    envelope: Envelope
    command_id: UUID | None = None
    """None: a new one. With an Idempotency-Key it is derived from the API key and that key."""
    request_hash: bytes | None = None
    """What the request said; given together with a derived command_id."""
    occurred_at: datetime | None = None
    """When it happened, timezone-aware UTC, for a backdated command; None: now."""
    expect: Mapping[UUID, int] = field(default_factory=dict)
    """If-Match: streams that must be at a version."""
    resource: str | None = None
    resource_id: str | None = None
    """What it is about, for the refusal's record."""


@dataclass(frozen=True)
class CommandResult:
    """`position`: of the command's last event; None where nothing was appended. `epoch`: of the ledger at that time.

    `replayed`: an earlier request with the same Idempotency-Key did it, and this is what that one was answered.
    """

    position: int | None
    epoch: int
    result: Json
    replayed: bool = False

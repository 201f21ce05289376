"""What every part of a worker acts with: the handler and the engine, and the name it acts under."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from domain.envelope import Envelope
from domain.facts import Decided, View
from engine.context import Engine
from runtime.pools import Pool
from store.command import Command, CommandResult
from store.handler import Handler
from store.notifications.listening import Notifications
from store.vault import Vault
from worker.ai.telemetry import Telemetry
from worker.outbound.client import Outbound
from worker.outbound.smtp import MailServer

OUT_OF_REACH = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
"""What the database's absence looks like from a pool. It is waited out."""


@dataclass(frozen=True)
class Mailing:
    """What the operator says of mail and cards. `public_url`: where people reach the API; None: what is sent has no links.

    `relay`: the platform's own, for tenants that name no server; None: they are sent nothing by it.
    """

    public_url: str | None = None
    relay: MailServer | None = None


@dataclass(frozen=True)
class WorkerContext:
    """`pool`: for leases and timers. Connections go back before anything is called or decided. `vault`: the values of secrets.
    `outbound`: the one way to where tenants say."""

    handler: Handler
    engine: Engine
    pool: Pool
    notifications: Notifications
    worker_id: str
    vault: Vault
    outbound: Outbound
    mailing: Mailing
    telemetry: Telemetry

    async def do(
        self,
        tenant_id: UUID,
        name: str,
        decide: Callable[[View], Decided],
        *,
        command_id: UUID | None = None,
        who: Envelope | None = None,
        **about: Any,
    ) -> CommandResult:
        """One command. `who`: acts, where it is not this worker. Raises what `Handler.handle` does."""
        who = who or Envelope("worker", self.worker_id)
        return await self.handler.handle(Command(tenant_id, name, who, command_id, **about), decide)

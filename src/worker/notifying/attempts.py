"""What attempts at a delivery have in common, whichever way it goes: what it says, and what came of it."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from domain.envelope import RecordedEvent
from domain.facts import Json
from domain.notification_delivery import DeliveryRequested, Exchange, Gone
from domain.notification_endpoint import Why
from engine.notice_messages import message, test_message
from store.reading import read_ledger, read_stream
from worker.context import WorkerContext


@dataclass(frozen=True)
class Attempt:
    """What came of one. `of_endpoint`: it says something of the endpoint, and not only of who was to get it there."""

    exchange: Exchange
    accepted: bool = False
    again: bool = True
    retry_after: timedelta = timedelta(0)
    disable: Why | None = None
    of_endpoint: bool = True


class Dropped(Exception):
    """It is not to be sent any more."""

    def __init__(self, why: Gone) -> None:
        super().__init__(why)
        self.why: Gone = why


async def message_of(context: WorkerContext, tenant_id: UUID, id: UUID, requested: DeliveryRequested) -> Json:
    """{type, timestamp, position, data}, the same at every attempt."""
    async with context.pool.connection() as connection:
        if requested.position is None:
            (asked,) = await read_stream(connection, tenant_id, id, limit=1)
            return test_message(requested, asked.occurred_at)
        (record,) = await read_ledger(connection, tenant_id, requested.position - 1, 1, up_to=requested.position)
        first: RecordedEvent = record
        if record.version > 1:
            (first,) = await read_stream(connection, tenant_id, record.stream_id, limit=1)
    return message(requested, record, first)


def since(begun: float) -> int:
    """Milliseconds."""
    return round((asyncio.get_running_loop().time() - begun) * 1000)

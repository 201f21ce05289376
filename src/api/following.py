"""A tenant's ledger as server-sent events: from a position on, and then as it grows, until the client or the process ends it.

    id: <position>
    event: <topic>
    data: <the event as JSON, on one line>

No connection to the database is held while nothing happens. The right to see is asked for again before every look.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

import psycopg
from starlette.responses import StreamingResponse

from api import answers
from api.call import RequestContext
from api.problems import Problem
from api.queries.ledger import event_item
from domain.envelope import RecordedEvent
from domain.facts import Refusal
from runtime.pools import Connection
from store.reading import head, read_ledger

MEDIA_TYPE = "text/event-stream"
BATCH = 200
HEARTBEAT_SECONDS = 15.0
RECONNECT = b"retry: 1000\n\n"
"""Milliseconds after which a client that was cut off comes back. Said first, so that it sees the stream begin."""
HEARTBEAT = b": nothing new\n\n"

logger = logging.getLogger(__name__)


def follow(call: RequestContext, after: int, topics: Sequence[str] | None) -> StreamingResponse:
    """`topics`: stored topics that are wanted; None: all."""
    return streamed(_messages(call, after, topics))


def streamed(messages: AsyncIterator[bytes]) -> StreamingResponse:
    """Each as soon as it is there."""
    return StreamingResponse(messages, 200, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, MEDIA_TYPE)


async def _messages(call: RequestContext, after: int, topics: Sequence[str] | None) -> AsyncIterator[bytes]:
    feed = call.services.feed
    yield RECONNECT
    with feed.following(call.tenant_id) as grown:
        while not feed.closing:
            grown.clear()
            try:
                session = await call.services.sessions.authenticate(call.request)
                session.require("events:read")
                found, reached = await _read(call, after, topics)
            except (Problem, Refusal):
                return  # who comes back is told why
            except psycopg.OperationalError as error:
                logger.warning("Events cannot be followed for now: %s", error, extra={"action": "follow"})
                return
            for record in found:
                yield _message(record)
            after = reached
            if len(found) < BATCH:
                try:
                    await asyncio.wait_for(grown.wait(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield HEARTBEAT


async def _read(call: RequestContext, after: int, topics: Sequence[str] | None) -> tuple[list[RecordedEvent], int]:
    """The next events, and up to where there are no others: those of other topics are not looked at again."""

    async def ask(connection: Connection) -> tuple[list[RecordedEvent], int]:
        end = await head(connection, call.tenant_id)
        if end is None or end.position <= after:
            return [], after
        found = await read_ledger(connection, call.tenant_id, after, BATCH, topics, end.position, also_unread=True)
        return found, found[-1].position if len(found) == BATCH else end.position

    return await call.services.reads.of_ledger(ask)


def _message(record: RecordedEvent) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (record.position, record.topic.encode(), answers.to_json(event_item(record)))

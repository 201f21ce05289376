"""A tenant's ledger as server-sent events: from a position on, and then as it grows, until the client or the process ends it.

    id: <position>
    event: <topic>
    data: <the event as JSON, on one line>

No connection to the database is held while nothing happens, nor while a client takes its time to read. The
right to see is asked for again before every look.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import psycopg
from starlette.responses import StreamingResponse

from api import answers
from api.call import RequestContext
from api.listing import PAGE_BYTES
from api.problems import Problem
from domain.envelope import RecordedEvent
from domain.facts import Refusal
from projections.events_told import event_item
from runtime.pools import Connection
from store.reading import head, read_ledger

MEDIA_TYPE = "text/event-stream"
BATCH = 200
HEARTBEAT_SECONDS = 15.0
RECONNECT = b"retry: 1000\n\n"
"""Milliseconds after which a client that was cut off comes back. Said first, so that it sees the stream begin."""
HEARTBEAT = b": nothing new\n\n"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """`topics`: stored topics; None: all. `stream_id`: only what happened to this. `most_bytes`: larger data are told by
    reference."""

    topics: tuple[str, ...] | None = None
    stream_id: UUID | None = None
    most_bytes: int | None = None


def follow(call: RequestContext, after: int, wanted: Wanted) -> StreamingResponse:
    return streamed(_messages(call, after, wanted))


def streamed(messages: AsyncIterator[bytes]) -> StreamingResponse:
    """Each as soon as it is there."""
    return StreamingResponse(messages, 200, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, MEDIA_TYPE)


async def _messages(call: RequestContext, after: int, wanted: Wanted) -> AsyncIterator[bytes]:
    feed = call.services.feed
    yield RECONNECT
    with feed.following(call.tenant_id) as grown:
        while not feed.closing:
            grown.clear()
            try:
                session = await call.services.sessions.authenticate(call.request)
                session.require("events:read")
                found, reached, is_all = await _read(call, after, wanted)
            except (Problem, Refusal):
                return  # who comes back is told why
            except psycopg.OperationalError as error:
                logger.warning("Events cannot be followed for now: %s", error, extra={"action": "follow"})
                return
            for record in found:
                yield _message(record, wanted)
            after = reached
            found = []  # a client that reads slowly holds up one page of itself, and a follower that waits none
            if is_all:
                try:
                    await asyncio.wait_for(grown.wait(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield HEARTBEAT


async def _read(call: RequestContext, after: int, wanted: Wanted) -> tuple[list[RecordedEvent], int, bool]:
    """The next events, up to where there are no others, and whether that is the end: those of other topics are not looked at
    again."""

    async def ask(connection: Connection) -> tuple[list[RecordedEvent], int, bool]:
        end = await head(connection, call.tenant_id)
        if end is None or end.position <= after:
            return [], after, True
        found = await read_ledger(
            connection,
            call.tenant_id,
            after,
            BATCH,
            wanted.topics,
            end.position,
            most_bytes=PAGE_BYTES,
            stream_id=wanted.stream_id,
            also_unread=True,
        )
        if len(found) == BATCH or sum(len(record.payload) for record in found) >= PAGE_BYTES:
            return found, found[-1].position, False
        return found, end.position, True

    return await call.services.reads.of_ledger(ask)


def _message(record: RecordedEvent, wanted: Wanted) -> bytes:
    item = answers.to_json(event_item(record, wanted.most_bytes))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (record.position, record.topic.encode(), item)

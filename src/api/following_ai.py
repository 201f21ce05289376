"""What a model says of an AI task while it says it, as server-sent events: from an offset on, until the task is over.

    id: <characters of the task's stream up to here>
    event: text
    data: {"attempt_id", "text"}

Then, once, `event: end` with {"status"}. No connection to the database is held between two looks. The right to see is asked for
again before each.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
from starlette.responses import StreamingResponse

from api import answers
from api.call import RequestContext
from api.following import HEARTBEAT, HEARTBEAT_SECONDS, RECONNECT, streamed
from api.problems import Problem
from domain.ai_task import AI_TASK
from domain.facts import Refusal
from store import ai_streams
from store.ai_streams import Chunk
from store.codec import JSON

EVERY = 0.25
"""Seconds from one look to the next."""

logger = logging.getLogger(__name__)


def follow(call: RequestContext, id: UUID, offset: int) -> StreamingResponse:
    return streamed(_messages(call, id, offset))


async def status_of(call: RequestContext, id: UUID) -> tuple[str, bool]:
    """How the task stands, and whether it is over."""
    state, _ = await call.services.handler.read(call.tenant_id, AI_TASK, id)
    return state.status, state.closed


async def said(call: RequestContext, id: UUID, offset: int) -> list[Chunk]:
    """What comes after so many characters."""
    return await call.services.system_pool.read(lambda connection: ai_streams.read(connection, JSON, call.tenant_id, id, offset))


async def _messages(call: RequestContext, id: UUID, offset: int) -> AsyncIterator[bytes]:
    yield RECONNECT
    told = time.monotonic()
    while not call.services.feed.closing:
        try:
            session = await call.services.sessions.authenticate(call.request)
            session.require("ai_tasks:read")
            status, over = await status_of(call, id)
            chunks = await said(call, id, offset)
        except (Problem, Refusal):
            return  # who comes back is told why
        except psycopg.OperationalError as error:
            logger.warning("What is said cannot be followed for now: %s", error, extra={"action": "follow"})
            return
        for chunk in chunks:
            offset, told = chunk.end, time.monotonic()
            yield _message(offset, "text", {"attempt_id": str(chunk.attempt_id), "text": chunk.text})
        if chunks:
            continue
        if over:
            yield _message(offset, "end", {"status": status})
            return
        if time.monotonic() - told >= HEARTBEAT_SECONDS:
            told = time.monotonic()
            yield HEARTBEAT
        await asyncio.sleep(EVERY)


def _message(offset: int, event: str, data: dict[str, str]) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (offset, event.encode(), answers.to_json(data))

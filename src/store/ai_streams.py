"""What models say while they say it: pieces of text, kept for hours, for whoever follows a task.

    runtime.ai_stream_chunks (tenant_id, task_id, number, attempt_id, position, length, piece, written_at,
                              PRIMARY KEY (tenant_id, task_id, number))

Nothing of it is a fact. A task's stream goes on over its attempts: who follows sees by `attempt_id` that another one has begun.
The attempt's end has a digest of all that was streamed of it. Connections are gesta_system's, in autocommit.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import tuple_row
from pydantic_core import from_json, to_json

from store.codec import Codec
from store.jobs import Connection

KEPT = timedelta(hours=6)
MOST_CHARACTERS = 1 << 20
"""Of one attempt: what comes after is not streamed."""
PAGE = 200
SWEPT = 1_000
EVERY = 0.2
"""Seconds from one look to the next, of who follows."""
TOPIC = "ai_stream"

WRITE = """
INSERT INTO runtime.ai_stream_chunks (tenant_id, task_id, attempt_id, position, length, piece)
SELECT %(tenant)s, %(task)s, %(attempt)s,
       coalesce((SELECT c.position + c.length FROM runtime.ai_stream_chunks c
                  WHERE c.tenant_id = %(tenant)s AND c.task_id = %(task)s ORDER BY c.number DESC LIMIT 1), 0),
       %(length)s, %(piece)s
"""
READ = """
SELECT attempt_id, position, piece FROM runtime.ai_stream_chunks
 WHERE tenant_id = %s AND task_id = %s AND position + length > %s ORDER BY number LIMIT %s
"""
SWEEP = """
DELETE FROM runtime.ai_stream_chunks c USING (
    SELECT tenant_id, task_id, number FROM runtime.ai_stream_chunks WHERE written_at < clock_timestamp() - %s::interval
     ORDER BY written_at LIMIT %s) old
 WHERE c.tenant_id = old.tenant_id AND c.task_id = old.task_id AND c.number = old.number
"""


@dataclass(frozen=True)
class Chunk:
    """`position`: characters of the task's stream before it."""

    attempt_id: UUID
    position: int
    text: str

    @property
    def end(self) -> int:
        """The offset to go on from."""
        return self.position + len(self.text)


async def write(conn: Connection, codec: Codec, tenant_id: UUID, task_id: UUID, attempt_id: UUID, text: str) -> None:
    piece = codec.closed(to_json({"text": text}))
    given = {"tenant": tenant_id, "task": task_id, "attempt": attempt_id, "length": len(text), "piece": piece}
    await conn.execute(WRITE, given, prepare=True)


async def read(conn: Connection, codec: Codec, tenant_id: UUID, task_id: UUID, offset: int = 0) -> list[Chunk]:
    """What comes after so many characters, as far as it is there, in order; a page of it at most."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        rows: list[Any] = await (await cursor.execute(READ, (tenant_id, task_id, offset, PAGE))).fetchall()
    found = []
    for attempt_id, position, piece in rows:
        text, known = from_json(codec.opened(TOPIC, bytes(piece)))["text"], max(offset - position, 0)
        found.append(Chunk(attempt_id, position + known, text[known:]))
    return found


async def follow(
    look: Callable[[int], Awaitable[list[Chunk]]], is_over: Callable[[], Awaitable[bool]], offset: int = 0
) -> AsyncIterator[Chunk]:
    """Pieces as they come, until the task is over and all was told. `look`: `read` from an offset."""
    while True:
        over = await is_over()
        chunks = await look(offset)
        for chunk in chunks:
            yield chunk
            offset = chunk.end
        if over and not chunks:
            return
        if not chunks:
            await asyncio.sleep(EVERY)


async def sweep(conn: Connection) -> int:
    """How many were too old."""
    return (await conn.execute(SWEEP, (KEPT, SWEPT))).rowcount

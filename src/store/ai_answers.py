"""Answers of models to the very same requests, of a tenant's tasks that allow it.

    runtime.ai_answers (tenant_id, request, attempt_id, answer, written_at, PRIMARY KEY (tenant_id, request))

`request` is a SHA-256 of the model and everything that is sent. Nothing of it is a fact: what is missing is asked for again.
Connections are gesta_system's, in autocommit.
"""

from datetime import timedelta
from uuid import UUID

from psycopg.rows import tuple_row
from pydantic_core import from_json, to_json

from domain.facts import Json
from store.codec import Codec
from store.jobs import Connection

KEPT = timedelta(days=1)
LARGEST = 1 << 18
"""Bytes of an answer that is kept."""
MOST = 10_000
"""Answers of one tenant; the oldest go first."""
SWEPT = 1_000
TOPIC = "ai_answer"

FIND = """
SELECT attempt_id, answer FROM runtime.ai_answers
 WHERE tenant_id = %s AND request = %s AND written_at > clock_timestamp() - %s::interval
"""
KEEP = """
INSERT INTO runtime.ai_answers (tenant_id, request, attempt_id, answer) VALUES (%s, %s, %s, %s)
    ON CONFLICT (tenant_id, request) DO UPDATE
   SET attempt_id = excluded.attempt_id, answer = excluded.answer, written_at = clock_timestamp()
"""
SWEEP = """
DELETE FROM runtime.ai_answers a USING (
    SELECT tenant_id, request FROM runtime.ai_answers WHERE written_at < clock_timestamp() - %s::interval
     ORDER BY written_at LIMIT %s) old
 WHERE a.tenant_id = old.tenant_id AND a.request = old.request
"""
TRIM = """
DELETE FROM runtime.ai_answers a USING (
    SELECT tenant_id, request FROM (
        SELECT tenant_id, request, row_number() OVER (PARTITION BY tenant_id ORDER BY written_at DESC) AS place
          FROM runtime.ai_answers) placed
     WHERE placed.place > %s LIMIT %s) old
 WHERE a.tenant_id = old.tenant_id AND a.request = old.request
"""


async def find(conn: Connection, codec: Codec, tenant_id: UUID, request: bytes) -> tuple[UUID, Json] | None:
    """The attempt that was answered, and the answer."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        row = await (await cursor.execute(FIND, (tenant_id, request, KEPT), prepare=True)).fetchone()
    return None if row is None else (row[0], from_json(codec.opened(TOPIC, bytes(row[1]))))


async def keep(conn: Connection, codec: Codec, tenant_id: UUID, request: bytes, attempt_id: UUID, answer: Json) -> None:
    """Unless it is too large."""
    data = codec.closed(to_json(answer))
    if len(data) <= LARGEST:
        await conn.execute(KEEP, (tenant_id, request, attempt_id, data), prepare=True)


async def sweep(conn: Connection) -> int:
    """How many were too old, or too many."""
    old = (await conn.execute(SWEEP, (KEPT, SWEPT))).rowcount
    return old + (await conn.execute(TRIM, (MOST, SWEPT))).rowcount

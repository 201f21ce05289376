"""runtime.projection_generations: which tables are to be built anew, are being built, and were exchanged."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from runtime.migrations import newest_migration

SELECT = """
SELECT number, groups, state, reason, code, requested_at, started_at, swapped_at, accepted
  FROM runtime.projection_generations
 WHERE state = ANY(%(states)s)
 ORDER BY number
"""
BEGIN = """
INSERT INTO runtime.projection_generations (groups, state, reason, code, started_at, schema_version)
VALUES (%(groups)s, 'building', %(reason)s, %(code)s, clock_timestamp(), %(release)s) RETURNING number
"""
ABANDON = "UPDATE runtime.projection_generations SET state = 'abandoned' WHERE state = 'building'"
DONE = "UPDATE runtime.projection_generations SET state = 'done' WHERE state = 'building'"
SERVE = """
UPDATE runtime.projection_generations SET state = 'serving', swapped_at = clock_timestamp() WHERE number = %(number)s
"""
# what had served, and what was asked for and is done with this
REPLACE = """
UPDATE runtime.projection_generations SET state = CASE state WHEN 'wanted' THEN 'done' ELSE 'replaced' END
 WHERE number <> %(number)s AND state IN ('serving', 'wanted') AND groups <@ %(groups)s
"""


class Record(NamedTuple):
    """A row. `code`: `schema.digest` of what builds it."""

    number: int
    groups: list[str]
    state: str
    reason: str
    code: str | None
    requested_at: datetime
    started_at: datetime | None
    swapped_at: datetime | None
    accepted: list[str]
    """Differences that are meant by whoever asked for it."""


async def records(conn: AsyncConnection[Any], *states: str) -> list[Record]:
    """Those in these states, the oldest first."""
    cursor = await conn.execute(SELECT, {"states": list(states)})
    return [Record(*row) for row in await cursor.fetchall()]


async def begin(conn: AsyncConnection[Any], groups: Collection[str], reason: str, code: str) -> int:
    cursor = await conn.execute(BEGIN, {"groups": sorted(groups), "reason": reason, "code": code, "release": newest_migration()})
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def abandon(conn: AsyncConnection[Any]) -> None:
    await conn.execute(ABANDON)


async def done(conn: AsyncConnection[Any]) -> None:
    """What was built is used up: no generation comes of it."""
    await conn.execute(DONE)


async def serve(conn: AsyncConnection[Any], number: int, groups: Collection[str]) -> None:
    await conn.execute(SERVE, {"number": number})
    await conn.execute(REPLACE, {"number": number, "groups": sorted(groups)})

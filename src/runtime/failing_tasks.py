"""Telling others of a process's background tasks that keep failing: a row each in runtime.failing_tasks, where every API looks.

Nothing is written, and nothing asked, while all is well.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import psycopg
from psycopg.rows import class_row

from runtime import supervision
from runtime.errors import OperatorError
from runtime.pools import Connection, connect
from runtime.supervision import Failing

TELL_SECONDS = 2.0
FORGET_SECONDS = 8.0
"""What its process has not said for so long is not believed any more: it was killed."""
EXPECTED = (psycopg.OperationalError, OperatorError)

TELL = """
INSERT INTO runtime.failing_tasks (process, task, error, failures, since, failed_at, told_at)
SELECT %(process)s, task, error, failures, clock_timestamp() - since * interval '1 second',
       clock_timestamp() - latest * interval '1 second', clock_timestamp()
  FROM unnest(%(tasks)s::text[], %(errors)s::text[], %(failures)s::bigint[], %(since)s::float8[], %(latest)s::float8[])
       AS t (task, error, failures, since, latest)
    ON CONFLICT (process, task) DO UPDATE
   SET error = excluded.error, failures = excluded.failures, since = excluded.since, failed_at = excluded.failed_at,
       told_at = excluded.told_at
"""
# What killed processes left goes with it.
TAKE_BACK = """
DELETE FROM runtime.failing_tasks
 WHERE process = %(process)s AND task <> ALL (%(tasks)s::text[]) OR told_at < clock_timestamp() - interval '1 hour'
"""
SELECT = """
SELECT process, task, error, failures, since, failed_at FROM runtime.failing_tasks
 WHERE told_at > clock_timestamp() - %(forget)s * interval '1 second'
 ORDER BY process, task LIMIT 100
"""


@dataclass(frozen=True)
class FailingTask:
    """A row of runtime.failing_tasks."""

    process: str
    task: str
    error: str
    failures: int
    since: datetime
    failed_at: datetime


@asynccontextmanager
async def telling(url: str, kind: str) -> AsyncIterator[str]:
    """For as long as this is open, others are told of what keeps failing in this process, of a `kind` such as api.

    Yields what it is called there.
    """
    process = f"{kind} {socket.gethostname()}:{os.getpid()}"
    task = supervision.supervise("health", partial(_tell_on, url, process), expected=EXPECTED)
    try:
        yield process
    finally:
        await supervision.stop(task)


async def failing_tasks(connection: Connection) -> list[FailingTask]:
    """Of all processes, as far as they could say so."""
    async with connection.cursor(row_factory=class_row(FailingTask)) as cursor:
        await cursor.execute(SELECT, {"forget": FORGET_SECONDS})
        return await cursor.fetchall()


async def _tell_on(url: str, process: str) -> None:
    told = False
    while True:
        await asyncio.sleep(TELL_SECONDS)
        found = supervision.failing()
        if found or told:
            async with connect(url, name="gesta health") as connection:
                await _tell(connection, process, found)
            told = bool(found)


async def _tell(connection: Connection, process: str, found: list[Failing]) -> None:
    now = asyncio.get_running_loop().time()
    by_task = {one.task: one for one in found}  # of several tasks of a name, the one that began to fail last
    given = {
        "process": process,
        "tasks": list(by_task),
        "errors": [one.error.encode(errors="replace").decode().replace("\0", "")[:2_000] for one in by_task.values()],
        "failures": [one.failures for one in by_task.values()],
        "since": [now - one.since for one in by_task.values()],
        "latest": [now - one.latest for one in by_task.values()],
    }
    if by_task:
        await connection.execute(TELL, given)
    await connection.execute(TAKE_BACK, given)

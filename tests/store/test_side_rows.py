"""Side rows: what is sent is what the database's types say, also where those types are others than they were."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import RawCursor

from domain.facts import Claim, Concurrency, Due, Fence, Job, JobLimits, Rate, Timer
from runtime import functions, migrations
from store import side_rows
from store.append import APPEND_WITH_WORK, SIDES, Entry
from store.side_rows import KINDS, Claims, Dropped, Fences, Jobs, SideRows, Timers
from store.writer import Writer
from tests.conftest import Database
from tests.faults.pooler import pooled
from tests.store.ledgers import connected, entry, open_ledger

FIELDS = """
SELECT attname, atttypid::int8 FROM pg_attribute
 WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
PARAMETERS = """
SELECT name, format_type(of_type, NULL)
  FROM pg_proc, unnest(proargnames, proallargtypes) WITH ORDINALITY AS p (name, of_type, n)
 WHERE oid = 'ledger.append_rows_2'::regproc AND format_type(of_type, NULL) LIKE 'ledger.%' ORDER BY n
"""
MOMENT = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
A, B, C, D = (uuid4() for _ in range(4))


BARE = {side_rows.int4: 1, side_rows.number: 1, side_rows.int8: 1, side_rows.text: "", side_rows.word: ""}
"""What those write that do not write NULL."""


def number_of(write: Callable[[Any], bytes]) -> int:
    """The number of the type that it writes."""
    return int.from_bytes(write(BARE.get(write))[:4])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_is_as_its_type_in_the_database(database: Database, kind: type[SideRows[Any]]) -> None:
    with connected(database.system_url) as connection:
        found = connection.execute(FIELDS, [f"ledger.{kind.type}"]).fetchall()
    sent = [("cmd", 23), *((name, number_of(write)) for name, write, _ in kind.fields), *((name, 17) for name in kind.beside)]
    assert sent == found


def test_append_takes_what_is_sent(database: Database) -> None:
    with connected(database.system_url) as connection:
        found = connection.execute(PARAMETERS).fetchall()
    assert [(name, f"ledger.{kind.type}[]") for name, kind in SIDES.items()] == found
    assert APPEND_WITH_WORK.count(b"$") == 16 + len(SIDES)


LIMITS = JobLimits("expense", "book", Concurrency(2, "erp"), Rate(3, timedelta(minutes=1)))
WRITTEN: dict[str, Any] = {
    "workflow": "expense",
    "node": "book",
    "concurrency": {"key": "erp", "limit": 2},
    "rate": {"key": None, "count": 3, "seconds": 60.0},
}
FULL_JOB = Job(A, "größe", None, B, C, D, 7, timedelta(microseconds=5), -3, True, LIMITS, MOMENT, 2**40)
ROWS: list[tuple[type[SideRows[Any]], Any, tuple[Any, ...]]] = [
    (Claims, Claim("role.key", "prüfer", A), ("role.key", "prüfer", A)),
    (Fences, (Fence(A, 2**40, "retry", timedelta(days=9), None, True), b"{}"), (A, 2**40, True, "retry", 777_600_000_000, b"{}")),
    (Fences, (Fence(A, 1, "done"), None), (A, 1, False, "done", 0, None)),
    (Jobs, (FULL_JOB, b"[1]"), (A, "größe", B, C, D, 7, 5, True, -3, WRITTEN, MOMENT, 2**40, b"[1]")),
    (Jobs, (Job(A, "step"), None), (A, "step", None, None, None, 1, 0, False, 0, None, None, 0, None)),
    (
        Timers,
        Timer(A, Due(at=MOMENT), "due", "approval", B, C, D, held=True),
        (A, "due", 0, MOMENT, True, C, D, "approval", B),
    ),
    (
        Timers,
        Timer(A, Due(timedelta(seconds=1)), "due", "approval", B),
        (A, "due", 10**6, None, False, None, None, "approval", B),
    ),
    (Dropped, A, (A,)),
]


@pytest.mark.parametrize(("kind", "row", "read"), ROWS)
def test_the_database_reads_what_was_meant(
    database: Database, kind: type[SideRows[Any]], row: Any, read: tuple[Any, ...]
) -> None:
    rows = kind()
    rows.add(1, [row])
    rows.add(2, [])
    rows.add(3, [row, row])
    with connected(database.system_url) as connection, RawCursor(connection) as cursor:
        for binary in (False, True):
            cursor.execute("SELECT * FROM unnest($1)", [rows], binary=binary)
            assert cursor.fetchall() == [(1, *read), (3, *read), (3, *read)]
        cursor.execute("SELECT cardinality($1)", [kind()])
        assert cursor.fetchone() == (0,)


def a_lot() -> Entry:
    return entry(
        uuid4(),
        jobs=[Job(uuid4(), "step")],
        timers=[Timer(uuid4(), Due(timedelta(hours=1)), "due", "approval", uuid4())],
        claims=[Claim("s", uuid4().hex, uuid4())],
    )


def take_back(database: Database) -> None:
    """As it was before there were side rows."""
    known = migrations.load()
    (version,) = [each.version for each in known if each.name.endswith("side_rows")]
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        migrations.rollback(owner, known, to=version - 1)


def apply_again(database: Database) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        migrations.migrate(owner, migrations.load(), functions.load())


async def test_types_with_other_numbers_are_learnt_under_way(database: Database) -> None:
    """A migration is taken back and applied again while connections stay. In between commands fail, and afterwards none does."""
    await types_change_under_way(database, database.system_url)


@pytest.mark.nightly
@pytest.mark.parametrize("prepared", [200, 0])
async def test_types_with_other_numbers_are_learnt_behind_a_pooler(prepared: int, database: Database, tmp_path: Path) -> None:
    """Its servers stay, with what they have prepared."""
    with pooled(database, tmp_path, prepared=prepared, size=2) as through:
        await types_change_under_way(database, through.system_url)


async def types_change_under_way(database: Database, url: str) -> None:
    writer = Writer(url)
    try:
        with connected(database.system_url) as ledger:
            tenant, other = open_ledger(ledger), open_ledger(ledger)

        async def verdicts(*tenants: Any) -> list[str]:
            submitted = [writer.submit(each, a_lot()) for each in tenants]
            return [(await asyncio.wait_for(each.settled(), 60)).verdict for each in submitted]

        assert await verdicts(tenant, other) == ["appended", "appended"]
        await asyncio.to_thread(take_back, database)
        assert set(await verdicts(tenant, other)) == {"failed"}
        await asyncio.to_thread(apply_again, database)
        assert await verdicts(tenant, other, tenant) == ["appended"] * 3
        await asyncio.to_thread(take_back, database)
        await asyncio.to_thread(apply_again, database)
        assert await verdicts(tenant, other, tenant) == ["appended"] * 3
    finally:
        await asyncio.wait_for(writer.aclose(), 60)

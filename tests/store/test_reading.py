"""Reading the ledger: in order, by stream, by topic, and how far it reaches."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from domain.envelope import PLATFORM, Envelope
from domain.facts import Event
from domain.role import RoleChanged, RoleDeleted
from domain.user import UserRegistered
from store.codec import JSON, encode_envelope
from store.reading import SELECT_HEADS, Head, head, heads, position_at, read_ledger, read_stream, read_tails
from store.topics import UnknownTopic, topic_of, topics_of
from tests.conftest import Database

INSERT = """
INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
MOMENT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ENVELOPE = Envelope("user", user_id=UUID(int=1), ip="192.0.2.1", reason="because")
A, B = UUID(int=0xA), UUID(int=0xB)


@pytest.fixture
async def conn(database: Database) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(database.superuser_url, autocommit=True) as connection:
        await connection.execute("SET TIME ZONE 'Asia/Kathmandu'")  # nobody's times may depend on it
        yield connection


async def ledger_of(conn: psycopg.AsyncConnection[Any], *facts: tuple[UUID, Event]) -> UUID:
    """A new ledger with these events, one a minute."""
    tenant_id = uuid4()
    await conn.execute("SELECT ledger.open(%s)", (tenant_id,))
    versions: dict[UUID, int] = {}
    for position, (stream, event) in enumerate(facts, 1):
        versions[stream] = versions.get(stream, 0) + 1
        recorded = MOMENT + timedelta(minutes=position)
        row = (tenant_id, position, stream, versions[stream], topic_of(type(event)), MOMENT, recorded, UUID(int=position))
        await conn.execute(INSERT, (*row, encode_envelope(ENVELOPE), JSON.encode(event)))
    return tenant_id


def changed(name: str) -> RoleChanged:
    return RoleChanged(name, ("executions:start",))


FACTS: tuple[tuple[UUID, Event], ...] = (
    (A, changed("1")),
    (B, changed("2")),
    (A, RoleDeleted("3")),
    (A, changed("4")),
    (B, RoleDeleted("5")),
)


async def test_an_event_comes_back_with_all_that_was_recorded(conn: psycopg.AsyncConnection[Any]) -> None:
    tenant_id = await ledger_of(conn, *FACTS)
    event = (await read_ledger(conn, tenant_id, after=2, limit=1))[0]
    assert (event.tenant_id, event.position, event.stream_id, event.version) == (tenant_id, 3, A, 2)
    assert (event.topic, event.event, event.envelope) == ("role.deleted.v1", RoleDeleted("3"), ENVELOPE)
    assert (event.occurred_at, event.recorded_at, event.command_id) == (MOMENT, MOMENT + timedelta(minutes=3), UUID(int=3))
    assert event.occurred_at.tzinfo is event.recorded_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("after", "limit", "up_to", "expected"),
    [
        (0, 10, None, [1, 2, 3, 4, 5]),
        (0, 2, None, [1, 2]),
        (2, 2, None, [3, 4]),
        (1, 10, 3, [2, 3]),
        (5, 10, None, []),
        (3, 9, 3, []),
    ],
)
async def test_a_ledger_is_read_page_by_page(
    conn: psycopg.AsyncConnection[Any], after: int, limit: int, up_to: int | None, expected: list[int]
) -> None:
    tenant_id = await ledger_of(conn, *FACTS)
    await ledger_of(conn, *FACTS)
    assert [e.position for e in await read_ledger(conn, tenant_id, after, limit, up_to=up_to)] == expected


async def test_a_ledger_is_read_by_topic(conn: psycopg.AsyncConnection[Any]) -> None:
    tenant_id = await ledger_of(conn, *FACTS)
    read = await read_ledger(conn, tenant_id, 0, 10, topics=topics_of(RoleDeleted))
    assert [e.position for e in read] == [3, 5]
    assert [e.position for e in await read_ledger(conn, tenant_id, 3, 10, topics=topics_of(RoleDeleted), up_to=4)] == []
    assert await read_ledger(conn, tenant_id, 0, 10, topics=()) == []


async def test_a_stream_is_read_from_a_version_on(conn: psycopg.AsyncConnection[Any]) -> None:
    tenant_id = await ledger_of(conn, *FACTS)
    await ledger_of(conn, *FACTS)
    assert [e.position for e in await read_stream(conn, tenant_id, A)] == [1, 3, 4]
    assert [e.position for e in await read_stream(conn, tenant_id, A, after_version=1)] == [3, 4]
    assert [e.position for e in await read_stream(conn, tenant_id, A, after_version=1, limit=1)] == [3]
    assert await read_stream(conn, tenant_id, uuid4()) == []


async def test_the_tails_of_several_streams_come_in_one(conn: psycopg.AsyncConnection[Any]) -> None:
    tenant_id = await ledger_of(conn, *FACTS)
    read = await read_tails(conn, tenant_id, {A: 2, B: 0, uuid4(): 0})
    assert [(e.position, e.stream_id, e.version) for e in read] == [(2, B, 1), (4, A, 3), (5, B, 2)]
    assert await read_tails(conn, tenant_id, {}) == []


async def test_heads_say_how_far_each_ledger_reaches(conn: psycopg.AsyncConnection[Any]) -> None:
    long, short, empty = await ledger_of(conn, *FACTS), await ledger_of(conn, *FACTS[:2]), await ledger_of(conn)
    await conn.execute("UPDATE ledger.heads SET epoch = 3 WHERE tenant_id = %s", (short,))
    assert await heads(conn) == {PLATFORM: Head(1, 0), long: Head(1, 5), short: Head(3, 2), empty: Head(1, 0)}
    assert [await head(conn, t) for t in (long, short, empty, uuid4())] == [Head(1, 5), Head(3, 2), Head(1, 0), None]


async def test_the_position_of_a_moment_is_that_of_the_last_event_recorded_until_then(conn: psycopg.AsyncConnection[Any]) -> None:
    tenant_id = await ledger_of(conn, *FACTS)
    asked = [timedelta(0), timedelta(minutes=3), timedelta(minutes=3, seconds=59), timedelta(days=1)]
    assert [await position_at(conn, tenant_id, MOMENT + after) for after in asked] == [0, 3, 3, 5]


async def test_an_unknown_topic_stops_the_reader_and_is_named(conn: psycopg.AsyncConnection[Any]) -> None:
    tenant_id = await ledger_of(conn, (A, changed("1")))
    row = (tenant_id, 2, A, 2, "role.praised.v1", MOMENT, MOMENT + timedelta(hours=1), uuid4(), b'{"actor_type":"system"}', b"{}")
    await conn.execute(INSERT, row)
    assert len(await read_ledger(conn, tenant_id, 0, 1)) == 1
    with pytest.raises(UnknownTopic, match=r"role\.praised\.v1"):
        await read_ledger(conn, tenant_id, 0, 10)


async def test_the_api_sees_how_far_the_ledger_of_its_transaction_reaches_and_nothing_in_it(
    database: Database, conn: psycopg.AsyncConnection[Any]
) -> None:
    own = await ledger_of(conn, (A, UserRegistered("a@example.org", "A")))
    foreign = await ledger_of(conn, (A, UserRegistered("b@example.org", "B")))
    async with await psycopg.AsyncConnection.connect(database.api_url) as api:
        await api.execute("SELECT set_config('gesta.tenant_id', %s, true)", (str(own),))
        assert await heads(api) == {own: Head(1, 1)}
        assert await head(api, foreign) is None
        with pytest.raises(InsufficientPrivilege):
            await read_ledger(api, own, 0, 10)


async def test_heads_of_many_ledgers_cost_one_look_up_each(conn: psycopg.AsyncConnection[Any]) -> None:
    tenant_id = await ledger_of(conn)
    await conn.execute("INSERT INTO ledger.heads (tenant_id) SELECT gen_random_uuid() FROM generate_series(1, 500)")
    await conn.execute(
        "INSERT INTO ledger.events SELECT %s, n, gen_random_uuid(), 1, 't', now(), now(), gen_random_uuid(), '', '' "
        "FROM generate_series(1, 5000) n",
        (tenant_id,),
    )
    cursor = await conn.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + SELECT_HEADS)
    row = await cursor.fetchone()
    assert row is not None
    rows = sum(node["Actual Rows"] * node["Actual Loops"] for node in nodes_on("events", row[0][0]["Plan"]))
    assert rows <= 502


def nodes_on(table: str, plan: dict[str, Any]) -> list[dict[str, Any]]:
    found = [plan] if plan.get("Relation Name") == table else []
    return found + [node for child in plan.get("Plans", []) for node in nodes_on(table, child)]

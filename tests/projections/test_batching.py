"""How much is read, folded and written at a time."""

from typing import Any

from psycopg import AsyncConnection

from domain.envelope import PLATFORM
from domain.role import RoleCreated
from projections import freshness
from projections.batching import BYTES, Size, Span, loads, measure, read
from projections.projector import Projector
from projections.replay import batches, replay
from store.reading import decode_rows, read_ledger
from tests.conftest import Database
from tests.projections.story import ACME, GLOBEX, Ledgers, an_id, platform_story

LARGE = 100_000


async def large_events(ledgers: Ledgers, count: int) -> None:
    """Roles that are described at length, in each of two tenants."""
    await ledgers.append(PLATFORM, *platform_story())
    for tenant in (ACME, GLOBEX):
        described = (RoleCreated(f"r{number}", "R", (), "x" * LARGE) for number in range(count))
        await ledgers.append(tenant, *((an_id(f"{tenant} {event.key}"), event) for event in described))


async def test_a_portion_has_so_many_events_and_bytes_and_at_least_one(ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    await large_events(ledgers, 12)
    both = [Span(ACME, 0, 12), Span(GLOBEX, 9, 12)]

    async def events(spans: list[Span], most: int, size: int) -> dict[Any, int]:
        return {tenant: found.events for tenant, found in (await measure(system, spans, most, size)).items()}

    assert await events(both, 1000, 10 * LARGE) == {ACME: 9, GLOBEX: 3}
    assert await events(both, 5, 10 * LARGE) == {ACME: 5, GLOBEX: 3}
    assert await events(both, 1000, 1) == {ACME: 1, GLOBEX: 1}
    assert await events([Span(ACME, 12, 12), Span(an_id("nobody"), 0, 9)], 1000, 1) == {}
    assert await measure(system, [], 1000) == {}
    (size,) = (await measure(system, [Span(ACME, 0, 2)], 1000)).values()
    assert size == Size(2, size.bytes)
    assert 2 * LARGE < size.bytes < 2 * LARGE + 2000, "not what compression made of them"


async def test_a_flush_ends_where_its_events_get_heavy(
    database: Database, ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    """Flushes are told apart by the transactions that wrote the rows."""
    await large_events(ledgers, 12)
    await Projector(database.system_url, batch_bytes=int(5.5 * LARGE)).catch_up()
    assert [await freshness.position(system, tenant) for tenant in (ACME, GLOBEX)] == [12, 12]
    cursor = await system.execute("SELECT count(*) FROM projections.roles GROUP BY xmin ORDER BY 1")
    assert [row[0] for row in await cursor.fetchall()] == [4, 5, 5, 5, 5], "never more than five in one, of one tenant or two"
    assert (await replay(system, ACME)).equal


async def test_a_replay_reads_in_portions_too(ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    await large_events(ledgers, 100)
    lengths = [len(records) async for records in batches(system, ACME, 100, most=BYTES)]
    assert lengths == [BYTES // LARGE, 100 - BYTES // LARGE]
    positions = [record.position async for records in batches(system, ACME, 99) for record in records]
    assert positions == [*range(1, 100)]


def test_loads_hold_some_events_and_no_more_than_so_many_bytes() -> None:
    spans = [Span(an_id(f"tenant {number}"), 0, 9) for number in range(6)]
    weights = [(3, 10), (3, 10), (1, 80), (2, 200), (4, 5)]
    sizes = {span.tenant_id: Size(*weight) for span, weight in zip(spans, weights, strict=False)}
    shared = [[size.events for _, size in load] for load in loads(spans, sizes, 6, 100)]
    assert shared == [[3, 3], [1], [2], [4]], "by events, by bytes, too heavy for company; the last tenant has nothing"
    assert [*loads([], {}, 6, 100)] == []


async def test_the_events_of_many_tenants_are_read_at_once_each_in_order(ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    await large_events(ledgers, 4)
    found = await read(
        system, [(Span(ACME, 1, 4), Size(2, 0)), (Span(GLOBEX, 0, 3), Size(9, 0)), (Span(PLATFORM, 0, 0), Size(9, 0))]
    )
    assert {tenant: [row[0] for row in rows] for tenant, rows in found.items()} == {ACME: [2, 3], GLOBEX: [1, 2, 3], PLATFORM: []}
    assert decode_rows(ACME, found[ACME]) == await read_ledger(system, ACME, 1, 2)

"""The projector: batches, poison, rivals, crashes, waiting, and being woken."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection, sql

from domain.envelope import PLATFORM
from domain.execution import ExecutionCompleted
from domain.member import MemberAdded
from domain.role import RoleCreated
from domain.user import UserRegistered
from projections import freshness, poison_events
from projections.flush import EventBatch, flush
from projections.freshness import LostRace
from projections.projector import Projector
from projections.registry import TABLES
from projections.replay import replay
from store.notifications.channels import PROJECTED
from store.notifications.listening import listen
from store.reading import heads, read_ledger
from tests.clock import ManualClock
from tests.conftest import Database
from tests.projections.story import ACME, ANN, BOB, GLOBEX, Ledgers, an_id, platform_story, tenant_story

NOBODY_S = an_id("an execution that never started")


async def positions(conn: AsyncConnection[Any]) -> dict[UUID, int]:
    return {tenant: await freshness.position(conn, tenant) for tenant in (PLATFORM, ACME, GLOBEX)}


async def tops(conn: AsyncConnection[Any]) -> dict[UUID, int]:
    return {tenant: head.position for tenant, head in (await heads(conn)).items()}


async def test_a_poisoned_tenant_stops_before_the_event_and_the_others_go_on(
    ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    story = tenant_story("acme")
    await ledgers.append(ACME, *story, (NOBODY_S, ExecutionCompleted(None)), *tenant_story("globex")[-1:])
    await ledgers.append(GLOBEX, *tenant_story("globex"))
    await projector.catch_up()
    assert await positions(system) == {**await tops(system), ACME: len(story)}
    fault = (await poison_events.read_poison_events(system))[ACME]
    assert (fault.position, fault.attempts) == (len(story) + 1, 1)
    assert "workflow_executions has no row" in fault.error
    assert (await replay(system, ACME)).equal


async def test_an_event_that_cannot_be_decoded_is_poison_too(
    ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    await ledgers.append(ACME, *tenant_story("acme")[:4])
    await ledgers.append_raw(ACME, NOBODY_S, "execution.completed.v1", b"[]")
    await projector.catch_up()
    assert await freshness.position(system, ACME) == 4
    assert (await poison_events.read_poison_events(system))[ACME].position == 5


GAP = """
INSERT INTO ledger.events
SELECT tenant_id, position + 100, gen_random_uuid(), 1, topic, occurred_at, recorded_at, command_id, meta, data
  FROM ledger.events WHERE tenant_id = %s AND position = %s
"""


@pytest.mark.parametrize("batch", [1, 1000])
async def test_a_gap_that_somebody_made_stops_the_tenant_before_it(
    batch: int, database: Database, ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    roles = [(an_id(f"r{number}"), RoleCreated(f"r{number}", "R", ())) for number in range(11)]
    await ledgers.append(ACME, *roles)
    await ledgers.conn.execute(GAP, [ACME, 11])
    projector = Projector(database.system_url, batch=batch)
    await projector.catch_up()
    assert await freshness.position(system, ACME) == 11
    fault = (await poison_events.read_poison_events(system))[ACME]
    assert (fault.position, fault.error) == (12, "Missing: there is no event 12, and there are later ones")
    assert fault.topic is None


async def test_an_event_of_an_unknown_topic_is_waited_for_and_is_no_poison(
    ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    await ledgers.append(ACME, (an_id("r"), RoleCreated("r", "R", ())))
    await ledgers.append_raw(ACME, NOBODY_S, "execution.dreamt.v1", b"{}")
    await projector.catch_up()
    fault = (await poison_events.read_poison_events(system))[ACME]
    assert (fault.position, fault.topic, await freshness.position(system, ACME)) == (2, "execution.dreamt.v1", 1)
    assert fault.words == "needs a release that knows the topic execution.dreamt.v1"
    (told,) = [each for each in caplog.records if each.name == "projections.projector"]
    assert (told.levelname, "until a newer release" in told.message) == ("WARNING", True)


async def test_an_event_that_the_database_refuses_is_poison_too(
    ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    await ledgers.append(ACME, (an_id("r1"), RoleCreated("twin", "One", ())), (an_id("r2"), RoleCreated("twin", "Two", ())))
    await projector.catch_up()
    assert await freshness.position(system, ACME) == 1
    assert "roles_key_is_unique" in (await poison_events.read_poison_events(system))[ACME].error


async def test_a_fault_is_retried_at_growing_intervals_and_goes_when_it_is_healed(
    database: Database, ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    clock = ManualClock()
    projector = Projector(database.system_url, clock=clock)
    await ledgers.append(PLATFORM, *platform_story())
    await ledgers.append(ACME, (an_id("r1"), RoleCreated("one", "One", ("audit:read",))))
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as owner:
        await owner.execute("ALTER TABLE projections.roles ADD CONSTRAINT not_now CHECK (false)")
        waits = []
        for _ in range(3):
            await projector.catch_up()
            fault = (await poison_events.read_poison_events(system))[ACME]
            waits.append(fault.retry_at - clock.now())
            await projector.catch_up()
            assert (await poison_events.read_poison_events(system))[ACME] == fault, "it is not due"
            clock.set(fault.retry_at)
        assert waits == [timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=4)]
        await owner.execute("ALTER TABLE projections.roles DROP CONSTRAINT not_now")
    await projector.catch_up()
    assert await poison_events.read_poison_events(system) == {}
    assert (await replay(system, ACME)).equal


async def test_retry_makes_a_fault_due(database: Database, ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    clock = ManualClock()
    await ledgers.append(ACME, (NOBODY_S, ExecutionCompleted(None)))
    projector = Projector(database.system_url, clock=clock)
    await projector.catch_up()
    assert await poison_events.retry(system, clock.now()) == [ACME]
    await projector.catch_up()
    assert (await poison_events.read_poison_events(system))[ACME].attempts == 2


def test_intervals_end_at_five_minutes() -> None:
    lengths = [poison_events.interval(attempts) for attempts in range(1, 100)]
    assert all(a <= b for a, b in pairwise(lengths))
    assert lengths[-1] == timedelta(minutes=5)


async def test_a_second_projector_that_was_slower_is_fenced(ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    batch = EventBatch(PLATFORM, 0, await read_ledger(system, PLATFORM, 0, 10))
    await flush(system, [batch])
    with pytest.raises(LostRace):
        await flush(system, [batch])
    assert await freshness.position(system, PLATFORM) == 10
    assert (await replay(system, PLATFORM)).equal


async def test_projectors_at_the_same_time_do_not_apply_anything_twice(
    database: Database, ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    await ledgers.everything()
    await asyncio.gather(*(Projector(database.system_url, batch=3).catch_up() for _ in range(3)))
    assert await positions(system) == await tops(system)
    for tenant in (PLATFORM, ACME, GLOBEX):
        assert (await replay(system, tenant)).differences == []


async def test_after_a_crash_between_flushes_it_goes_on_where_it_stood(
    database: Database, ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]
) -> None:
    await ledgers.everything()
    await Projector(database.system_url).catch_up([PLATFORM])
    records = await read_ledger(system, ACME, 0, 20)
    await flush(system, [EventBatch(ACME, 0, records[:11])])
    async with system.transaction(force_rollback=True):  # the process dies after it wrote, before it committed
        await flush(system, [EventBatch(ACME, 11, records[11:])])
    await projector.catch_up()
    assert await positions(system) == await tops(system)
    assert (await replay(system, ACME)).differences == []


async def test_a_member_waits_for_the_platform(ledgers: Ledgers, projector: Projector, system: AsyncConnection[Any]) -> None:
    await ledgers.append(ACME, (an_id("r"), RoleCreated("r", "R", ())), (ANN, MemberAdded(ANN, (), 1)))
    await projector.catch_up()
    assert await freshness.position(system, ACME) == 1
    assert await poison_events.read_poison_events(system) == {}, "waiting is no fault"
    await ledgers.append(PLATFORM, (ANN, UserRegistered("ann@acme.example", "Ann")))
    await projector.catch_up()
    assert await freshness.position(system, ACME) == 2


ROWS = sql.SQL("SELECT to_jsonb(t) FROM projections.{} t ORDER BY {}")


async def contents(conn: AsyncConnection[Any]) -> dict[str, list[Any]]:
    found = {}
    for table in TABLES:
        key = sql.SQL(", ").join(sql.Identifier(column) for column in table.key)
        found[table.name] = await (await conn.execute(ROWS.format(sql.Identifier(table.name), key))).fetchall()
    return found


EMPTY = sql.SQL("TRUNCATE {}").format(
    sql.SQL(", ").join(sql.Identifier("projections", name) for name in [*(table.name for table in TABLES), "freshness"])
)


async def test_the_tables_are_the_same_whatever_the_batches(database: Database, ledgers: Ledgers) -> None:
    await ledgers.everything()
    story = [record for tenant in (PLATFORM, ACME) for record in await read_ledger(ledgers.conn, tenant, 0, 1000)]
    expected: list[dict[str, list[Any]]] = []

    async def project(sizes: list[int]) -> None:
        async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as conn:
            await conn.execute(EMPTY)
            left = list(story)
            while left:
                size = sizes.pop() if sizes else len(left)
                portion, left = left[:size], left[size:]
                for tenant in (PLATFORM, ACME):
                    records = [record for record in portion if record.tenant_id == tenant]
                    if records:
                        await flush(conn, [EventBatch(tenant, records[0].position - 1, records)])
            expected.append(await contents(conn))

    await project([])
    loop = asyncio.get_running_loop()

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.integers(1, 25), min_size=1, max_size=120))
    def any_split(sizes: list[int]) -> None:
        asyncio.run_coroutine_threadsafe(project(list(sizes)), loop).result()
        assert expected.pop() == expected[0]

    await asyncio.to_thread(any_split)


@pytest.fixture
async def running(database: Database) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(Projector(database.system_url, sweep_seconds=60).run(stop))
    yield
    stop.set()
    await asyncio.wait_for(task, 10)


@pytest.fixture
async def listener(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        await listen(conn, [PROJECTED.name])
        yield conn


async def until(listener: AsyncConnection[Any], conn: AsyncConnection[Any], tenant: UUID, position: int) -> None:
    """Wait for the projector's own notes until a tenant's tables have reached a position."""
    while await freshness.position(conn, tenant) < position:
        notes = [note async for note in listener.notifies(timeout=20, stop_after=1)]
        assert notes, "the projector said nothing"


async def hint(conn: AsyncConnection[Any], payload: str = "") -> None:
    await conn.execute("SELECT pg_notify('gesta_events', %s)", [payload])


@pytest.mark.usefixtures("running")
async def test_a_hint_wakes_the_running_projector(
    listener: AsyncConnection[Any], ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    await hint(system)
    await until(listener, system, PLATFORM, len(platform_story()))
    await ledgers.append(ACME, *tenant_story("acme"))
    await hint(system, f"{ACME},{GLOBEX}")
    await until(listener, system, ACME, len(tenant_story("acme")))


@pytest.mark.usefixtures("running")
async def test_a_waiting_tenant_goes_on_when_the_platform_has_moved(
    listener: AsyncConnection[Any], ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(ACME, (an_id("r"), RoleCreated("r", "R", ())), (BOB, MemberAdded(BOB, (), 1)))
    await hint(system, str(ACME))
    await until(listener, system, ACME, 1)
    await ledgers.append(PLATFORM, (BOB, UserRegistered("bob@acme.example", "Bob")))
    await hint(system, str(PLATFORM))
    await until(listener, system, ACME, 2)


@pytest.mark.usefixtures("running")
async def test_it_comes_back_after_its_connections_were_cut(
    listener: AsyncConnection[Any], ledgers: Ledgers, database: Database, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(PLATFORM, *platform_story()[:3])
    await hint(system)
    await until(listener, system, PLATFORM, 3)
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as owner:
        cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'gesta projector%'"
        assert len(await (await owner.execute(cut)).fetchall()) >= 2
    await ledgers.append(PLATFORM, *platform_story()[3:])
    await hint(system)  # lost, if it does not listen again yet: then it has not looked yet either
    await until(listener, system, PLATFORM, len(platform_story()))

"""Who projects whom: leases end by the database's clock, pass on, and are fenced; nobody but gesta_system can hold one."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from domain.envelope import PLATFORM
from domain.role import RoleCreated
from projections import freshness
from projections.flush import EventBatch, flush
from projections.leases import COUNT, LEASE_SECONDS, PartitionLeases, PartitionLost, partition_of
from projections.projector import Projector
from projections.rebuilding.rebuild import RebuildOptions, rebuild
from store.notifications.channels import EVENTS
from store.notifications.listening import listen
from store.reading import read_ledger
from tests.conftest import Database
from tests.projections.story import Ledgers, an_id, platform_story

STORY = len(platform_story())


@asynccontextmanager
async def running(database: Database) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(Projector(database.system_url, sweep_seconds=60).run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait([task], timeout=10)


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.01)


async def held_by_others(conn: AsyncConnection[Any]) -> int:
    cursor = await conn.execute("SELECT count(*) FROM runtime.leases WHERE lease_until > clock_timestamp()")
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def project(conn: AsyncConnection[Any], leases: PartitionLeases, after: int, count: int) -> None:
    await flush(conn, [EventBatch(PLATFORM, after, await read_ledger(conn, PLATFORM, after, count))], leases)


async def test_locks_that_any_login_may_take_stop_nothing(
    database: Database, ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    with psycopg.connect(database.api_url, autocommit=True) as api:
        for slot in range(COUNT):
            api.execute("SELECT pg_advisory_lock(%s, %s)", [0x67736C74, slot])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            api.execute("SELECT * FROM runtime.leases FOR UPDATE")
        await ledgers.append(PLATFORM, *platform_story())
        async with running(database):
            await until(lambda: reached(system, STORY))


async def reached(conn: AsyncConnection[Any], position: int) -> bool:
    return await freshness.position(conn, PLATFORM) == position


async def test_a_partition_has_one_holder_at_a_time_and_passes_on_with_a_new_fence(system: AsyncConnection[Any]) -> None:
    first, second = PartitionLeases(lease_seconds=0.5, renew_seconds=60), PartitionLeases()
    assert await first.keep(system)
    assert PLATFORM in first
    assert not await second.keep(system)
    assert PLATFORM not in second
    assert second.seconds <= 0.5 + 0.2, "it comes back when that lease has ended"
    await until(lambda: taken(second, system), seconds=2)
    assert PLATFORM in second


async def test_all_share_fairly_what_comes_and_goes_is_handed_over(system: AsyncConnection[Any]) -> None:
    first, second, third = (PartitionLeases(renew_seconds=0.0) for _ in range(3))

    async def shares(*leases: PartitionLeases) -> list[int]:
        for _ in range(2):  # what is let go in the first round is taken in the second
            for each in leases:
                each.look_again()
                await each.keep(system)
        held = [{number for number in range(COUNT) if UUID(int=number) in each} for each in leases]
        assert set.union(*held) == set(range(COUNT))
        return sorted(map(len, held))

    assert await shares(first) == [16]
    assert await shares(first, second) == [8, 8]
    assert await shares(first, second, third) == [5, 5, 6]
    await second.release(system)
    assert await shares(first, third) == [8, 8]


async def test_who_has_more_than_its_share_tells_the_others_when_it_lets_go(
    database: Database, system: AsyncConnection[Any]
) -> None:
    first, second = PartitionLeases(renew_seconds=0.0), PartitionLeases(renew_seconds=0.0)
    await first.keep(system)
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as listening:
        channels = await listen(listening, [EVENTS.name])
        await second.keep(system)
        await first.keep(system)
        assert [channels[note.channel] async for note in listening.notifies(timeout=10, stop_after=1)] == [EVENTS.name]


async def test_a_projector_older_than_the_release_that_built_the_tables_stands_by(
    database: Database, ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    older, newer = PartitionLeases(renew_seconds=0.0, release=1), PartitionLeases(renew_seconds=0.0)
    await older.keep(system)
    await project(system, older, 0, 3)
    await rebuild(database.owner_url, database.system_url, RebuildOptions(("people",)))
    with pytest.raises(PartitionLost):
        await project(system, older, 3, 3)
    assert not await older.keep(system)
    assert PLATFORM not in older
    await newer.keep(system)
    await project(system, newer, 3, 3)


async def taken(leases: PartitionLeases, conn: AsyncConnection[Any]) -> bool:
    return await leases.keep(conn)


async def test_a_holder_that_slept_past_its_lease_writes_nothing(ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    slow, quick = PartitionLeases(), PartitionLeases()
    await slow.keep(system)
    await project(system, slow, 0, 3)
    await system.execute("UPDATE runtime.leases SET lease_until = clock_timestamp() - interval '1 second'")
    with pytest.raises(PartitionLost):
        await project(system, slow, 3, 3)
    await quick.keep(system)
    await project(system, quick, 3, 3)
    with pytest.raises(PartitionLost):
        await project(system, slow, 6, 3)
    assert await freshness.position(system, PLATFORM) == 6
    assert not await slow.keep(system)
    assert PLATFORM not in slow, "it has noticed"


async def test_who_stops_lets_go_at_once(database: Database, ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    async with running(database):
        await until(lambda: all_held(system))
        async with running(database) as _:
            await ledgers.append(PLATFORM, *platform_story())
            await system.execute("SELECT pg_notify('gesta_events', '')")
            await until(lambda: reached(system, STORY))
    assert await held_by_others(system) == 0


async def all_held(conn: AsyncConnection[Any]) -> bool:
    return await held_by_others(conn) == COUNT


async def test_one_that_stands_by_takes_over_within_a_second_of_the_leases_end(
    database: Database, ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    dead = PartitionLeases(lease_seconds=2.0, renew_seconds=60)
    await dead.keep(system)
    ends = time.monotonic() + 2.0
    await ledgers.append(PLATFORM, *platform_story())
    async with running(database):
        await until(lambda: reached(system, STORY))
    assert 0 <= time.monotonic() - ends < 1.0 + 2.0, "a second, and two for a machine that is busy"


async def test_idle_means_a_renewal_now_and_then(system: AsyncConnection[Any]) -> None:
    leases = PartitionLeases()
    assert await leases.keep(system)
    assert not any([await leases.keep(system) for _ in range(100)]), "it is not time to renew"
    assert leases.seconds > 1


def test_the_partition_is_the_last_digit_of_the_id() -> None:
    """As /readyz has it in SQL."""
    assert [partition_of(UUID(int=number)) for number in (0, 15, 16, 31)] == [0, 15, 0, 15]
    assert all(partition_of(UUID(int=number * 7919)) == int(str(UUID(int=number * 7919))[-1], 16) for number in range(100))


async def test_two_processes_share_the_work_and_a_dead_one_s_is_taken_over(
    database: Database, ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    await share_and_die(database, ledgers, system, 2)


@pytest.mark.nightly
async def test_so_do_four(database: Database, ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    await share_and_die(database, ledgers, system, 4)


async def share_and_die(database: Database, ledgers: Ledgers, system: AsyncConnection[Any], count: int) -> None:
    """Real processes, one of them killed: its partitions are another's within a second of the end of its lease."""
    await ledgers.append(PLATFORM, *platform_story())
    environment = {**os.environ, "GESTA_SYSTEM_DATABASE_URL": database.system_url, "DATABASE_URL": database.owner_url}
    command = (sys.executable, "-m", "cli.main", "projector")
    processes = [await asyncio.create_subprocess_exec(*command, env=environment, stdin=DEVNULL) for _ in range(count)]
    try:
        await until(lambda: shared_by(system, [COUNT // count] * count), seconds=60)
        await until(lambda: reached(system, STORY))
        processes[0].kill()
        await processes[0].wait()
        died = time.monotonic()
        await ledgers.append(PLATFORM, (an_id("r"), RoleCreated("r", "R", ())))
        await system.execute("SELECT pg_notify('gesta_events', '')")
        left = count - 1
        shares = sorted(COUNT // left + (number < COUNT % left) for number in range(left))
        await until(lambda: shared_by(system, shares), seconds=60)
        assert time.monotonic() - died < LEASE_SECONDS + 1.0 + 5.0, "a second, and five for a machine that is busy"
        await until(lambda: reached(system, STORY + 1))
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def shared_by(conn: AsyncConnection[Any], shares: list[int]) -> bool:
    cursor = await conn.execute(
        "SELECT count(*) FROM runtime.leases WHERE name LIKE 'projector %' AND lease_until > clock_timestamp() GROUP BY holder"
    )
    return sorted(row[0] for row in await cursor.fetchall()) == shares

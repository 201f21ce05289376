"""Many commands on one stream: each is decided on its predecessor's outcome, before that is known to be committed."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.facts import Decided, Fact, NotFound, View
from domain.role import ROLE, RoleChanged, RoleCreated, RoleDeleted
from store.cache import ENTRY_BYTES, StreamEntries, StreamEntry, StreamState
from store.handler import Tuning
from store.notifications.channels import EVENTS
from store.notifications.listening import listen
from store.queue import BatchLimits
from store.sizes import STATE_BYTES
from tests.conftest import Database
from tests.store.handling import (
    PATIENCE,
    Process,
    command,
    count_up,
    create,
    held_head,
    rename,
    running,
    stored,
)
from tests.store.ledgers import append, open_ledger, positions, versions
from tests.store.proxy import proxied


async def test_callers_on_one_stream_lose_nothing(process: Process, ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    role_id, decisions = uuid4(), []

    def decide(view: View) -> Decided:
        decisions.append(1)
        return count_up(role_id)(view)

    async def caller() -> list[int]:
        return [(await process.handler.handle(command(tenant), decide)).result for _ in range(5)]

    counted = await asyncio.wait_for(asyncio.gather(*[caller() for _ in range(128)]), PATIENCE)

    assert sorted(number for numbers in counted for number in numbers) == list(range(1, 641))
    assert all(numbers == sorted(numbers) for numbers in counted)
    assert versions(ledger, tenant, role_id) == list(range(1, 641))
    assert len(decisions) < 2 * 640  # each is decided once, but for those that had to load the stream first


async def test_two_processes_on_one_stream_lose_nothing(
    database: Database, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id = uuid4()
    async with running(database.system_url) as one, running(database.system_url) as two:
        calls = [p.handler.handle(command(tenant), count_up(role_id)) for _ in range(20) for p in (one, two)]
        done = await asyncio.wait_for(asyncio.gather(*calls), PATIENCE)
    assert sorted(one.result for one in done) == list(range(1, 41))
    assert versions(ledger, tenant, role_id) == list(range(1, 41))


async def test_the_state_moves_only_after_the_commit(process: Process, database: Database, tenant: UUID) -> None:
    role_id = uuid4()
    with held_head(database.system_url, tenant):
        first = asyncio.create_task(process.handler.handle(command(tenant), create(role_id)))
        await process.until(lambda: process.writer.unsettled == 1)
        second = asyncio.create_task(process.handler.handle(command(tenant), rename(role_id, "chained")))
        await process.until(lambda: process.writer.unsettled == 2)  # decided on what is not committed
        assert (await process.handler.read(tenant, ROLE, role_id))[1] == 0
    assert [(await first).position, (await second).position] == [1, 2]
    state, version = await process.handler.read(tenant, ROLE, role_id)
    assert (state.name, version) == ("chained", 2)


async def test_a_refusal_from_a_state_that_never_came_true_is_not_final(
    process: Process, database: Database, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id, looked = uuid4(), []

    def only_first(view: View) -> Decided:
        view.read(ROLE, role_id)
        if view.version(role_id):  # of the two that are decided again, the other may be first, and create it
            raise NotFound
        return create(role_id)(view)

    def second(view: View) -> Decided:
        looked.append(view.read(ROLE, role_id).exists)
        return create(role_id)(view)

    with held_head(database.system_url, tenant) as other:
        doomed = asyncio.create_task(process.handler.handle(command(tenant), only_first))
        await process.until(lambda: process.writer.unsettled == 1)
        refused_so_far = asyncio.create_task(process.handler.handle(command(tenant), second))
        await process.until(lambda: bool(looked))
        for _ in range(5):
            await process.handler.read(tenant, ROLE, role_id)
        assert looked == [True]  # it waits for its predecessor, and asks nobody before that is settled
        append(other, tenant, stored(role_id, RoleCreated("k", "n", ()), RoleDeleted("k")))
    with pytest.raises(NotFound):
        await doomed
    assert (await refused_so_far).position == 3
    assert looked[0] is True
    assert looked[-1] is False
    assert positions(ledger, tenant) == [1, 2, 3]


async def test_what_was_decided_on_a_rejected_command_is_decided_again_although_the_version_fits(
    process: Process, database: Database, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    """The foreign event takes the stream to the very version at which the chained command expects its predecessor's."""
    role_id = uuid4()
    with held_head(database.system_url, tenant) as other:
        calls = [asyncio.create_task(process.handler.handle(command(tenant), count_up(role_id))) for _ in range(3)]
        await process.until(lambda: process.writer.unsettled == 3)
        append(other, tenant, stored(role_id, RoleChanged("100", ())))
    assert sorted([(await call).result for call in calls]) == [101, 102, 103]
    assert versions(ledger, tenant, role_id) == [1, 2, 3, 4]


async def test_a_command_that_only_reads_a_hot_stream_depends_on_it(process: Process, database: Database, tenant: UUID) -> None:
    hot, own = uuid4(), uuid4()

    def copy(view: View) -> Decided:
        return Decided((Fact(own, RoleChanged(view.read(ROLE, hot).name, ())),), result=view.read(ROLE, hot).name)

    with held_head(database.system_url, tenant) as other:
        first = asyncio.create_task(process.handler.handle(command(tenant), count_up(hot)))
        await process.until(lambda: process.writer.unsettled == 1)
        reader = asyncio.create_task(process.handler.handle(command(tenant), copy))
        await process.until(lambda: process.writer.unsettled == 2)
        append(other, tenant, stored(hot, RoleChanged("50", ())))
    assert (await first).result == 51
    assert (await reader).result in ("50", "51")


async def test_a_cancelled_caller_leaves_the_chain_whole(
    process: Process, database: Database, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id = uuid4()
    with held_head(database.system_url, tenant):
        calls = [asyncio.create_task(process.handler.handle(command(tenant), count_up(role_id))) for _ in range(10)]
        await process.until(lambda: process.writer.unsettled == 10)
        for call in calls[::2]:
            call.cancel()
        await process.until(lambda: all(call.done() for call in calls[::2]))
    assert [(await call).result for call in calls[1::2]] == [2, 4, 6, 8, 10]
    assert (await process.handler.handle(command(tenant), count_up(role_id))).result == 11
    assert versions(ledger, tenant, role_id) == list(range(1, 12))


async def test_an_answer_lost_after_the_commit_is_no_conflict_with_oneself(
    database: Database, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id = uuid4()
    async with (
        proxied(database.system_url) as proxy,
        running(database.system_url, proxy.url, BatchLimits(lanes=1)) as process,
    ):
        await process.handler.handle(command(tenant), count_up(role_id))
        proxy.lose_answers()
        keyed = command(tenant, command_id=uuid4(), request_hash=b"h")
        done = await asyncio.gather(
            process.handler.handle(keyed, count_up(role_id)),
            *[process.handler.handle(command(tenant), count_up(role_id)) for _ in range(9)],
        )
    assert proxy.lost == 1
    assert sorted(one.result for one in done) == list(range(2, 12))
    assert not any(one.replayed for one in done)
    assert versions(ledger, tenant, role_id) == list(range(1, 12))


async def test_a_small_cache_is_enough(database: Database, tenant: UUID) -> None:
    roles = [uuid4() for _ in range(20)]
    async with running(database.system_url, tuning=Tuning(cached_states=5_000)) as process:
        for number in range(3):
            calls = [process.handler.handle(command(tenant), count_up(role_id)) for role_id in roles]
            done = await asyncio.wait_for(asyncio.gather(*calls), PATIENCE)
            assert {one.result for one in done} == {number + 1}


def test_the_cache_keeps_the_most_recently_used() -> None:
    entries, tenant = StreamEntries(2 * (ENTRY_BYTES + STATE_BYTES)), uuid4()
    a, b, c = uuid4(), uuid4(), uuid4()
    for stream_id in (a, b, a, c):
        entries.entry(tenant, stream_id).adopt(StreamState())
    assert [entries.find(tenant, stream_id) is not None for stream_id in (a, b, c)] == [True, False, True]
    assert len(entries) == 2


def test_a_line_discards_its_tip_once_for_each_rejected_chain() -> None:
    entry = StreamEntry(base=StreamState(1))
    entry.discard()
    generation = entry.generation
    entry.adopt(StreamState(2))
    assert (entry.base, entry.tip, entry.generation) == (StreamState(2), StreamState(2), generation)


async def test_one_hint_names_the_ledgers_that_have_grown(database: Database, ledger: psycopg.Connection[Any]) -> None:
    tenants = {open_ledger(ledger) for _ in range(3)}
    async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as listener:
        await listen(listener, [EVENTS.name])
        async with running(database.system_url) as process:
            await asyncio.gather(*[process.handler.handle(command(tenant), create(uuid4())) for tenant in tenants])
        heard: set[UUID] = set()  # closing has said what was still to be said
        async for notice in listener.notifies(timeout=PATIENCE):
            heard |= {UUID(name) for name in notice.payload.split(",")}
            if heard == tenants:
                break
    assert heard == tenants

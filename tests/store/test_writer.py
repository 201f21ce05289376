"""The writer: batches, order, and what goes wrong on the way to the database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from domain.facts import Claim
from store.append import AppendOutcome, Entry
from store.errors import AppendFailed, LedgerBusy, LedgerUnavailable
from store.pending_append import PendingAppend
from store.queue import BatchLimits
from store.writer import Writer
from tests.conftest import Database
from tests.store.ledgers import append, claims, connected, entry, event, open_ledger, positions, versions
from tests.store.proxy import Proxy, proxied

PATIENCE = 60.0
WRITING = """
SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'gesta writer%'
"""


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    writer = Writer(database.system_url)
    yield writer
    await asyncio.wait_for(writer.aclose(), PATIENCE)


@pytest.fixture
async def proxy(database: Database) -> AsyncIterator[Proxy]:
    async with proxied(database.system_url) as proxy:
        yield proxy


async def outcomes(*submitted: PendingAppend) -> list[AppendOutcome]:
    return await asyncio.wait_for(asyncio.gather(*[pending.settled() for pending in submitted]), PATIENCE)


async def verdicts(*submitted: PendingAppend) -> list[str]:
    return [outcome.verdict for outcome in await outcomes(*submitted)]


def poison() -> Entry:
    """A command that PostgreSQL cannot even read: text cannot hold NUL."""
    return Entry(uuid4(), b"{}", [event(uuid4(), topic="poison\x00")])


async def test_commands_of_many_ledgers_arrive_in_the_order_of_each(writer: Writer, ledger: psycopg.Connection[Any]) -> None:
    tenants = [open_ledger(ledger) for _ in range(30)]
    streams = {tenant: uuid4() for tenant in tenants}

    submitted = [
        writer.submit(tenant, entry(streams[tenant], expect=[(streams[tenant], round_)]))
        for round_ in range(20)
        for tenant in tenants
    ]

    assert set(await verdicts(*submitted)) == {"appended"}
    for tenant in tenants:
        assert versions(ledger, tenant, streams[tenant]) == list(range(1, 21))


async def test_batches_are_cut_by_events_and_by_bytes(database: Database, ledger: psycopg.Connection[Any]) -> None:
    tenant = open_ledger(ledger)
    writer = Writer(database.system_url, BatchLimits(batch_events=3, batch_bytes=1000))
    large = [Entry(uuid4(), b"{}", [event(uuid4(), b"x" * 5000)]) for _ in range(3)]
    submitted = [writer.submit(tenant, one) for one in [*[entry(uuid4(), uuid4()) for _ in range(5)], *large]]
    assert set(await verdicts(*submitted)) == {"appended"}
    batches = ledger.execute("SELECT count(DISTINCT recorded_at) FROM ledger.events WHERE tenant_id = %s", (tenant,)).fetchone()
    assert batches == (8,)
    await writer.aclose()


async def test_a_deep_queue_goes_in_halves_and_a_short_one_at_once(database: Database, ledger: psycopg.Connection[Any]) -> None:
    tenant = open_ledger(ledger)
    writer = Writer(database.system_url, BatchLimits(split_from=4))
    assert set(await verdicts(*[writer.submit(tenant, entry(uuid4())) for _ in range(20)])) == {"appended"}
    batches = ledger.execute(
        "SELECT count(*) FROM ledger.events WHERE tenant_id = %s GROUP BY recorded_at ORDER BY recorded_at", (tenant,)
    ).fetchall()
    assert batches == [(10,), (5,), (4,), (1,)]
    await writer.aclose()


async def test_a_dependency_within_a_batch_is_passed_on(writer: Writer, ledger: psycopg.Connection[Any]) -> None:
    tenant, a = open_ledger(ledger), uuid4()
    append(ledger, tenant, entry(a))
    phantom = writer.submit(tenant, entry(a, expect=[(a, 0)]))
    behind = writer.submit(tenant, entry(a, expect=[(a, 1)]), [phantom])
    further = writer.submit(tenant, entry(uuid4()), [behind])
    assert [(one.verdict, one.reason) for one in await outcomes(phantom, behind, further)] == [
        ("conflict", "version"),
        ("conflict", "dependency"),
        ("conflict", "dependency"),
    ]


async def test_a_dependency_of_an_earlier_batch_that_failed_dooms_the_command(
    database: Database, ledger: psycopg.Connection[Any]
) -> None:
    tenant, a = open_ledger(ledger), uuid4()
    append(ledger, tenant, entry(a))
    writer = Writer(database.system_url, BatchLimits(batch_events=1))  # each command is a batch of its own
    phantom = writer.submit(tenant, entry(a, expect=[(a, 0)]))
    behind = writer.submit(tenant, entry(a, expect=[(a, 1)]), [phantom])
    assert await verdicts(phantom, behind) == ["conflict", "conflict"]
    assert versions(ledger, tenant, a) == [1]
    await writer.aclose()


async def test_a_poisonous_command_fails_alone(writer: Writer, ledger: psycopg.Connection[Any]) -> None:
    one, two, a = open_ledger(ledger), open_ledger(ledger), uuid4()
    bad = poison()

    submitted = [
        writer.submit(one, entry(a, expect=[(a, 0)])),
        on := writer.submit(one, bad),
        writer.submit(one, entry(uuid4()), [on]),
        writer.submit(one, entry(a, expect=[(a, 1)])),
        *[writer.submit(two, entry(uuid4())) for _ in range(3)],
    ]

    settled = await outcomes(*submitted)
    assert [outcome.verdict for outcome in settled] == ["appended", "failed", "conflict", *["appended"] * 4]
    assert isinstance(settled[1].error, AppendFailed)
    assert isinstance(settled[1].error.__cause__, psycopg.DataError)
    assert versions(ledger, one, a) == [1, 2]


@pytest.mark.parametrize("name", ["b\x00d", "b\ud800d"])
async def test_a_name_that_text_cannot_hold_fails_alone(writer: Writer, ledger: psycopg.Connection[Any], name: str) -> None:
    tenant, a = open_ledger(ledger), uuid4()
    submitted = [writer.submit(tenant, entry(a, claims=[Claim("s", name, a)])) for name in ("good", name, "fine")]
    assert await verdicts(*submitted) == ["appended", "failed", "appended"]
    assert set(claims(ledger, tenant)) == {("s", "good"), ("s", "fine")}


# Held heads


@pytest.mark.parametrize("lanes", [1, 4])
async def test_held_heads_stall_their_own_ledgers_only(database: Database, ledger: psycopg.Connection[Any], lanes: int) -> None:
    held = [open_ledger(ledger) for _ in range(6)]  # more than there are lanes of both kinds
    free = [open_ledger(ledger) for _ in range(6)]
    writer = Writer(database.system_url, BatchLimits(lanes=lanes, waiting_lanes=1, lock_timeout=PATIENCE))
    with connected(database.system_url) as holder:
        with holder.transaction():
            for tenant in held:
                append(holder, tenant, entry(uuid4()))
            stalled = [writer.submit(tenant, entry(uuid4())) for tenant in held]
            for _ in range(3):
                served = [writer.submit(tenant, entry(uuid4())) for tenant in free]
                assert set(await verdicts(*served)) == {"appended"}
            assert [pending.outcome for pending in stalled] == [None] * 6
        assert [outcome.position for outcome in await outcomes(*stalled)] == [2] * 6
    await writer.aclose()


@pytest.mark.parametrize("waiting_lanes", [0, 1])
async def test_a_head_that_is_held_for_too_long_is_reported_busy(
    database: Database, ledger: psycopg.Connection[Any], waiting_lanes: int
) -> None:
    tenant = open_ledger(ledger)
    writer = Writer(database.system_url, BatchLimits(lock_timeout=0.1, waiting_lanes=waiting_lanes))
    with connected(database.system_url) as holder, holder.transaction():
        append(holder, tenant, entry(uuid4()))
        (outcome,) = await outcomes(writer.submit(tenant, entry(uuid4())))
        assert isinstance(outcome.error, LedgerBusy)
    assert await verdicts(writer.submit(tenant, entry(uuid4()))) == ["appended"]
    await writer.aclose()


# Lost connections


async def test_an_answer_lost_after_the_commit_is_fetched_again(proxy: Proxy, ledger: psycopg.Connection[Any]) -> None:
    tenant, a = open_ledger(ledger), uuid4()
    writer = Writer(proxy.url, BatchLimits(lanes=1))
    assert await verdicts(writer.submit(tenant, entry(a, expect=[(a, 0)]))) == ["appended"]

    proxy.lose_answers()
    submitted = [writer.submit(tenant, entry(a, expect=[(a, 1)])), writer.submit(tenant, entry(a, expect=[(a, 2)]))]
    settled = await outcomes(*submitted)

    assert proxy.lost == 1
    assert [(one.verdict, one.position) for one in settled] == [("done", 2), ("done", 3)]
    assert all(pending.resent for pending in submitted)
    assert versions(ledger, tenant, a) == [1, 2, 3]
    await writer.aclose()


async def test_an_answer_over_several_ledgers_lost_after_the_commit(proxy: Proxy, ledger: psycopg.Connection[Any]) -> None:
    tenants = [open_ledger(ledger) for _ in range(5)]
    writer = Writer(proxy.url, BatchLimits(lanes=1))
    await outcomes(writer.submit(tenants[0], entry(uuid4())))
    proxy.lose_answers()
    submitted = [writer.submit(tenant, entry(uuid4())) for tenant in tenants]
    assert set(await verdicts(*submitted)) <= {"done", "appended"}
    assert proxy.lost == 1
    assert [positions(ledger, tenant) for tenant in tenants] == [[1, 2], [1], [1], [1], [1]]
    await writer.aclose()


async def test_a_request_that_was_lost_is_sent_again(proxy: Proxy, ledger: psycopg.Connection[Any]) -> None:
    tenant, a = open_ledger(ledger), uuid4()
    writer = Writer(proxy.url, BatchLimits(lanes=1))
    await outcomes(writer.submit(tenant, entry(uuid4())))
    proxy.lose_requests()
    assert await verdicts(writer.submit(tenant, entry(a, expect=[(a, 0)]))) == ["appended"]
    assert proxy.lost == 1
    assert versions(ledger, tenant, a) == [1]
    await writer.aclose()


async def test_a_database_out_of_reach_is_given_up_and_found_again(proxy: Proxy, ledger: psycopg.Connection[Any]) -> None:
    tenant = open_ledger(ledger)
    writer = Writer(proxy.url, BatchLimits(lanes=1, give_up=0.3))
    proxy.refuse()
    first = writer.submit(tenant, entry(uuid4()))
    behind = writer.submit(tenant, entry(uuid4()), [first])
    settled = await outcomes(first, behind)
    assert [type(outcome.error) for outcome in settled] == [LedgerUnavailable, LedgerUnavailable]
    assert settled[0].error is not settled[1].error
    proxy.refuse(False)
    assert await verdicts(writer.submit(tenant, entry(uuid4()))) == ["appended"]
    await writer.aclose()


async def test_connections_killed_by_the_server_are_opened_again(writer: Writer, ledger: psycopg.Connection[Any]) -> None:
    tenant = open_ledger(ledger)
    for _ in range(3):
        assert set(await verdicts(*[writer.submit(tenant, entry(uuid4())) for _ in range(5)])) <= {"appended", "done"}
        ledger.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'gesta writer%'"
        )
    assert positions(ledger, tenant) == list(range(1, 16))


# Callers


async def test_where_one_connection_is_enough_no_other_is_opened(writer: Writer, ledger: psycopg.Connection[Any]) -> None:
    for tenant in [open_ledger(ledger) for _ in range(8)]:
        assert await verdicts(writer.submit(tenant, entry(uuid4()))) == ["appended"]
    assert ledger.execute(WRITING).fetchall() == [("gesta writer 0",)]


async def test_a_cancelled_caller_disturbs_nobody(writer: Writer, ledger: psycopg.Connection[Any]) -> None:
    tenant, a = open_ledger(ledger), uuid4()
    submitted = [writer.submit(tenant, entry(a, expect=[(a, version)])) for version in range(10)]
    callers = [asyncio.create_task(pending.settled()) for pending in submitted for _ in range(2)]
    await asyncio.sleep(0)
    for caller in callers[::2]:
        caller.cancel()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert {type(answer) for answer in answers[::2]} == {asyncio.CancelledError}
    assert {answer.verdict for answer in answers[1::2] if isinstance(answer, AppendOutcome)} == {"appended"}
    assert versions(ledger, tenant, a) == list(range(1, 11))


async def test_a_full_queue_takes_nothing_more(database: Database, ledger: psycopg.Connection[Any]) -> None:
    tenant, other = open_ledger(ledger), open_ledger(ledger)
    writer = Writer(database.system_url, BatchLimits(queue_per_ledger=3, queue=4))
    submitted = [writer.submit(tenant, entry(uuid4())) for _ in range(3)]
    with pytest.raises(LedgerBusy):
        writer.submit(tenant, entry(uuid4()))
    submitted.append(writer.submit(other, entry(uuid4())))
    with pytest.raises(LedgerBusy):
        writer.submit(other, entry(uuid4()))
    assert set(await verdicts(*submitted)) == {"appended"}
    assert await verdicts(writer.submit(tenant, entry(uuid4()))) == ["appended"]
    await writer.aclose()


async def test_closing_settles_what_was_taken(database: Database, ledger: psycopg.Connection[Any]) -> None:
    tenant = open_ledger(ledger)
    writer = Writer(database.system_url, BatchLimits(batch_events=2))
    submitted = [writer.submit(tenant, entry(uuid4())) for _ in range(7)]
    await asyncio.wait_for(writer.aclose(), PATIENCE)
    assert [pending.outcome.position for pending in submitted if pending.outcome] == list(range(1, 8))
    with pytest.raises(LedgerUnavailable):
        writer.submit(tenant, entry(uuid4()))


async def test_a_callback_is_called_before_anybody_who_waits(writer: Writer, ledger: psycopg.Connection[Any]) -> None:
    tenant = open_ledger(ledger)
    said: list[str] = []
    pending = writer.submit(tenant, entry(uuid4()), on_settled=lambda _: said.append("settled"))
    await outcomes(pending)
    assert said == ["settled"]

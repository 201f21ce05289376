"""What is told after a commit arrives, whatever happens to connections; and what is no notification ends nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
import pytest
import uvloop
from psycopg import AsyncConnection

from runtime import counters, supervision
from store.notifications import listening
from store.notifications.channels import ACCESS, EVENTS, JOBS, LEASES, PROJECTED, TIMERS, Channel, JobsReady, job_name, payload
from store.notifications.listening import DROPPED, Notifications
from store.notifications.sending import Notifier, look_everywhere, notify
from store.notifications.waking import CHANNELS, jobs_ready, leases_ending, timers_set
from tests.conftest import Database
from tests.projections.test_idle import transactions
from tests.store.proxy import proxied

T = TypeVar("T")
PATIENCE = 60.0
ALL: tuple[Channel[Any], ...] = (EVENTS, PROJECTED, ACCESS, JOBS, TIMERS, LEASES)
EVERYWHERE = object()
BACKEND = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
RUBBISH = ["x", ",", ":", "nan", "inf", "-1", "1e308", "٣", "9" * 5000, "'; DROP", f"{uuid4()}x", "2026-02-30", "😀" * 100]


class Ear:
    """A subscriber that keeps what it is told."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[object] = asyncio.Queue()

    def hear(self, named: object) -> None:
        self.heard.put_nowait(named)

    def look_everywhere(self) -> None:
        self.heard.put_nowait(EVERYWHERE)

    async def next(self) -> object:
        return await asyncio.wait_for(self.heard.get(), PATIENCE)


@asynccontextmanager
async def ears(url: str, *channels: Channel[Any]) -> AsyncIterator[list[Ear]]:
    """Of a process that listens; they have been told to look everywhere, as at each beginning."""
    notifications = Notifications(url, "gesta tests (listening)", channels)
    with ExitStack() as stack:
        found = [Ear() for _ in channels]
        for channel, ear in zip(channels, found, strict=True):
            stack.enter_context(notifications.subscribed(channel, ear.hear, ear.look_everywhere))
        async with notifications.listening():
            for ear in found:
                assert await ear.next() is EVERYWHERE
            yield found


@asynccontextmanager
async def saying(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        yield conn


def run(database: Database, statement: str, *given: Any) -> list[tuple[Any, ...]]:
    """As the superuser."""
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        return conn.execute(statement, given).fetchall()


def backend(database: Database, name: str) -> int:
    ((pid,),) = run(database, BACKEND, name)
    return int(pid)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.01)


# Hearing


async def test_what_cannot_be_read_is_dropped_and_counted_and_ends_nothing(database: Database) -> None:
    tenant, of_before = uuid4(), uuid4()
    before = {channel.name: counters.counted(DROPPED, channel=channel.name) for channel in ALL}
    async with ears(database.system_url, *ALL) as (events, projected, access, jobs, timers, leases), saying(database) as conn:
        for channel in ALL:
            for rubbish in RUBBISH:
                await conn.execute("SELECT pg_notify(%s, %s)", [channel.name, rubbish])
        await notify(conn, EVENTS, "rubbish", str(tenant))
        await conn.execute("SELECT pg_notify('gesta_events', %s)", [str(of_before)])  # as a process of the release before does
        await notify(conn, PROJECTED, str(tenant))
        await notify(conn, ACCESS, str(tenant))
        await notify(conn, JOBS, "no tenant:resize", job_name(tenant, "resize"))
        await notify(conn, TIMERS, "86400.500")
        await notify(conn, LEASES, "1.500")
        assert [await events.next(), await events.next()] == [tenant, of_before]
        assert await projected.next() == tenant
        assert await access.next() == tenant
        assert await jobs.next() == JobsReady(tenant, "resize")
        for seconds, last in ((timers, 86_400.5), (leases, 1.5)):
            told = [await seconds.next()]
            while told[-1] != last:
                told.append(await seconds.next())
            assert told in ([last], [3.0, last]), "a digit of another script is one to Python"
        assert supervision.failing(0) == []
    for channel in ALL:
        assert counters.counted(DROPPED, channel=channel.name) - before[channel.name] >= len(RUBBISH) - 1, channel.name


async def test_a_subscriber_that_fails_keeps_nobody_else_from_hearing(database: Database) -> None:
    def fails(*_named: object) -> None:
        raise ZeroDivisionError

    notifications, ear = Notifications(database.system_url, "gesta tests", [EVENTS]), Ear()
    first, second = uuid4(), uuid4()
    with (
        notifications.subscribed(EVENTS, fails, Ear().look_everywhere),
        notifications.subscribed(EVENTS, ear.hear, ear.look_everywhere),
    ):
        async with notifications.listening(), saying(database) as conn:
            assert await ear.next() is EVERYWHERE
            await notify(conn, EVENTS, str(first), str(second))
            assert [await ear.next(), await ear.next()] == [first, second]


async def test_what_is_not_listened_to_cannot_be_subscribed_to(database: Database) -> None:
    with pytest.raises(KeyError), Notifications(database.system_url, "gesta tests", [EVENTS]).subscribed(JOBS, print, print):
        pytest.fail("subscribed")


async def test_a_connection_that_is_cut_is_opened_again_and_everybody_looks(database: Database) -> None:
    tenant = uuid4()
    async with ears(database.system_url, EVENTS, JOBS) as (events, jobs), saying(database) as conn:
        for _ in range(2):
            run(database, "SELECT pg_terminate_backend(%s)", backend(database, "gesta tests (listening)"))
            assert await events.next() is EVERYWHERE
            assert await jobs.next() is EVERYWHERE
        await notify(conn, EVENTS, str(tenant))
        assert await events.next() == tenant


async def test_a_server_that_is_silent_is_noticed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither end says anything, as when the way between them is gone; what was sent to it is not answered."""
    assert listening.SIGN_SECONDS + listening.ANSWER_SECONDS <= 15, "so long it may take until it is noticed"
    monkeypatch.setattr(listening, "SIGN_SECONDS", 0.2)
    monkeypatch.setattr(listening, "ANSWER_SECONDS", 0.2)
    async with ears(database.system_url, EVENTS) as (events,):
        silent = backend(database, "gesta tests (listening)")
        os.kill(silent, signal.SIGSTOP)
        try:
            assert await events.next() is EVERYWHERE
        finally:
            os.kill(silent, signal.SIGCONT)


async def test_asking_for_a_sign_is_no_transaction(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def made(signs: int) -> int:
        before, asked = transactions(database), asyncio.Semaphore(0)

        async def sign(connection: AsyncConnection[Any]) -> None:
            await asking(connection)
            asked.release()

        monkeypatch.setattr(listening, "sign", sign)
        async with ears(database.system_url, EVENTS):
            for _ in range(signs):
                await asyncio.wait_for(asked.acquire(), PATIENCE)
        return transactions(database) - before

    asking = listening.sign
    monkeypatch.setattr(listening, "SIGN_SECONDS", 0.001)
    few, many = await made(1), await made(101)
    assert few > 0, "nothing was counted"
    assert many == few


async def test_nothing_is_lost_while_a_sign_is_asked_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "SIGN_SECONDS", 0.001)
    tenants = [uuid4() for _ in range(500)]
    async with ears(database.system_url, EVENTS) as (events,), saying(database) as conn:
        for tenant in tenants:
            await notify(conn, EVENTS, str(tenant))
        assert [await events.next() for _ in tenants] == tenants


# Waking


async def test_who_is_told_to_look_everywhere_does_whatever_is_waited_for(database: Database) -> None:
    notifications = Notifications(database.system_url, "gesta tests", CHANNELS)
    with jobs_ready(notifications, ["resize"]) as jobs, timers_set(notifications) as timers:
        async with asyncio.timeout(PATIENCE), notifications.listening(), saying(database) as conn:
            for event in (jobs, timers):
                await event.wait()  # it listens
                event.clear()
            await look_everywhere(conn)
            await jobs.wait()
            await timers.wait()


async def test_of_leases_that_end_the_soonest_wakes(database: Database) -> None:
    notifications = Notifications(database.system_url, "gesta tests", CHANNELS)
    with leases_ending(notifications) as ending:
        notifications.hear(LEASES.name, ",".join(["600", "86400", "0.001", *["3600"] * 1000]))
        await asyncio.wait_for(ending.wait(), PATIENCE)


def test_what_is_due_at_once_keeps_nobody_from_hearing_of_what_follows() -> None:
    """On the loop that serves: its handle of what is due at once does not know of a moment."""

    async def told() -> None:
        notifications = Notifications("", "gesta tests", CHANNELS)
        for waking, channel in ((timers_set, TIMERS), (leases_ending, LEASES)):
            with waking(notifications) as event:
                notifications.hear(channel.name, "0.000,0.000,60.000,0.000")
                await asyncio.wait_for(event.wait(), PATIENCE)

    before = counters.counted(supervision.METRIC, task="subscriber")
    uvloop.run(told())
    assert counters.counted(supervision.METRIC, task="subscriber") == before


def test_the_latest_moment_that_can_be_named_is_one_to_be_told_of() -> None:
    seconds = (datetime.max.replace(tzinfo=UTC) - datetime.min.replace(tzinfo=UTC)).total_seconds()
    assert TIMERS.parse(f"{seconds:.3f}") == pytest.approx(seconds)


# Saying


async def said(listener: AsyncConnection[Any], count: int) -> list[str]:
    async with asyncio.timeout(PATIENCE):
        return [one.payload async for one in listener.notifies(stop_after=count)]


@pytest.fixture
async def listener(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        await listening.listen(conn, [JOBS.name])
        yield conn


async def test_nothing_is_lost_with_a_connection_that_was_lost_before(database: Database, listener: AsyncConnection[Any]) -> None:
    notifier = Notifier(database.system_url)
    notifier.notify(JOBS, "first")
    assert await said(listener, 1) == ["first"]
    run(database, "SELECT pg_terminate_backend(%s)", backend(database, "gesta notifier"))
    notifier.notify(JOBS, "second")
    assert await said(listener, 1) == ["second"]
    await notifier.aclose()


async def test_what_could_not_be_said_is_made_up_for(database: Database, listener: AsyncConnection[Any]) -> None:
    """Those who wait have an intact connection, and nothing else tells them."""
    async with proxied(database.system_url) as proxy:
        proxy.refuse()
        notifier = Notifier(proxy.url)
        notifier.notify(JOBS, "unheard")
        async with asyncio.timeout(PATIENCE):
            while not supervision.failing(0):  # noqa: ASYNC110 - it says so nowhere else
                await asyncio.sleep(0.001)
        proxy.refuse(False)
        assert await said(listener, 1) == [""], "look everywhere"
        notifier.notify(JOBS, "heard")
        assert await said(listener, 1) == ["heard"]
        await notifier.aclose()


async def test_last_words_are_said(database: Database, listener: AsyncConnection[Any]) -> None:
    notifier = Notifier(database.system_url)
    notifier.notify(JOBS, "last")
    await notifier.aclose()
    assert await said(listener, 1) == ["last"]


async def test_nobody_is_kept_from_starting_because_a_notification_is_lost(database: Database) -> None:
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as lost:
        await lost.close()
        await look_everywhere(lost)


def test_many_names_are_everything() -> None:
    tenant = uuid4()
    assert payload([str(uuid4()) for _ in range(210)]).count(",") == 209
    assert payload([str(uuid4()) for _ in range(300)]) == ""
    assert payload(["x", ""]) == ""
    assert job_name(tenant, "a,b") == f"{tenant}:", "a comma ends a name: any type may be meant"

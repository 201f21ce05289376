"""Background tasks come back, whatever ended them; it is logged once, counted, and told while it lasts."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from runtime import counters, supervision
from runtime.supervision import METRIC, failing, stop, supervise


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.0)
    yield
    assert failing(0) == [], "a task that is over is nobody's concern"


@dataclass
class Work:
    """Fails as it is told to, then works until it is cancelled."""

    failures: list[BaseException]
    working: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.working.set()
        await asyncio.Event().wait()


async def within_a_minute(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), 60)


async def test_a_task_that_fails_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    before = counters.counted(METRIC, task="work")
    work = Work([ValueError("once"), ValueError("once"), KeyError("twice")])
    task = supervise("work", work.run)
    await within_a_minute(work.working)
    assert [one.failures for one in failing(0)] == [3]
    assert counters.counted(METRIC, task="work") - before == 3
    assert f'{METRIC}{{task="work"}} {before + 3}' in list(counters.lines())
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.message for record in told] == [
        "work failed and is restarted: ValueError: once",
        "work failed and is restarted: KeyError: 'twice'",
    ]
    assert all(record.exc_info for record in told)
    await stop(task)


async def test_what_is_expected_is_a_line_and_comes_back_as_well(caplog: pytest.LogCaptureFixture) -> None:
    work = Work([ConnectionError("down")])
    task = supervise("work", work.run, expected=(ConnectionError,))
    await within_a_minute(work.working)
    assert [(record.levelno, record.exc_info) for record in caplog.records] == [(logging.WARNING, None)]
    await stop(task)


async def test_the_cancellation_of_something_else_ends_nothing() -> None:
    work = Work([asyncio.CancelledError()])
    task = supervise("work", work.run)
    await within_a_minute(work.working)
    await stop(task)
    assert task.cancelled()


async def test_a_task_that_returns_is_done() -> None:
    async def once() -> None:
        return

    await asyncio.wait_for(supervise("work", once), 60)


async def test_it_is_told_only_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "HEALTHY_AFTER", 0.01)
    work = Work([ValueError("a moment's trouble")])
    task = supervise("work", work.run)
    await within_a_minute(work.working)
    assert failing() == [], "it did not last"
    async with asyncio.timeout(60):
        while failing(0):  # noqa: ASYNC110 - it is a timer's
            await asyncio.sleep(0.001)
    await stop(task)


async def test_pauses_grow_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []

    async def pause(_until: asyncio.Event, seconds: float) -> bool:
        paused.append(seconds)
        return len(paused) == 6

    async def run() -> None:
        raise ValueError("always")

    monkeypatch.setattr(supervision, "FIRST_PAUSE", 1.0)
    monkeypatch.setattr(supervision, "LONGEST_PAUSE", 10.0)
    monkeypatch.setattr(supervision, "_is_set", pause)
    await asyncio.wait_for(supervise("work", run), 60)
    assert paused == [1, 2, 4, 8, 10, 10]


async def test_what_is_asked_to_stop_is_not_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 3600.0)
    until = asyncio.Event()
    task = supervise("work", Work([ValueError("and then there is a long pause")]).run, until=until)
    async with asyncio.timeout(60):
        while not failing(0):  # noqa: ASYNC110 - it says so nowhere else
            await asyncio.sleep(0)
        until.set()
        await task

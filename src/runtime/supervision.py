"""Background tasks that are kept running: what ends one unexpectedly is logged, counted, and the task begun again.

    task = supervise("hints", self._serve)     # in place of asyncio.create_task(self._serve())
    …
    await stop(task)

The function given is called again after each unexpected end, so what it needs to remember it keeps elsewhere. It is done when
it returns, or fails once it is asked to stop, and ends when its task is cancelled. A failure is logged once, with its traceback,
for as long as the same keeps coming; the pauses between attempts double. A task that fails time and again is named by `failing`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from runtime import counters

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0
"""Seconds before a task that failed is begun again; doubled each time."""
HEALTHY_AFTER = 5.0
"""Seconds of life after which a task counts as recovered, and its pause begins anew. More than the longest pause."""
LASTING_AFTER = 10.0
"""Seconds between the first failure and the latest after which it is for others to know."""
METRIC = "gesta_background_failures_total"

log = logging.getLogger(__name__)


@dataclass
class Failing:
    """A task that fails. `since` and `latest`: when it first did and when it last did, by the event loop's clock."""

    task: str
    error: str
    since: float
    latest: float
    failures: int = 1


_failing: dict[asyncio.Task[None], Failing] = {}
"""Those that have failed and are not known to be healthy again."""


Run = Callable[[], Awaitable[object]]
Expected = tuple[type[Exception], ...]
"""Errors that are no fault of ours, such as those of a database out of reach: they are logged in one line."""


def supervise(name: str, run: Run, *, expected: Expected = (), until: asyncio.Event | None = None) -> asyncio.Task[None]:
    """A task that runs this until it returns or is cancelled. `name`: one of few, because it is a label of the metric.

    `until`: once it is set, what fails is not begun again.
    """
    return asyncio.create_task(_keep_running(name, run, expected, until or asyncio.Event()), name=name)


async def stop(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel, and wait until they have ended."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def failing(for_seconds: float = LASTING_AFTER) -> list[Failing]:
    """The tasks of this process that have been failing for so long, and were not well since."""
    return [one for one in _failing.values() if one.latest - one.since >= for_seconds]


async def _keep_running(name: str, run: Run, expected: Expected, until: asyncio.Event) -> None:
    here, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert here is not None
    pause = FIRST_PAUSE
    try:
        while True:
            recovery = loop.call_later(HEALTHY_AFTER, _recovered, here)
            try:
                await run()
            except asyncio.CancelledError as error:
                if here.cancelling():
                    raise
                failure: BaseException = error  # somebody else's: what was awaited was cancelled
            except Exception as error:
                failure = error
            else:
                return
            finally:
                recovery.cancel()
            if here not in _failing:
                pause = FIRST_PAUSE
            _failed(here, name, failure, loop.time(), expected, pause)
            if await _is_set(until, pause):
                return
            pause = min(pause * 2, LONGEST_PAUSE)
    finally:
        _failing.pop(here, None)


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    """Whether it is, by the end of so many seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


def _failed(task: asyncio.Task[None], name: str, error: BaseException, now: float, expected: Expected, pause: float) -> None:
    counters.count(METRIC, task=name)
    words = " ".join(f"{type(error).__name__}: {error}".split())
    known = _failing.get(task)
    if known is None:
        _failing[task] = Failing(name, words, now, now)
    else:
        known.failures += 1
        known.latest = now
        if known.error == words:
            return  # it was logged
        known.error = words
    about = {"action": "background", "task": name, "pause": pause}
    if isinstance(error, expected):
        log.warning("%s is restarted: %s", name, words, extra=about)
    else:
        log.error("%s failed and is restarted: %s", name, words, exc_info=error, extra=about)


def _recovered(task: asyncio.Task[None]) -> None:
    if (known := _failing.pop(task, None)) is not None:
        log.info("%s works again after %d failures", known.task, known.failures, extra={"action": "background"})

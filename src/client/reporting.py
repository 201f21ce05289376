"""Reports of a worker, on their way: those that come while a request is under way go together in the next one.

So a worker of many short jobs pays for few requests, and one of a few long jobs waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeAlias

from client.errors import AnswerLost, ApiError, Invalid
from client.models import Report

Send: TypeAlias = Callable[[Sequence[Report]], Awaitable[Sequence[ApiError | None]]]
MOST_REPORTS = 100
MOST_BYTES = 512 * 1024
"""Of a request, so that it stays well below what the server takes. A report that is larger goes alone."""


@dataclass(frozen=True)
class _PendingReport:
    """`size`: of its output, in bytes of JSON. `refused`: why, or None, once the server has answered."""

    report: Report
    size: int
    refused: "asyncio.Future[Exception | None]"


class Reporting:
    """Made and used in one event loop. `send`: `AsyncClient.report`, as patient as reports are to be."""

    def __init__(self, send: Send) -> None:
        self._request = send
        self._queue: deque[_PendingReport] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def report(self, report: Report, size: int = 0) -> None:
        """Raises what the server refuses it with, or AnswerLost."""
        waiting = _PendingReport(report, size, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_on())
        refused = await waiting.refused
        if refused is not None:
            raise refused

    async def aclose(self) -> None:
        """What is still on its way is given up: nobody waits for it any more."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _send_on(self) -> None:
        try:
            while self._queue:
                await self._send(self._cut())
        finally:
            self._sending = None

    def _cut(self) -> list[_PendingReport]:
        batch = [self._queue.popleft()]
        size = batch[0].size
        while self._queue and len(batch) < MOST_REPORTS and (size := size + self._queue[0].size) <= MOST_BYTES:
            batch.append(self._queue.popleft())
        return batch

    async def _send(self, batch: Sequence[_PendingReport]) -> None:
        try:
            answers = await self._request([waiting.report for waiting in batch])
        except Invalid as error:
            if len(batch) == 1:
                _tell(batch[0], error)
            else:  # the server takes none of a request in which one report is unreadable: which one it is, shows alone
                for waiting in batch:
                    await self._send([waiting])
        except Exception as error:
            for waiting in batch:
                _tell(waiting, error)
        else:
            # What answers for fewer, or more, is not what was asked: nobody may be left waiting.
            odd = None if len(answers) == len(batch) else AnswerLost(f"{len(batch)} reports had {len(answers)} answers.")
            for waiting, refused in zip_longest(batch, answers[: len(batch)]):
                _tell(waiting, odd or refused)


def _tell(waiting: _PendingReport, refused: Exception | None) -> None:
    if not waiting.refused.done():  # whoever waited may have been cancelled
        waiting.refused.set_result(refused)

"""A worker: runs functions as the work of `task` nodes, until it is told to stop.

    worker = Worker(Client("http://127.0.0.1:8080", "gk_…"))

    @worker.task("resize-image")
    def resize(input):
        return {"url": shrink(input["url"])}

    worker.run()

What the function is given is the node's `input`; what it returns is its output; what it raises is a failed attempt.
"""

import asyncio
import contextlib
import functools
import inspect
import logging
import math
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from client.clients import AsyncClient, Client
from client.errors import ApiError, GestaError, Invalid, LeaseLost, PermissionDenied, Unauthorized
from client.models import Failure, Job, Json, NextJobs, Report
from client.protocol import encode, usual_pause
from client.reporting import Reporting

WAIT_SECONDS = 30.0
"""How long one request waits for jobs."""
BEATS_PER_LEASE = 3
ALONE_SECONDS = 60.0
"""How long a server that hands out no jobs with its answers is not asked for them again: it may be upgraded meanwhile."""
MOST_TOLD = 10_000
"""Characters of an exception's message that are reported."""
STOPPED = "worker_stopped"
NOT_JSON = "invalid_output"

F = TypeVar("F", bound=Callable[..., Any])
Handler: TypeAlias = Callable[..., Any]

logger = logging.getLogger("gesta.worker")


class NonRetryable(Exception):
    """Raise this, or a subclass, for a failure that another attempt would not mend. `type`: what the node's error is called."""

    def __init__(self, message: str = "", *, type: str | None = None) -> None:
        super().__init__(message)
        self.type = type or self.__class__.__name__


@dataclass(eq=False)
class _Held:
    """A job that this worker holds. `lost`: its lease is known to be another's, so there is nothing to report."""

    job: Job
    until: float
    """When the lease runs out unless it is heard of, by the local clock."""
    lost: bool = False
    begun: bool = False


class Worker:
    """Leases jobs of the types that it has functions for, `concurrency` at a time. Plain functions run in threads.

    `lease_seconds`: after how long without a sign of life its jobs are given to others; signs are sent three times as often.
    `grace_seconds`: how long jobs may go on when it is asked to stop.
    """

    def __init__(
        self,
        client: Client | AsyncClient,
        concurrency: int = 10,
        *,
        lease_seconds: float = 60.0,
        grace_seconds: float = 30.0,
        worker_id: str | None = None,
    ) -> None:
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self.worker_id = worker_id or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self._options = client.options
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds
        self._grace_seconds = grace_seconds
        self._handlers: dict[str, Handler] = {}
        self._stopping = asyncio.Event()

    def task(self, type: str) -> Callable[[F], F]:
        """Register a function, async or plain, for a type of job. It takes the input, or the input and the `Job`."""

        def register(function: F) -> F:
            if type in self._handlers:
                raise ValueError(f"{type} already has a function")
            self._handlers[type] = _handler(function)
            return function

        return register

    def run(self) -> None:
        """Work until SIGTERM or SIGINT. Raises Unauthorized or PermissionDenied where the key may not work."""
        asyncio.run(self._until_signalled())

    def stop(self) -> None:
        """Lease no more, let what is under way come to its end, and return. To be called in the worker's event loop."""
        self._stopping.set()

    async def serve(self) -> None:
        """Work until `stop`, in an event loop of yours."""
        if not self._handlers:
            raise ValueError("a worker needs at least one function")
        options = self._options
        client = AsyncClient(options.url, options.api_key, options.tenant, connections=2 * self._concurrency + 2)
        async with client:
            threads = ThreadPoolExecutor(self._concurrency, "gesta-task")
            try:
                await _Shift(self, client, threads).work()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)  # a function that does not end in time is not waited for

    async def _until_signalled(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as undo:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)
                undo.callback(loop.remove_signal_handler, number)
            await self.serve()


class _Shift:
    """From the beginning to the end of one `serve`."""

    def __init__(self, worker: Worker, client: AsyncClient, threads: ThreadPoolExecutor) -> None:
        self._client = client
        self._reporting = Reporting(self._exchange)
        self._threads = threads
        self._handlers = dict(worker._handlers)
        self._concurrency = worker._concurrency
        self._lease_seconds = worker._lease_seconds
        self._grace_seconds = worker._grace_seconds
        self._worker_id = worker.worker_id
        self._stopping = worker._stopping
        self._running: dict[asyncio.Task[None], _Held] = {}
        self._ended = asyncio.Event()
        """Set whenever a job of those running has ended."""
        self._takes_more = True
        self._alone_until = -math.inf
        """By the local clock: until then the server is not asked for jobs with its answers, because it knows no such thing."""

    async def work(self) -> None:
        leasing = asyncio.create_task(self._lease_on())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([leasing, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._takes_more = False
            stopping.cancel()
            leasing.cancel()  # the server gives back what it leases to somebody who has hung up
            await asyncio.gather(leasing, stopping, return_exceptions=True)
            await self._drain()
            await self._reporting.aclose()
        if not leasing.cancelled() and (error := leasing.exception()):
            raise error

    async def _lease_on(self) -> None:
        failures = 0
        while True:
            while len(self._running) >= self._concurrency:
                self._ended.clear()
                await self._ended.wait()
            asked = time.monotonic()
            try:
                jobs = await self._client.lease(
                    list(self._handlers),
                    worker_id=self._worker_id,
                    most=min(self._concurrency - len(self._running), 100),
                    wait_seconds=WAIT_SECONDS,
                    lease_seconds=self._lease_seconds,
                )
            except (Unauthorized, PermissionDenied, Invalid):
                raise  # it will not get better
            except Exception as error:
                self._wonder(error, "No jobs for now", {"action": "lease"})
                await asyncio.sleep(usual_pause(failures))
                failures += 1
                continue
            failures = 0
            self._begin(jobs, asked)

    async def _exchange(self, reports: Sequence[Report]) -> Sequence[ApiError | None]:
        """Report, and begin the next jobs: as many at the most as have ended, so that there are never more than may be."""
        wanted = None
        asked = time.monotonic()
        if self._takes_more and asked >= self._alone_until:
            wanted = NextJobs(tuple(self._handlers), self._worker_id, len(reports), self._lease_seconds)
        answer = await self._client.exchange(reports, wanted, patience=self._lease_seconds)
        if wanted is not None and answer.jobs is None:
            self._alone_until = time.monotonic() + ALONE_SECONDS
        self._begin(answer.jobs or (), asked)
        return answer.refused

    def _begin(self, jobs: Sequence[Job], asked: float) -> None:
        """Jobs that were leased just now, in answer to a question of `asked`."""
        now = time.monotonic()
        # The lease began before the answer came: a second ago at most, or since the question was asked.
        until = now - min(now - asked, 1.0) + self._lease_seconds
        for job in jobs:
            held = _Held(job, until)
            task = asyncio.create_task(self._do(held) if self._takes_more else self._stopped(held))
            self._running[task] = held
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._ended.set()

    async def _drain(self) -> None:
        """Let what is under way end; what does not in time is reported as failed, so that others may try again.

        With the last answers more jobs may come, which are handed back.
        """
        until = time.monotonic() + self._grace_seconds
        while self._running and (seconds := until - time.monotonic()) > 0:
            await asyncio.wait(set(self._running), timeout=seconds)
        late = set(self._running)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _do(self, held: _Held) -> None:
        job = held.job
        handling = asyncio.create_task(self._handle(held))
        beating = asyncio.create_task(self._beat(held, handling))
        try:
            report = await handling
        except asyncio.CancelledError:
            handling.cancel()
            await asyncio.gather(handling, return_exceptions=True)
            if held.lost:
                logger.warning("The lease of %s was lost; its work was stopped", job.id, extra=_about(job))
                return
            await self._stopped(held)
            raise
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        await self._send(report)

    async def _handle(self, held: _Held) -> Report:
        """Run the function; whatever comes of it is something to report."""
        job, handler = held.job, self._handlers[held.job.type]
        held.begun = True
        try:
            output = await handler(self._threads, job)
        except NonRetryable as error:
            return Report(job, failure=Failure(error.type, _told(error), retryable=False))
        except Exception as error:
            logger.exception("%s failed", job.type, extra=_about(job))
            return Report(job, failure=Failure(type(error).__name__, _told(error)))
        return Report(job, output)

    async def _beat(self, held: _Held, handling: asyncio.Task[Report]) -> None:
        """Keep the lease; once it is lost, stop the work."""
        pause = self._lease_seconds / BEATS_PER_LEASE
        while True:
            await asyncio.sleep(pause)
            asked = time.monotonic()
            try:
                await self._client.heartbeat(held.job)
                held.until = asked + self._lease_seconds
                pause = self._lease_seconds / BEATS_PER_LEASE
                continue
            except LeaseLost:
                held.lost = True
            except Exception as error:
                self._wonder(error, f"No heartbeat for {held.job.id}", _about(held.job))
                held.lost = time.monotonic() >= held.until
                pause = self._lease_seconds / BEATS_PER_LEASE / 4
            if held.lost:
                handling.cancel()
                return

    async def _send(self, report: Report) -> None:
        job = report.job
        try:
            size = len(encode(report.output))
        except (TypeError, ValueError) as error:
            why = f"{job.type} returned what is not JSON: {error}"
            report, size = Report(job, failure=Failure(NOT_JSON, why, retryable=False)), 0
        try:
            try:
                await self._reporting.report(report, size)
            except Invalid as error:  # the output is more or other than the server takes
                if report.failure is not None:
                    raise
                await self._reporting.report(Report(job, failure=Failure(NOT_JSON, str(error), retryable=False)))
        except LeaseLost:
            logger.warning("The lease of %s was lost before its result was reported", job.id, extra=_about(job))
        except Exception as error:
            self._wonder(error, f"The result of {job.id} could not be reported", _about(job))

    @staticmethod
    def _wonder(error: Exception, words: str, about: dict[str, Any]) -> None:
        """What the client raises, it explains. What else comes up, such as an answer that is not the API's, is told in full."""
        if isinstance(error, GestaError):
            logger.warning("%s: %s", words, error, extra=about)
        else:
            logger.error("%s: %s", words, error, exc_info=error, extra=about)

    async def _stopped(self, held: _Held) -> None:
        """The worker stops before the work is done."""
        job = held.job
        try:
            if held.begun:
                await self._client.fail(job, STOPPED, f"The worker {self._worker_id} stopped.", patience=1.0)
            else:
                await self._client.release(job)
        except Exception as error:
            self._wonder(error, f"{job.id} could not be handed back", _about(job))


def _handler(function: Callable[..., Any]) -> Handler:
    """An async function of a thread pool and a job, that has the work done and returns its output."""
    wants_job = len(inspect.signature(function).parameters) > 1

    def arguments(job: Job) -> tuple[Any, ...]:
        return (job.input, job) if wants_job else (job.input,)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(_threads: ThreadPoolExecutor, job: Job) -> Json:
            return await function(*arguments(job))

        return awaited

    @functools.wraps(function)
    async def threaded(threads: ThreadPoolExecutor, job: Job) -> Json:
        return await asyncio.get_running_loop().run_in_executor(threads, function, *arguments(job))

    return threaded


def _told(error: Exception) -> str:
    """What an exception says, as a text that JSON and the server take."""
    return str(error)[:MOST_TOLD].replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _about(job: Job) -> dict[str, Any]:
    return {"action": "job", "job_id": job.id, "job_type": job.type, "attempt": job.attempt}


__all__ = ["NonRetryable", "Worker"]

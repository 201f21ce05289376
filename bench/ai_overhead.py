"""What an AI task costs beyond the model's own time: many in flight in one worker, against a provider with a fixed delay.

Gesta's own is what the worker takes from having the job to having its end acknowledged, less the time of the provider's call.
The whole is what the caller sees from the start of an execution with one `ai_agent` node to its end, less the delay. The starts
are spread over the delay, as they are where people and events start them.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import Contender, Rates, Ratio, Result, in_turn
from bench.ledgers import open_ledgers
from bench.sizes import Sizes
from bench.stage import Stage, run
from bench.tasks import at_work, line_of
from engine.ai_job import AI
from runtime.settings import load_settings
from store.jobs import LeasedJob
from worker.ai.provider import AiAnswer, AiCall, Provider
from worker.ai.registry import ModelRef, Providers
from worker.ai_runner import ai_runner
from worker.context import WorkerContext
from worker.leases import JobExecutor, Leasing, Runner
from worker.worker import WorkerProcess

ALLOWED = 10.0
"""Milliseconds."""
AGENT = {"id": "ask", "type": "ai_agent", "config": {"model": "openai:bench", "prompt": "Is this in order?", "input": "=input"}}


class Timed:
    """A registry whose providers note how long their calls take."""

    def __init__(self, inner: Providers) -> None:
        self._inner = inner
        self.seconds: list[float] = []

    @property
    def timeout(self) -> timedelta:
        return self._inner.timeout

    def name(self, model: str) -> ModelRef:
        return self._inner.name(model)

    async def provider(self, named: Any) -> Provider:
        return TimedProvider(await self._inner.provider(named), self.seconds)


class TimedProvider:
    def __init__(self, inner: Provider, seconds: list[float]) -> None:
        self._inner = inner
        self._seconds = seconds

    async def call(self, call: AiCall) -> AiAnswer:
        begun = time.perf_counter()
        answer = await self._inner.call(call)
        self._seconds.append(time.perf_counter() - begun)
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()


def timed(runner: Runner, seconds: list[float]) -> Runner:
    """The same, noting how long each job takes."""

    async def run(job: LeasedJob) -> None:
        begun = time.perf_counter()
        await runner.run(job)
        seconds.append(time.perf_counter() - begun)

    return Runner(run, runner.abandons)


@contextmanager
def model(delay: float) -> Iterator[str]:
    """Its base URL."""
    command = [sys.executable, str(Path(__file__).with_name("model.py")), str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def resident_mb() -> float:
    """Of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Overhead:
    """Of each round: the median of the whole and the CPU time of a call, in milliseconds, and what memory grew by, in MB."""

    def __init__(self) -> None:
        self.whole: list[float] = []
        self.grown: list[float] = []
        self.cpu: list[float] = []

    def own(self, on: Stage, url: str, in_flight: int, count: int, delay: float) -> float:
        """What was Gesta's."""
        (ledger,) = open_ledgers(on, 1)

        async def work() -> float:
            real = Providers(load_settings().model_copy(update={"ai_base_url": url}))
            providers, jobs = Timed(real), list[float]()

            def worker(context: WorkerContext) -> WorkerProcess:
                leasing = Leasing(2 * in_flight)  # one tenant's part of it is enough for all
                made = WorkerProcess(context, providers, {}, leasing)
                made.leases = JobExecutor(context, {AI: timed(ai_runner(context, providers), jobs)}, leasing)
                return made

            async with at_work(on.addresses.system, ledger, line_of(AGENT), providers, worker) as shop:
                await shop.executions(1, 1)  # imports the provider's SDK
                before, cpu = resident_mb(), time.process_time()
                providers.seconds.clear()
                jobs.clear()
                _, seconds = await shop.executions(count, in_flight, over=delay)
                self.grown.append(resident_mb() - before)
                self.cpu.append((time.process_time() - cpu) / count * 1000)
            await real.aclose()
            self.whole.append((median(seconds) - delay) * 1000)
            return (median(jobs) - median(providers.seconds)) * 1000

        return run(work())


def bench(on: Stage, sizes: Sizes) -> Result:
    in_flight, count = sizes.ai_in_flight, sizes.ai_calls
    measured = {delay: Overhead() for delay in sizes.ai_delays}
    with ExitStack() as models:
        contenders = [
            Contender(
                f"Gesta's own, {in_flight} in flight, {delay:g} s each",
                partial(overhead.own, on, models.enter_context(model(delay)), in_flight, count, delay),
            )
            for delay, overhead in measured.items()
        ]
        rates = in_turn(contenders, sizes.rounds)
    allowed = Rates(f"{ALLOWED:g} ms allowed", (ALLOWED,) * sizes.rounds)
    notes = [
        f"{delay:g} s: {median(overhead.whole):.0f} ms with start, lease, the provider's SDK and HTTP; "
        f"{median(overhead.cpu):.1f} ms CPU a call, caller and SDK included; "
        f"memory grew by {', '.join(f'{each:.0f}' for each in overhead.grown)} MB in rounds of {count} calls"
        for delay, overhead in measured.items()
    ]
    return Result("milliseconds of an AI task beyond its call", rates, [Ratio(allowed, each, 1.0) for each in rates], notes)

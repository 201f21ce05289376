"""Items a second of a foreach over ten thousand, the first thousand beside the last: an item costs the same, and memory stays."""

import asyncio
import resource
import time
from functools import partial

from bench.figures import Contender, Lost, Ratio, Result, in_turn
from bench.ledgers import open_ledgers
from bench.sizes import Sizes
from bench.stage import Stage, run
from bench.tasks import at_work
from domain.facts import Json
from runtime.settings import load_settings
from store.jobs import LeasedJob
from worker.ai.registry import Providers
from worker.leases import Leasing
from worker.worker import WorkerProcess

MARK = 1 / 1.2
STEP = "step"
AT_A_TIME = 50
DEFINITION: Json = {
    "key": "each",
    "name": "Each",
    "triggers": [{"type": "manual"}],
    "nodes": [
        {"id": "start", "type": "start"},
        {
            "id": "each",
            "type": "foreach",
            "config": {
                "items": "=input.items",
                "max_concurrency": AT_A_TIME,
                "body": {"nodes": [{"id": "work", "type": "task", "config": {"job_type": STEP, "input": "=item"}}], "edges": []},
            },
        },
        {"id": "end", "type": "end", "config": {"output": "=size(nodes.each.output.results)"}},
    ],
    "edges": [{"source": "start", "target": "each"}, {"source": "each", "target": "end"}],
}


class Items:
    """One execution, whose items are done by a task in the worker's process."""

    def __init__(self, on: Stage, count: int, part: int) -> None:
        self.on, self.count, self.part = on, count, part
        self.done: list[float] = []
        self.used: list[float] = []
        """Seconds of processor time that the process had used by then."""
        self.each: list[tuple[float, float]] = []
        """Milliseconds of it for an item: of the first part, and of the last, by round."""
        self.grown: list[float] = []
        """MiB of memory that the process took at most beyond what it had, by round."""

    async def step(self, job: LeasedJob) -> Json:
        self.done.append(time.perf_counter())
        self.used.append(time.process_time())
        return job.input

    def first(self) -> float:
        """Do all of it; the rate of the first part."""
        (ledger,) = open_ledgers(self.on, 1)
        self.done, self.used, before = [], [], _peak()

        async def work() -> None:
            url, providers = self.on.addresses.system, Providers(load_settings())
            async with at_work(
                url,
                ledger,
                DEFINITION,
                providers,
                lambda context: WorkerProcess(context, providers, {STEP: self.step}, Leasing(2 * AT_A_TIME)),
            ) as shop:
                await shop.execution({"items": list(range(self.count))})

        run(asyncio.wait_for(work(), 3600))
        if len(self.done) != self.count:
            raise Lost(f"{len(self.done)} items were done of {self.count}")
        self.grown.append(_peak() - before)
        first, last = self.used[self.part - 1] - self.used[0], self.used[-1] - self.used[-self.part]
        self.each.append((1000 * first / self.part, 1000 * last / self.part))
        return self.part / (self.done[self.part - 1] - self.done[0])

    def last(self) -> float:
        return self.part / (self.done[-1] - self.done[-self.part])


def _peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bench(on: Stage, sizes: Sizes) -> Result:
    items = Items(on, sizes.items, sizes.items // 10)
    contenders = [
        Contender(f"the first {items.part:,} of {items.count:,}", items.first),
        Contender(f"the last {items.part:,}", partial(items.last)),
    ]
    first, last = in_turn(contenders, sizes.items_rounds, fixed=True)
    grown = ", ".join(f"{each:.0f}" for each in items.grown)
    used = ", ".join(f"{first:.2f} and {last:.2f}" for first, last in items.each)
    notes = [
        f"peak memory grew by MiB, round by round: {grown}",
        f"milliseconds of the process's own time for an item, of the first and of the last, round by round: {used}",
    ]
    return Result("items a second", [first, last], [Ratio(last, first, MARK)], notes)

"""Workflows a second of three durable steps: by a handler in the worker's process and by a worker of the SDK over HTTP, beside
DBOS Transact, called directly and through its queue. Each workflow is started by a caller who waits for its end."""

from collections import defaultdict
from contextlib import ExitStack
from functools import partial
from itertools import islice
from statistics import median

from bench import dbos_peer
from bench.figures import Contender, Ratio, Result, best, in_turn
from bench.http import our_api
from bench.ledgers import open_ledgers
from bench.sdk_steps import SdkShop
from bench.sizes import Sizes
from bench.stage import Stage, run
from bench.tasks import STEP, at_work, three_steps
from domain.facts import Json
from runtime.settings import load_settings
from store.jobs import LeasedJob
from worker.ai.registry import Providers
from worker.leases import Leasing
from worker.worker import WorkerProcess

MARK = 5.0
IN_FLIGHT = (1, 32, 128)
THREADS = (1, 8, 32)
QUEUED = (32, 128)
WARM = 20


async def step(job: LeasedJob) -> Json:
    return job.input


class Steps:
    """Contenders that also note how long each workflow took."""

    def __init__(self, on: Stage) -> None:
        self._on = on
        self.medians: dict[str, list[float]] = defaultdict(list)
        """Seconds, by contender and round."""

    def in_process(self, name: str, in_flight: int, count: int) -> float:
        (ledger,) = open_ledgers(self._on, 1)

        async def work() -> float:
            url, providers = self._on.addresses.system, Providers(load_settings())
            leasing = Leasing(max(2 * in_flight, 16))  # one tenant's part of it is enough for all
            async with at_work(
                url, ledger, three_steps(), providers, lambda context: WorkerProcess(context, providers, {STEP: step}, leasing)
            ) as shop:
                await shop.executions(min(WARM, count), min(in_flight, WARM))
                rate, seconds = await shop.executions(count, in_flight)
            self.medians[name].append(median(seconds))
            return rate

        return run(work())

    def peer(self, name: str, peer: dbos_peer.Program, threads: int, count: int) -> float:
        rate, seconds = peer.workflows(threads, count)
        self.medians[name].append(seconds)
        return rate

    def sdk(self, name: str, shop: SdkShop, in_flight: int, count: int) -> float:
        rate, seconds = run(shop.executions(count, in_flight))
        self.medians[name].append(median(seconds))
        return rate

    def latencies(self) -> str:
        told = (f"{name} {median(each) * 1000:,.1f}" for name, each in self.medians.items())
        return f"median milliseconds of a workflow: {'; '.join(told)}"


def bench(on: Stage, sizes: Sizes) -> Result:
    steps, notes = Steps(on), []
    with ExitStack() as stack:
        counts = {in_flight: sizes.workflows if in_flight > 1 else sizes.workflows_one_caller for in_flight in IN_FLIGHT}
        ours = [
            Contender(name := f"in process, {in_flight} in flight", partial(steps.in_process, name, in_flight, count))
            for in_flight, count in counts.items()
        ]
        shop = SdkShop(our_api(on, sizes.clients))
        sdk = [
            Contender(name := f"SDK over HTTP, {n} in flight", partial(steps.sdk, name, shop, n, counts[n])) for n in IN_FLIGHT
        ]
        direct, queued = [], []
        try:
            peer = stack.enter_context(dbos_peer.peer(on, install=sizes.peer_is_installed))
        except dbos_peer.NotThere as error:
            notes.append(f"DBOS Transact is not measured: {error}")
        else:
            direct = [
                Contender(name := f"DBOS, {n} threads", partial(steps.peer, name, peer.direct, n, sizes.peer_workflows))
                for n in THREADS
            ]
            queued = [
                Contender(name := f"DBOS queue, {n} callers", partial(steps.peer, name, peer.queued, n, sizes.peer_workflows))
                for n in QUEUED
            ]
        rates = in_turn([*ours, *sdk, *direct, *queued], sizes.rounds)
    each = iter(rates)
    in_process, over_http = best(list(islice(each, len(ours)))), best(list(islice(each, len(sdk))))
    if direct:
        called, enqueued = best(list(islice(each, len(direct)))), best(list(each))
        ratios = [Ratio(in_process, called, MARK), Ratio(over_http, called, MARK), Ratio(over_http, enqueued, MARK)]
    else:
        ratios = [Ratio(over_http, in_process)]
    return Result("workflows of three steps a second", rates, ratios, [*notes, steps.latencies()])

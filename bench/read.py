"""Events a second read from the log and decoded, in portions of the same size."""

import time
from functools import partial
from uuid import UUID

from bench import library, saves
from bench.figures import Contender, Lost, Ratio, Result, in_turn
from bench.library import Executions
from bench.sizes import Sizes
from bench.stage import Stage, run
from runtime.pools import connect
from store.reading import read_ledger

BATCH = 1000


def ours_a_second(on: Stage, ledger: UUID, events: int) -> float:
    async def read() -> tuple[int, float]:
        async with connect(on.addresses.system, name="gesta bench") as conn:
            begun = time.perf_counter()
            count = after = 0
            while records := await read_ledger(conn, ledger, after, BATCH):
                count += len(records)
                after = records[-1].position
            return count, time.perf_counter() - begun

    count, seconds = run(read())
    if count != events:
        raise Lost(f"{count} events read, not {events}")
    return count / seconds


def theirs_a_second(application: Executions, after: int, events: int) -> float:
    begun = time.perf_counter()
    count = 0
    while found := application.recorder.select_notifications(start=after, limit=BATCH, inclusive_of_start=False):
        for each in found:
            application.mapper.to_domain_event(each)
        count += len(found)
        after = found[-1].id
    if count != events:
        raise Lost(f"{count} notifications read, not {events}")
    return count / (time.perf_counter() - begun)


def bench(on: Stage, sizes: Sizes) -> Result:
    events = sizes.log_saves // 100 * 100 * saves.EVENTS
    ledger = saves.a_log(on, sizes.log_saves)
    with library.executions(on) as application:
        after = library.a_log(application, sizes.log_saves)
        rates = in_turn(
            [
                Contender("ours", partial(ours_a_second, on, ledger, events)),
                Contender("library", partial(theirs_a_second, application, after, events)),
            ],
            sizes.rounds,
        )
    ours, theirs = rates
    return Result("events read and decoded a second", rates, [Ratio(ours, theirs)], ("ours with envelopes and typed fields",))

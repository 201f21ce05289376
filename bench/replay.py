"""Events a second folded afresh and compared with every column of every table; the limit is reading the same ledger."""

import time
from functools import partial

from bench.figures import Contender, Lost, Ratio, Result, in_turn
from bench.played import Played, play
from bench.read import ours_a_second
from bench.sizes import Sizes
from bench.stage import Stage, run
from domain.envelope import PLATFORM
from projections.projector import Projector
from projections.replay import replay
from runtime.pools import connect


def replayed_a_second(on: Stage, played: Played) -> float:
    """Raises Lost where the tables differ from the ledger."""

    async def compare() -> float:
        async with connect(on.addresses.system, name="gesta bench") as conn:
            begun = time.perf_counter()
            found = await replay(conn, played.tenant_id)
            seconds = time.perf_counter() - begun
        if not found.equal or found.position != played.events:
            raise Lost(f"{found.count} differences at position {found.position}: {[str(each) for each in found.differences[:5]]}")
        return seconds

    return played.events / run(compare())


def bench(on: Stage, sizes: Sizes) -> Result:
    played = play(on, sizes.executions)
    run(Projector(on.addresses.system).catch_up([PLATFORM]))
    run(Projector(on.addresses.system).catch_up([played.tenant_id]))
    rates = in_turn(
        [
            Contender("ours, folded and compared", partial(replayed_a_second, on, played)),
            Contender("ours, only read", partial(ours_a_second, on, played.tenant_id, played.events)),
        ],
        sizes.rounds,
    )
    return Result("events replayed a second", rates, [Ratio(rates[0], rates[1])])

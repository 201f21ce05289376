"""Saves a second: ours, the library's, and PostgreSQL's own limit."""

from functools import partial

from bench import library, raw, saves
from bench.figures import Contender, Ratio, Result, best, in_turn
from bench.sizes import Sizes
from bench.stage import Stage

MARK = 6.0
THREADS = (1, 8, 32)


def bench(on: Stage, sizes: Sizes) -> Result:
    with library.executions(on) as application:
        ours = [
            Contender(f"ours, {callers} callers, {tenants} ledgers", partial(saves.saves_a_second, on, callers, tenants, count))
            for callers, tenants, count in (
                (1, 1, sizes.saves_one_caller),
                (32, 1, sizes.saves),
                (sizes.callers, 1, sizes.saves),
                (32, 50, sizes.saves),
                (sizes.callers, 50, sizes.saves),
            )
        ]
        theirs = [
            Contender(f"library, {threads} threads", partial(library.saves_a_second, application, threads, sizes.library_saves))
            for threads in THREADS
        ]
        program = raw.pgbench(on)
        limit = (
            [Contender(f"pgbench, {raw.CLIENTS} clients", partial(raw.commits_a_second, on, program, sizes.saves))]
            if program
            else []
        )
        library.a_log(application, 100)  # its table and connections exist, as ours do
        rates = in_turn([*ours, *theirs, *limit], sizes.rounds)
        payload, envelope = saves.bytes_of_a_save(on)
        notes = (
            f"bytes an event: ours {payload:.0f} and an envelope of {envelope:.0f}, "
            f"library {library.bytes_an_event(application):.0f}",
        )
    one_process, peer = best(rates[: len(ours)]), best(rates[len(ours) : len(ours) + len(theirs)])
    ratios = [Ratio(one_process, peer, MARK)]
    if limit:
        ratios.append(Ratio(one_process, rates[-1]))
    return Result("saves of five events a second", rates, ratios, notes)

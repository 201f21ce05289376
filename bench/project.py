"""Events a second from the ledger into all tables, the audit log among them, as they come and anew; the library's, into one."""

import time
from functools import partial

import psycopg

from bench import library, projection
from bench.figures import Contender, Lost, Ratio, Result, in_turn
from bench.played import play
from bench.sizes import Sizes
from bench.stage import Stage, run
from domain.envelope import PLATFORM
from projections.projector import Projector
from projections.rebuilding.rebuild import RebuildOptions, drop_old, rebuild
from projections.rebuilding.rebuild import Stage as RebuildStage

WARM = 500  # events, appended in one transaction
STANDS = "SELECT position FROM projections.freshness WHERE tenant_id = %s"
COMPLETED = "SELECT count(*) FROM projections.workflow_executions WHERE tenant_id = %s AND status = 'completed'"
AUDITED = "SELECT count(*) FROM projections.audit_logs WHERE tenant_id = %s"


def projected_a_second(on: Stage, executions: int) -> float:
    """Play a new tenant's executions, then project its ledger. Raises Lost."""
    projector = Projector(on.addresses.system)
    played = play(on, executions)
    run(projector.catch_up([PLATFORM]))
    begun = time.perf_counter()
    run(projector.catch_up([played.tenant_id]))
    seconds = time.perf_counter() - begun
    with psycopg.connect(on.addresses.system) as connection:
        found = [connection.execute(statement, (played.tenant_id,)).fetchone() for statement in (STANDS, COMPLETED, AUDITED)]
    if found != [(played.events,), (executions,), (played.events,)]:
        raise Lost(f"position, completed executions, audit rows: {found}; {played.events} events, {executions} executions")
    return played.events / seconds


def rebuilt_a_second(on: Stage) -> float:
    """All that was played so far, in one process: folded, written, indexed, not yet compared. Raises Lost."""
    begun: dict[str, float] = {}
    events = 0

    def show(stage: RebuildStage) -> None:
        nonlocal events
        begun.setdefault(stage.name, time.perf_counter())
        events = stage.total if stage.name == "filling" else events

    found = run(rebuild(on.addresses.owner, on.addresses.system, RebuildOptions(), show))
    if found.changes or found.wrong:
        raise Lost(f"rebuilt, the tables differ: {found}")
    run(drop_old(on.addresses.owner))
    return events / (begun["comparing"] - begun["filling"])


def bench(on: Stage, sizes: Sizes) -> Result:
    with library.executions(on) as application:
        projection.projected_a_second(on, application, WARM)  # its tables exist, as ours do
        rates = in_turn(
            [
                Contender("ours, all tables", partial(projected_a_second, on, sizes.executions)),
                Contender("ours, all tables built anew", partial(rebuilt_a_second, on)),
                Contender("library, one table", partial(projection.projected_a_second, on, application, sizes.library_events)),
            ],
            sizes.rounds,
            fixed=True,
        )
    ours, anew, theirs = rates
    ratios = [Ratio(ours, theirs), Ratio(anew, theirs, 20)]
    return Result("events projected a second", rates, ratios, ("neither waits for the disk at a commit",))

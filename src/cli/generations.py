"""``gesta rebuild`` and ``gesta projections drop-old``: tables built anew beside those that serve."""

import asyncio
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from cli.ledgers import TenantOption

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from projections.rebuilding.rebuild import RebuildOptions, Stage

BAR = 30
"""Characters."""
LINE_SECONDS = 5.0
"""Where nobody watches, a line so often."""


LeaveBehindOption = Annotated[bool, typer.Option(help="Others' views, indexes and the like may stay with the old tables.")]
PatienceOption = Annotated[float, typer.Option(help="Seconds to wait for sessions that hold the tables.", min=0)]
ProcessesOption = Annotated[int, typer.Option(help="How many processes load and compare ledgers at a time.", min=1, max=64)]


class ProgressBar:
    """A bar for each stage, with its rate and the time left: drawn over and over on a terminal, else a line from time to time."""

    def __init__(self) -> None:
        self._stage = ""
        self._begun = self._told = 0.0
        self._first = 0
        self._drawn = False

    def show(self, stage: "Stage") -> None:
        now = time.monotonic()
        if stage.name != self._stage:
            self.end()
            self._stage, self._begun, self._first, self._told = stage.name, now, stage.done, 0.0
        drawn = sys.stderr.isatty()
        if stage.done < stage.total and now < self._told + (0.1 if drawn else LINE_SECONDS):
            return
        self._told, self._drawn = now, drawn
        text = words(stage, stage.done - self._first, now - self._begun)
        print(f"\r{text}\x1b[K" if drawn else text, end="" if drawn else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._drawn:
            print(file=sys.stderr)
        self._drawn = False


def words(stage: "Stage", since: int, seconds: float) -> str:
    """`since`: how many of the done ones took these seconds."""
    share = stage.done / stage.total if stage.total else 1.0
    bar = "█" * round(share * BAR)
    rate = since / seconds if seconds > 0 else 0.0
    left = f", {duration((stage.total - stage.done) / rate)} left" if rate and stage.done < stage.total else ""
    pace = f"  {rate:,.0f}/s{left}" if rate else ""
    return f"{stage.name:<11}{bar:<{BAR}} {stage.done:>12,} of {stage.total:,}{pace}"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rebuild(
    tenant: TenantOption = None,
    table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A table to build anew, with the group of tables that refer to each other; may be repeated."
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="GROUP", help="people, work or audit; may be repeated. Default: what migrations ask for, or all."),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE[.COLUMN]", help="A difference from the serving tables that is intended; may be repeated."),
    ] = None,
    leave_behind: LeaveBehindOption = False,
    patience: PatienceOption = 60.0,
    processes: ProcessesOption = 1,
) -> None:
    """Fold the ledger into new tables beside those that serve, compare, and exchange them, while everything goes on.

    Killed and begun again it goes on where it stood. It changes nothing where rows or values would differ that --accept does not
    name. With --tenant, only that tenant's rows are replaced. The old tables stay until `gesta projections drop-old`. Nothing is
    done again that acts on the world.
    """
    from projections.generation import groups_of
    from projections.rebuilding.rebuild import RebuildOptions
    from runtime.addresses import resolve
    from runtime.parent import stop_with_parent
    from runtime.settings import load_settings

    stop_with_parent()
    chosen = {*(group or ()), *groups_of(table or ())}
    options = RebuildOptions(chosen, accept or (), leave_behind, patience_seconds=patience, processes=processes)
    with resolve(load_settings()) as addresses:
        asyncio.run(_rebuild(addresses.owner, addresses.system, options, tenant))


async def _rebuild(owner_url: str, system_url: str, options: "RebuildOptions", tenant: str | None) -> None:
    from cli.ledgers import ledgers
    from projections.rebuilding import rebuild as rebuilding
    from runtime.pools import connect

    with _shown() as show:
        if tenant is None:
            found = await rebuilding.rebuild(owner_url, system_url, options, show)
        else:
            async with connect(system_url, name="gesta rebuild") as conn:
                (ledger,) = await ledgers(conn, tenant)
            found = await rebuilding.rebuild_tenant(owner_url, system_url, options, ledger.tenant_id, show)
    _tell(found.changes)
    print("The tables are rebuilt." if tenant is None else f"The tables of {tenant} are rebuilt.")


@contextmanager
def _shown() -> "Iterator[Callable[[Stage], None]]":
    progress = ProgressBar()
    try:
        yield progress.show
    finally:
        progress.end()


def _tell(changes: "Mapping[str, int]") -> None:
    for name, count in sorted(changes.items()):
        print(f"{name}: {count} changed")


def unskip(options: "RebuildOptions", tenant: str, positions: "Collection[int]", reason: str, by: str | None) -> None:
    """What `gesta projections unskip` does."""
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses:
        asyncio.run(_unskip(addresses.owner, addresses.system, options, tenant, positions, reason, by))


async def _unskip(
    owner_url: str,
    system_url: str,
    options: "RebuildOptions",
    tenant: str,
    positions: "Collection[int]",
    reason: str,
    by: str | None,
) -> None:
    from cli.ledgers import ledgers
    from projections.rebuilding.rebuild import rebuild as rebuilt
    from projections.skipped_events import to_unskip
    from runtime.pools import connect

    async with connect(system_url, name="gesta projections") as conn:
        (ledger,) = await ledgers(conn, tenant)
        skips = await to_unskip(conn, ledger.tenant_id, positions, reason, by)
    with _shown() as show:
        found = await rebuilt(owner_url, system_url, replace(options, unskip=skips, reason=f"unskip: {reason}"), show)
    _tell(found.changes + found.meant)
    for position in skips.topics:
        print(f"{ledger.name}: event {position} is in the tables.")


def drop_old() -> None:
    """Drop the tables that served before the last rebuild."""
    from projections.rebuilding.rebuild import drop_old as drop
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses:
        names = asyncio.run(drop(addresses.owner))
    print(f"{len(names)} tables dropped." if names else "There are no tables to drop.")

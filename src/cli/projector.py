"""``gesta projector``: the process that keeps the tables current. ``gesta projections``: what it is doing."""

import asyncio
from typing import Annotated

import typer

from cli import generations
from cli.ledgers import OneTenantOption, TenantOption

app = typer.Typer(
    help="The projected tables: how current they are, what holds them up, and rebuilding them.", no_args_is_help=True
)

ByOption = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who does it; default: the system's user.")]
LONGEST_REASON = 2000


def projector(
    batch: Annotated[int, typer.Option(help="The most events in one flush.", min=1, max=10_000)] = 1000,
) -> None:
    """Keep the tables current until told to stop."""
    import uvloop

    from runtime.addresses import resolve
    from runtime.log import configure_logging
    from runtime.parent import stop_with_parent
    from runtime.settings import load_settings

    stop_with_parent()
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    with resolve(settings) as addresses:
        uvloop.run(_run(addresses.system, addresses.listen, batch))


async def _run(url: str, listen_url: str, batch: int) -> None:
    from projections.projector import Projector
    from runtime.failing_tasks import telling
    from runtime.pools import check_logins
    from runtime.process import stop_asked_for
    from runtime.schema import refuse_older

    stop = stop_asked_for()
    await check_logins(url, listen=listen_url)
    await refuse_older(url)
    async with telling(url, "projector"):
        await Projector(url, listen_url=listen_url, batch=batch).run(stop)


@app.command()
def status() -> None:
    """Show how far every tenant's tables are, and what keeps them from going on."""
    from cli.ledgers import ledgers
    from projections.freshness import lagging, position
    from projections.poison_events import read_poison_events
    from projections.rebuilding.records import records
    from projections.skipped_events import read_skipped_events
    from runtime.addresses import resolve
    from runtime.pools import connect
    from runtime.settings import load_settings

    async def show(url: str) -> None:
        async with connect(url, name="gesta projections") as conn:
            for record in await records(conn, "wanted", "building"):
                print(f"{', '.join(record.groups)}: {record.state}, {record.reason}: gesta rebuild")
            known, behind = await read_poison_events(conn), await lagging(conn)
            for ledger in await ledgers(conn, None):
                lag, fault = behind.get(ledger.tenant_id), known.get(ledger.tenant_id)
                at = await position(conn, ledger.tenant_id)
                state = f"behind by {lag.head - lag.position}" if lag else "current"
                print(f"{ledger.name:<30} {at:>10}  {state}")
                for one in await read_skipped_events(conn, ledger.tenant_id):
                    print(f"{'':<30} {one.position:>10}  skipped: {one.reason} ({one.error})")
                if fault:
                    print(f"{'':<30} {fault.position:>10}  {fault.words}")

    with resolve(load_settings()) as addresses:
        asyncio.run(show(addresses.system))


@app.command()
def show(tenant: OneTenantOption) -> None:
    """Show the event that holds a tenant's tables up, the error, where it arose, and what was skipped."""
    from cli.held_up import described
    from cli.ledgers import ledgers
    from runtime.addresses import resolve
    from runtime.pools import connect
    from runtime.settings import load_settings

    async def look(url: str) -> None:
        async with connect(url, name="gesta projections") as conn:
            (ledger,) = await ledgers(conn, tenant)
            for line in await described(conn, ledger):
                print(line)

    with resolve(load_settings()) as addresses:
        asyncio.run(look(addresses.system))


@app.command()
def retry(tenant: TenantOption = None, by: ByOption = None) -> None:
    """Try again, now, what could not be applied. It is on record that you did."""
    from cli.held_up import operator
    from cli.ledgers import ledgers
    from projections import poison_events
    from runtime.addresses import resolve
    from runtime.clock import SystemClock
    from runtime.pools import connect
    from runtime.settings import load_settings

    async def wake(url: str) -> None:
        async with connect(url, name="gesta projections") as conn:
            chosen = await ledgers(conn, tenant)
            one = chosen[0].tenant_id if tenant is not None else None
            woken = await poison_events.retry(conn, SystemClock().now(), one, by or operator())
        print(f"{len(woken)} will be retried." if woken else "Nothing is held up.")

    with resolve(load_settings()) as addresses:
        asyncio.run(wake(addresses.system))


@app.command()
def skip(
    tenant: OneTenantOption,
    position: Annotated[int, typer.Option("--position", help="The event that cannot be applied.", min=1)],
    reason: Annotated[str, typer.Option("--reason", help="The reason; it is kept for good, and shown by replay and verify.")],
    by: ByOption = None,
) -> None:
    """Leave an event that cannot be applied out of the tables, and go on behind it. Nothing else can be skipped.

    The event stays in the ledger. The tables do not show it, nor does the audit log, which shows that you
    left it out, and why; what relied on it may be held up next.
    """
    from cli.held_up import operator
    from cli.ledgers import ledgers
    from projections import skipped_events
    from runtime.addresses import resolve
    from runtime.clock import SystemClock
    from runtime.pools import connect
    from runtime.settings import load_settings

    words = _reason(reason)

    async def leave_out(url: str) -> None:
        async with connect(url, name="gesta projections") as conn:
            (ledger,) = await ledgers(conn, tenant)
            now = SystemClock().now()
            await skipped_events.skip(conn, ledger.tenant_id, position, words, now=now, by=by or operator())
            print(f"{ledger.name}: event {position} is skipped.")

    with resolve(load_settings()) as addresses:
        asyncio.run(leave_out(addresses.system))


@app.command()
def unskip(
    tenant: OneTenantOption,
    reason: Annotated[str, typer.Option("--reason", help="The reason; it is kept for good.")],
    position: Annotated[
        list[int] | None,
        typer.Option(help="An event that was skipped; may be repeated. Default: all that were.", min=1),
    ] = None,
    by: ByOption = None,
    leave_behind: generations.LeaveBehindOption = False,
    patience: generations.PatienceOption = 60.0,
    processes: generations.ProcessesOption = 1,
) -> None:
    """Take a skip back, once the event can be applied: all tables are rebuilt with it, as by `gesta rebuild`, and exchanged.

    Killed and begun again it goes on where it stood. Where the event still cannot be applied, nothing changes.
    It is on record that you did, and why.
    """
    from cli.held_up import operator
    from projections.rebuilding.rebuild import RebuildOptions
    from runtime.parent import stop_with_parent

    stop_with_parent()
    words = _reason(reason)
    options = RebuildOptions(leave_behind=leave_behind, patience_seconds=patience, processes=processes)
    generations.unskip(options, tenant, position or (), words, by or operator())


def _reason(reason: str) -> str:
    from domain.storable import storable_text

    if not reason.strip():
        raise typer.BadParameter("Give a reason.", param_hint="--reason")
    if len(reason) > LONGEST_REASON:
        raise typer.BadParameter(f"is longer than {LONGEST_REASON:,} characters", param_hint="--reason")
    return storable_text(reason.strip())

"""``gesta jobs``: work that waits, runs, fails or was given up; and trying it again."""

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from cli.ledgers import TenantOption

if TYPE_CHECKING:
    from store.failures import WorkItem

app = typer.Typer(help="Jobs and timers that fail or were given up, and how to retry them.", no_args_is_help=True)


class State(StrEnum):
    """`troubled`: failing or dead. `failing`: put off because handling it failed; timers, too."""

    troubled = "troubled"
    failing = "failing"
    dead = "dead"
    ready = "ready"
    waiting = "waiting"
    leased = "leased"
    held = "held"


@app.command(name="list")
def list_(
    tenant: TenantOption = None,
    state: Annotated[State, typer.Option(help="Which of them to show.")] = State.troubled,
    type: Annotated[str | None, typer.Option(help="Only of this type; for timers: of this kind.")] = None,
    limit: Annotated[int, typer.Option(help="Show at most so many.", min=1, max=10_000)] = 100,
) -> None:
    """List jobs, and timers that fail; without options, what is in trouble."""
    from cli.ledgers import ledgers
    from runtime.addresses import resolve
    from runtime.pools import connect
    from runtime.settings import load_settings
    from store import failures

    async def show(url: str) -> None:
        async with connect(url, name="gesta jobs") as conn:
            known = {ledger.tenant_id: ledger.name for ledger in await ledgers(conn, tenant)}
            one = next(iter(known)) if tenant is not None else None
            found = await failures.work_items(conn, state.value, limit, tenant_id=one, type=type)
        for item in found:
            print(_line(known.get(item.tenant_id, str(item.tenant_id)), item))
        if not found:
            print("Nothing to show.")

    with resolve(load_settings()) as addresses:
        asyncio.run(show(addresses.system))


@app.command()
def retry(
    job: Annotated[
        UUID | None, typer.Argument(metavar="ID", help="The id of a job or timer; default: all that fail or were given up.")
    ] = None,
    tenant: TenantOption = None,
) -> None:
    """Try again now what fails or was given up. A job that was given up has all its attempts again."""
    from cli.ledgers import ledgers
    from runtime.addresses import resolve
    from runtime.errors import WrongUsage
    from runtime.pools import connect
    from runtime.settings import load_settings
    from store import failures

    async def wake(url: str) -> None:
        async with connect(url, name="gesta jobs") as conn:
            one = (await ledgers(conn, tenant))[0].tenant_id if tenant is not None else None
            found = await failures.retry_now(conn, tenant_id=one, id=job)
        if job is not None and not found:
            raise WrongUsage(f"There is no job or timer {job} that fails or was given up.")
        print(f"{len(found)} will be retried." if found else "Nothing fails, and nothing was given up.")

    with resolve(load_settings()) as addresses:
        asyncio.run(wake(addresses.system))


def _line(name: str, item: "WorkItem") -> str:
    """One item: whose, what, how often it failed, when it is looked at next, and what is wrong."""
    state = "failing" if item.is_failing else item.state
    failed = f"{item.failures} failures" if item.is_failing else f"attempt {item.attempt} of {item.max_attempts}"
    upcoming = "" if item.next_at is None else f"  next {item.next_at.isoformat(timespec='seconds')}"
    trouble = f"\n{'':<20} {item.trouble}" if item.trouble else ""
    return f"{name:<20} {item.kind:<5} {item.id}  {item.type:<20} {state:<8} {failed}{upcoming}{trouble}"

"""``gesta db push``: a database of development brought to what the migrations make now."""

import asyncio
from typing import Annotated

import typer

WHOLE = """
SELECT count(*) FROM (
    SELECT FROM ledger.events GROUP BY tenant_id HAVING min(position) <> 1 OR count(*) <> max(position)) l
"""


def push(
    mark: Annotated[bool, typer.Option("--mark", help="Mark the database as one of development, for good.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Go on without a mark, and where more would be lost than tables.")
    ] = False,
) -> None:
    """Bring a database of development to what the migrations make now, and fill its tables again from the ledger.

    For migrations that were edited after they were applied. Changes made by hand are taken back. Events are never lost.
    """
    from runtime import functions, migrations
    from runtime.addresses import resolve
    from runtime.pushing import push as push_schema
    from runtime.settings import load_settings

    settings = load_settings()
    with resolve(settings) as addresses:
        asyncio.run(_refuse_incomplete(addresses.system))
        done = push_schema(settings, migrations.load(), functions.load(), mark=mark, force=force)
        for each in done.applied:
            print(f"applied      {each}")
        for drift in done.drifts:
            print(f"undone       {drift}")
        if done.history:
            print("recorded     the migrations, as they are now")
        if done.emptied:
            events, ledgers, stopped = asyncio.run(_refold(addresses.system))
            print(f"folded       {events} events of {ledgers} ledgers into the tables")
            if stopped:
                print(f"stopped      {stopped} ledgers at an event that cannot be applied: gesta projections status names it.")
                raise typer.Exit(1)
    if not (done.applied or done.drifts or done.history):
        print("Nothing to push: the database is what the migrations say.")


async def _refuse_incomplete(url: str) -> None:
    """Tables that would be emptied must be in the ledger, all of them."""
    from psycopg.errors import Error

    from runtime.errors import OperatorError
    from runtime.pools import connect

    async with connect(url, name="gesta db push") as conn:
        try:
            row = await (await conn.execute(WHOLE)).fetchone()
        except Error:
            return
    if row is not None and row[0]:
        raise OperatorError(f"{row[0]} ledgers do not begin at position 1 or have gaps: their tables could not be filled again.")


async def _refold(url: str) -> tuple[int, int, int]:
    from domain.envelope import PLATFORM
    from projections.poison_events import read_poison_events
    from projections.projector import Projector
    from runtime.pools import connect

    projector = Projector(url)
    await projector.catch_up([PLATFORM])  # what tenants' rows refer to
    await projector.catch_up()
    async with connect(url, name="gesta db push") as conn:
        shown = await (
            await conn.execute("SELECT coalesce(sum(position), 0)::bigint, count(*) FROM projections.freshness")
        ).fetchone()
        stopped = await read_poison_events(conn)
    assert shown is not None
    return shown[0], shown[1], len(stopped)

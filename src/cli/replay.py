"""``gesta replay``: fold the ledger afresh and compare, or show what it comes to at an earlier time."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from cli.ledgers import TenantOption
from cli.moments import past_moment
from cli.progress import Progress
from domain.envelope import PLATFORM

if TYPE_CHECKING:
    from cli.ledgers import Ledger
    from projections.schemas import Copy
    from runtime.pools import Connection

SHOWN = 50
"""Differences printed for each tenant."""


def replay(
    tenant: TenantOption = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(parser=past_moment, metavar="TIME", help="Fold what was recorded up to this time (RFC 3339)."),
    ] = None,
    position: Annotated[int | None, typer.Option(help="Fold up to this position; needs --tenant.", min=0)] = None,
    into: Annotated[str | None, typer.Option(metavar="SCHEMA", help="Put the tables into a new schema of this name.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="With --into: one that a replay made before gives way.")] = False,
) -> None:
    """Fold the ledger afresh and compare every column of every table with the live ones.

    Exit code 0: equal, 1: something differs, 2: wrong usage. With a time or a position other than the tables' own
    there is nothing to compare with: the size of each table is shown. With --into the tables are put into a schema
    of their own, with the keys, references, indexes, policies, comments and views of the live ones.
    """
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    if as_of is not None and position is not None:
        raise typer.BadParameter("Give a time or a position, not both.", param_hint="--position")
    if tenant is None and position is not None:
        raise typer.BadParameter("A position is one of one ledger: name it with --tenant.", param_hint="--tenant")
    if tenant is None and as_of is not None and into is None:
        raise typer.BadParameter("A time needs one ledger, or --into: name it with --tenant.", param_hint="--tenant")
    if replace and into is None:
        raise typer.BadParameter("There is nothing to replace without --into.", param_hint="--replace")
    with resolve(load_settings()) as addresses:
        if into is not None:
            asyncio.run(_copy(addresses.system, addresses.owner, tenant, as_of, position, into, replace=replace))
            raise typer.Exit(0)
        equal = asyncio.run(_replay(addresses.system, tenant, as_of, position))
    raise typer.Exit(0 if equal else 1)


async def _replay(url: str, tenant: str | None, until: datetime | None, position: int | None) -> bool:
    from cli.ledgers import ledgers
    from projections import freshness
    from runtime.pools import connect
    from store.reading import position_at

    async with connect(url, name="gesta replay") as conn:
        meant = await ledgers(conn, tenant, headless=True)
        if tenant is not None:
            live = await freshness.position(conn, meant[0].tenant_id)
            target = live if position is None else position
            if until is not None:
                target = await position_at(conn, meant[0].tenant_id, until)
            if target != live:
                await _show(conn, meant[0], target)
                return True
    equal, left = True, meant
    while left:
        async with connect(url, name="gesta replay") as conn:
            while left:
                ledger, *left = left
                try:
                    equal = await _compare(conn, ledger) and equal
                except Exception as error:  # whatever keeps this one from being compared, the others are
                    print(
                        f"{ledger.name}: could not be compared: {type(error).__name__}: {' '.join(str(error).split())}",
                        flush=True,
                    )
                    equal = False
                    break  # the connection may be in the middle of something
    return equal


async def _compare(conn: "Connection", ledger: "Ledger") -> bool:
    from projections.replay import replay as compared

    found = await compared(conn, ledger.tenant_id)
    verdict = "equal" if found.equal else found.unfoldable or f"{found.count} differences"
    print(f"{ledger.name}: {found.position} events, {sum(found.rows.values())} rows, {verdict}", flush=True)
    for skip in found.skipped:
        print(f"  {skip}")
    for difference in found.differences[:SHOWN]:
        print(f"  {difference}", flush=True)
    return found.equal


async def _show(conn: "Connection", ledger: "Ledger", target: int) -> None:
    from projections.replay import rebuilt, sizes

    progress = Progress(ledger.name, target)
    async with rebuilt(conn, ledger.tenant_id, target, progress.tell) as rows:
        progress.end()
        print(f"{ledger.name} as of position {target}:")
        for table, count in sizes(rows).items():
            print(f"  {table:<24}{count:>10}")


async def _copy(
    url: str,
    owner_url: str,
    tenant: str | None,
    until: datetime | None,
    position: int | None,
    into: str,
    *,
    replace: bool,
) -> None:
    """The platform's ledger first: the others refer to its people and permissions. It is seen at the same moment as they are."""
    from cli.ledgers import Ledger, ledgers
    from projections.schemas import copying
    from runtime.pools import connect

    async with connect(url, name="gesta replay") as conn:
        meant = await ledgers(conn, tenant)
        one = meant[0] if tenant is not None else None
        if one is not None and one.tenant_id != PLATFORM:
            meant = [Ledger(PLATFORM, "platform"), one]
            if position is not None:
                until = await _recorded_at(conn, one.tenant_id, position)
        targets = [(ledger, await _target(conn, ledger, until, position if ledger == one else None)) for ledger in meant]
        name = "all ledgers" if one is None else one.name
        when = f"as of {until.isoformat()}" if position is None and until is not None else f"as of position {targets[-1][1]}"
        words = f"{name} {when if one is not None or until is not None else 'as they were'}"
        async with copying(owner_url, url, into, words, replace=replace) as copy:
            for ledger, target in targets:
                await _fill(conn, copy, ledger, target, None if one is None or one.tenant_id == PLATFORM else one.tenant_id)
    print(f"These rows are in the schema {into}.")


async def _fill(conn: "Connection", copy: "Copy", ledger: "Ledger", target: int, alone: UUID | None) -> None:
    """`alone`: the one tenant whose tables are copied; of the platform's only what is its."""
    from projections.replay import rebuilt, sizes

    progress = Progress(ledger.name, target)
    recorded_at = await _recorded_at(conn, ledger.tenant_id, target)
    users = await _people(conn, alone) if alone is not None and ledger.tenant_id == PLATFORM else None
    async with rebuilt(conn, ledger.tenant_id, target, progress.tell) as rows:
        progress.end()
        print(f"{ledger.name} as of position {target}: {sum(sizes(rows).values())} rows", flush=True)
        await copy.fill(rows, ledger.tenant_id, target, recorded_at, users)


async def _target(conn: "Connection", ledger: "Ledger", until: datetime | None, position: int | None) -> int:
    from projections import freshness
    from store.reading import head, position_at

    if position is not None:
        found = await head(conn, ledger.tenant_id)
        if found is None or position > found.position:
            raise typer.BadParameter(f"The ledger of {ledger.name} does not reach that far.", param_hint="--position")
        return position
    if until is not None:
        return await position_at(conn, ledger.tenant_id, until)
    return await freshness.position(conn, ledger.tenant_id)


async def _recorded_at(conn: "Connection", tenant_id: UUID, position: int) -> datetime | None:
    from store.reading import read_ledger

    records = await read_ledger(conn, tenant_id, max(position - 1, 0), 1, also_unread=True)
    return records[0].recorded_at if records and position else None


async def _people(conn: "Connection", tenant_id: UUID) -> set[UUID]:
    """The tenant, and all who ever were its members."""
    cursor = await conn.execute("SELECT user_id FROM projections.tenant_users WHERE tenant_id = %s", [tenant_id])
    return {tenant_id, *(row[0] for row in await cursor.fetchall())}

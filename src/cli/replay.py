"""``gesta replay``: fold the ledger afresh and compare, or show what it comes to at an earlier time."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.ledgers import TenantOption

if TYPE_CHECKING:
    from cli.ledgers import Ledger
    from runtime.pools import Connection

SHOWN = 50
"""Differences printed for each tenant."""


def moment(text: str) -> datetime:
    """An RFC 3339 time; without an offset, UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is not a time like 2026-01-05T09:00:00Z.") from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed


def replay(
    tenant: TenantOption = None,
    as_of: Annotated[str | None, typer.Option(help="Fold what was recorded up to this time (RFC 3339); needs --tenant.")] = None,
    position: Annotated[int | None, typer.Option(help="Fold up to this position; needs --tenant.", min=0)] = None,
    into: Annotated[str | None, typer.Option(help="Put the rows into a new schema of this name; needs --tenant.")] = None,
) -> None:
    """Fold the ledger afresh and compare every column of every table with the live ones.

    Exit code 0: equal, 1: something differs, 2: wrong usage. With a time or a position other than the tables' own
    there is nothing to compare with: the size of each table is shown.
    """
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    if as_of is not None and position is not None:
        raise typer.BadParameter("Give a time or a position, not both.", param_hint="--position")
    if tenant is None and (as_of is not None or position is not None or into is not None):
        raise typer.BadParameter("A time, a position or a schema needs one ledger: name it with --tenant.", param_hint="--tenant")
    until = None if as_of is None else moment(as_of)
    with resolve(load_settings()) as addresses:
        owner = addresses.owner if into is not None else None
        equal = asyncio.run(_replay(addresses.system, owner, tenant, until, position, into))
    raise typer.Exit(0 if equal else 1)


async def _replay(
    url: str, owner_url: str | None, tenant: str | None, until: datetime | None, position: int | None, into: str | None
) -> bool:
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
            if target != live or into is not None:
                await _show(conn, meant[0], target, into, owner_url)
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


async def _show(conn: "Connection", ledger: "Ledger", target: int, into: str | None, owner_url: str | None) -> None:
    from projections.replay import rebuilt, sizes
    from projections.schemas import materialise

    async with rebuilt(conn, ledger.tenant_id, target) as rows:
        print(f"{ledger.name} as of position {target}:")
        for table, count in sizes(rows).items():
            print(f"  {table:<24}{count:>10}")
        if into is not None and owner_url is not None:
            await materialise(owner_url, into, rows)
            print(f"These rows are in the schema {into}.")

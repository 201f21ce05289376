"""``gesta verify``: what must always hold."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.ledgers import TenantOption

if TYPE_CHECKING:
    from projections.verify import Verdict

SHOWN = 20
"""Sentences printed for each check that failed."""


def verify(
    tenant: TenantOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that the ledger is in order and the tables agree with it. Exit code 0: all holds, 1: something is broken."""
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses:
        verdicts = asyncio.run(_verify(addresses.system, tenant))
    if as_json:
        print(json.dumps({"holds": all(v.holds for v in verdicts.values()), "tenants": _as_json(verdicts)}, indent=2))
    else:
        _print(verdicts)
    raise typer.Exit(0 if all(verdict.holds for verdict in verdicts.values()) else 1)


async def _verify(url: str, tenant: str | None) -> "dict[str, Verdict]":
    from cli.ledgers import ledgers
    from projections.verify import verify as checked
    from runtime.pools import connect

    async with connect(url, name="gesta verify") as conn:
        return {ledger.name: await checked(conn, ledger.tenant_id) for ledger in await ledgers(conn, tenant)}


def _as_json(verdicts: "dict[str, Verdict]") -> list[dict[str, Any]]:
    return [
        {
            "tenant": name,
            "tenant_id": str(verdict.tenant_id),
            "holds": verdict.holds,
            "events": verdict.events,
            "position": verdict.position,
            "rows": verdict.comparison.rows,
            "broken": verdict.broken,
            "skipped": [{**skip._asdict(), "skipped_at": skip.skipped_at.isoformat()} for skip in verdict.comparison.skipped],
        }
        for name, verdict in verdicts.items()
    ]


def _print(verdicts: "dict[str, Verdict]") -> None:
    for name, verdict in verdicts.items():
        behind = verdict.events - verdict.position
        lag = f", tables behind by {behind}" if behind else ""
        print(f"{name}: {verdict.events} events{lag}: {'holds' if verdict.holds else 'BROKEN'}")
        for skip in verdict.comparison.skipped:
            print(f"  {skip}")
        for check, sentences in verdict.broken.items():
            for sentence in sentences[:SHOWN]:
                print(f"  {check}: {sentence}")
            if len(sentences) > SHOWN:
                print(f"  {check}: and {len(sentences) - SHOWN} more")

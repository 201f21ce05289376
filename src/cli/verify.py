"""``gesta verify``: what must always hold."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from cli.ledgers import TenantOption

if TYPE_CHECKING:
    from cli.ledgers import Ledger
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

    report = AsJson() if as_json else AsText()
    with resolve(load_settings()) as addresses:
        holds = asyncio.run(_verify(addresses.system, tenant, report))
    raise typer.Exit(0 if holds else 1)


async def _verify(url: str, tenant: str | None, report: "Reporter") -> bool:
    """Check one ledger after the other, and tell of each when it is checked: a fault in one leaves the others' verdicts alone."""
    from cli.ledgers import ledgers
    from projections.verify import verify as checked
    from runtime.pools import connect

    async with connect(url, name="gesta verify") as conn:
        meant = await ledgers(conn, tenant, headless=True)
    holds, left = True, meant
    while left:
        async with connect(url, name="gesta verify") as conn:
            while left:
                ledger, *left = left
                try:
                    verdict = await checked(conn, ledger.tenant_id)
                except Exception as error:  # whatever keeps this one from being checked, the others are
                    report.unchecked(ledger, f"{type(error).__name__}: {' '.join(str(error).split())}")
                    holds = False
                    break  # the connection may be in the middle of something
                report.checked(ledger, verdict)
                holds = holds and verdict.holds
    report.done(holds)
    return holds


class Reporter(Protocol):
    def checked(self, ledger: "Ledger", verdict: "Verdict") -> None: ...
    def unchecked(self, ledger: "Ledger", why: str) -> None: ...
    def done(self, holds: bool) -> None: ...


class AsText:
    def checked(self, ledger: "Ledger", verdict: "Verdict") -> None:
        behind = verdict.events - verdict.position
        lag = f", tables behind by {behind}" if behind > 0 else ""
        lines = [f"{ledger.name}: {verdict.events} events{lag}: {'holds' if verdict.holds else 'BROKEN'}"]
        lines += [f"  {skip}" for skip in verdict.comparison.skipped]
        for check, sentences in verdict.broken.items():
            lines += [f"  {check}: {sentence}" for sentence in sentences[:SHOWN]]
            if len(sentences) > SHOWN:
                lines.append(f"  {check}: and {len(sentences) - SHOWN} more")
        print("\n".join(lines), flush=True)

    def unchecked(self, ledger: "Ledger", why: str) -> None:
        print(f"{ledger.name}: COULD NOT BE CHECKED: {why}", flush=True)

    def done(self, holds: bool) -> None:
        pass


class AsJson:
    """One document, written ledger by ledger."""

    def __init__(self) -> None:
        self._begun = False

    def checked(self, ledger: "Ledger", verdict: "Verdict") -> None:
        self._add(
            ledger,
            {
                "holds": verdict.holds,
                "events": verdict.events,
                "position": verdict.position,
                "rows": verdict.comparison.rows,
                "broken": verdict.broken,
                "skipped": [{**skip._asdict(), "skipped_at": skip.skipped_at.isoformat()} for skip in verdict.comparison.skipped],
            },
        )

    def unchecked(self, ledger: "Ledger", why: str) -> None:
        self._add(ledger, {"holds": False, "unchecked": why})

    def done(self, holds: bool) -> None:
        print(f'{"" if self._begun else _OPENING}\n], "holds": {json.dumps(holds)}}}', flush=True)

    def _add(self, ledger: "Ledger", found: dict[str, Any]) -> None:
        print("," if self._begun else _OPENING)
        print(json.dumps({"tenant": ledger.name, "tenant_id": str(ledger.tenant_id), **found}), end="", flush=True)
        self._begun = True


_OPENING = '{"tenants": ['

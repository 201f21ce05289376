"""``gesta verify``: what must always hold."""

import asyncio
import json
from collections.abc import Sequence
from random import SystemRandom
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol
from uuid import UUID

import typer

from cli.ledgers import TenantOption

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from cli.ledgers import Ledger
    from projections.verify import Verdict

SHOWN = 20
"""Sentences printed for each check that failed."""


def verify(
    tenant: TenantOption = None,
    sample: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT", help="Read ledgers chosen by chance with so many of all events in a hundred.", min=0, max=100
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that the ledger is in order and the tables agree with it. Exit code 0: all holds, 1: something is broken.

    With --sample, for cron: ledgers that are not chosen are looked over without being read, and the report says what was covered.
    """
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    report = AsJson() if as_json else AsText()
    with resolve(load_settings()) as addresses:
        holds = asyncio.run(_verify(addresses.system, tenant, report, sample))
    raise typer.Exit(0 if holds else 1)


async def _verify(url: str, tenant: str | None, report: "Reporter", percent: float | None = None) -> bool:
    """Check one ledger after the other, and tell of each when it is checked: a fault in one leaves the others' verdicts alone."""
    from cli.ledgers import ledgers
    from projections.verify import look_over
    from projections.verify import verify as checked
    from runtime.pools import connect

    async with connect(url, name="gesta verify") as conn:
        meant = await ledgers(conn, tenant, headless=True)
        chosen, covered = await _chosen(conn, meant, percent)
    holds, left = True, meant
    while left:
        async with connect(url, name="gesta verify") as conn:
            while left:
                ledger, *left = left
                try:
                    check = checked if chosen is None or ledger.tenant_id in chosen else look_over
                    verdict = await check(conn, ledger.tenant_id)
                except Exception as error:  # whatever keeps this one from being checked, the others are
                    report.unchecked(ledger, f"{type(error).__name__}: {' '.join(str(error).split())}")
                    holds = False
                    break  # the connection may be in the middle of something
                report.checked(ledger, verdict)
                holds = holds and verdict.holds
    report.done(holds, covered)
    return holds


class Covered(NamedTuple):
    """What a sample read."""

    ledgers: int
    of_ledgers: int
    events: int
    of_events: int


async def _chosen(
    conn: "AsyncConnection[Any]", meant: "Sequence[Ledger]", percent: float | None
) -> tuple[set[UUID] | None, Covered | None]:
    """The ledgers to read; None: all."""
    from projections.verify import sample
    from store.reading import heads

    if percent is None:
        return None, None
    lengths = {tenant_id: head.position for tenant_id, head in (await heads(conn)).items()}
    known = {ledger.tenant_id: lengths.get(ledger.tenant_id, 0) for ledger in meant}
    chosen = sample(known, percent, SystemRandom())
    return chosen, Covered(len(chosen), len(known), sum(known[each] for each in chosen), sum(known.values()))


class Reporter(Protocol):
    def checked(self, ledger: "Ledger", verdict: "Verdict") -> None: ...
    def unchecked(self, ledger: "Ledger", why: str) -> None: ...
    def done(self, holds: bool, covered: Covered | None) -> None: ...


class AsText:
    def checked(self, ledger: "Ledger", verdict: "Verdict") -> None:
        behind = verdict.events - verdict.position
        lag = f", tables behind by {behind}" if behind > 0 else ""
        read = "" if verdict.folded else ", looked over"
        lines = [f"{ledger.name}: {verdict.events} events{lag}{read}: {'holds' if verdict.holds else 'BROKEN'}"]
        lines += [f"  {skip}" for skip in verdict.comparison.skipped]
        for check, sentences in verdict.broken.items():
            lines += [f"  {check}: {sentence}" for sentence in sentences[:SHOWN]]
            if len(sentences) > SHOWN:
                lines.append(f"  {check}: and {len(sentences) - SHOWN} more")
        print("\n".join(lines), flush=True)

    def unchecked(self, ledger: "Ledger", why: str) -> None:
        print(f"{ledger.name}: COULD NOT BE CHECKED: {why}", flush=True)

    def done(self, _holds: bool, covered: Covered | None) -> None:
        if covered is not None:
            print(
                f"Read: {covered.ledgers} of {covered.of_ledgers} ledgers, {covered.events} of {covered.of_events} events. "
                "The others were looked over."
            )


class AsJson:
    """One document, written ledger by ledger."""

    def __init__(self) -> None:
        self._begun = False

    def checked(self, ledger: "Ledger", verdict: "Verdict") -> None:
        self._add(
            ledger,
            {
                "holds": verdict.holds,
                "read": verdict.folded,
                "events": verdict.events,
                "position": verdict.position,
                "rows": verdict.comparison.rows,
                "broken": verdict.broken,
                "skipped": [{**skip._asdict(), "skipped_at": skip.skipped_at.isoformat()} for skip in verdict.comparison.skipped],
            },
        )

    def unchecked(self, ledger: "Ledger", why: str) -> None:
        self._add(ledger, {"holds": False, "unchecked": why})

    def done(self, holds: bool, covered: Covered | None) -> None:
        sample = "" if covered is None else f', "sample": {json.dumps(covered._asdict())}'
        print(f'{"" if self._begun else _OPENING}\n], "holds": {json.dumps(holds)}{sample}}}', flush=True)

    def _add(self, ledger: "Ledger", found: dict[str, Any]) -> None:
        print("," if self._begun else _OPENING)
        print(json.dumps({"tenant": ledger.name, "tenant_id": str(ledger.tenant_id), **found}), end="", flush=True)
        self._begun = True


_OPENING = '{"tenants": ['

"""``gesta verify``: what must always hold."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random, SystemRandom
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol
from uuid import UUID

import typer

from cli.ledgers import TenantOption

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from cli.ledgers import Ledger
    from projections.sampled import Sampled
    from projections.verify import OfStreams, Verdict

SHOWN = 20
"""Sentences printed for each check that failed."""


def verify(
    tenant: TenantOption = None,
    sample: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT",
            help="Read so many of all events in a hundred: some ledgers, and of each that is too long for that some streams.",
            min=0,
            max=100,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="With --sample: the same sample as one that had this seed.", min=0)] = None,
    within: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="With --sample: begin no more streams after that.", min=0)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that the ledger is in order and the tables agree with it. Exit code 0: all holds, 1: something is broken.

    With --sample, for cron: ledgers that are not chosen are looked over without being read, and the report says what was covered,
    and by which seed it was chosen.
    """
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    if sample is None and (seed is not None or within is not None):
        raise typer.BadParameter("Only a sample has that.", param_hint="--seed" if seed is not None else "--within")
    report = AsJson() if as_json else AsText()
    wanted = None if sample is None else Wanted(sample, SystemRandom().randrange(1 << 31) if seed is None else seed, within)
    with resolve(load_settings()) as addresses:
        holds = asyncio.run(_verify(addresses.system, tenant, report, wanted))
    raise typer.Exit(0 if holds else 1)


class Wanted(NamedTuple):
    """A sample."""

    percent: float
    seed: int
    within: float | None


async def _verify(url: str, tenant: str | None, report: "Reporter", wanted: Wanted | None = None) -> bool:
    """Check one ledger after the other, and tell of each when it is checked: a fault in one leaves the others' verdicts alone."""
    from cli.ledgers import ledgers
    from projections.verify import look_over
    from projections.verify import verify as checked
    from runtime.pools import connect

    async with connect(url, name="gesta verify") as conn:
        meant = await ledgers(conn, tenant, headless=True)
        chosen = None if wanted is None else await _chosen(conn, meant, wanted)
    holds, left = True, meant
    while left:
        async with connect(url, name="gesta verify") as conn:
            while left:
                ledger, *left = left
                try:
                    if chosen is None or ledger.tenant_id in chosen.whole:
                        verdict = await checked(conn, ledger.tenant_id)
                    else:
                        verdict = await look_over(conn, ledger.tenant_id, chosen.in_part.get(ledger.tenant_id))
                    if chosen is not None:
                        chosen.count(verdict)
                except Exception as error:  # whatever keeps this one from being checked, the others are
                    report.unchecked(ledger, f"{type(error).__name__}: {' '.join(str(error).split())}")
                    holds = False
                    break  # the connection may be in the middle of something
                report.checked(ledger, verdict)
                holds = holds and verdict.holds
    report.done(holds, None if chosen is None else chosen.covered)
    return holds


@dataclass
class Covered:
    """What a sample read: ledgers whole, and streams of others; and so many events of both."""

    seed: int
    of_ledgers: int
    of_events: int
    ledgers: int = 0
    streams: int = 0
    events: int = 0


@dataclass
class Chosen:
    """Ledgers that are read whole, those of which some streams are, and what was read so far."""

    whole: set[UUID]
    in_part: "dict[UUID, OfStreams]"
    covered: Covered

    def count(self, verdict: "Verdict") -> None:
        if verdict.folded:
            self.covered.ledgers += 1
            self.covered.events += verdict.events
        elif verdict.sampled is not None:
            self.covered.streams += verdict.sampled.streams
            self.covered.events += verdict.sampled.events


async def _chosen(conn: "AsyncConnection[Any]", meant: "Sequence[Ledger]", wanted: Wanted) -> Chosen:
    from projections.verify import OfStreams, sample
    from store.reading import heads

    lengths = {tenant_id: head.position for tenant_id, head in (await heads(conn)).items()}
    known = {ledger.tenant_id: lengths.get(ledger.tenant_id, 0) for ledger in meant}
    end = None if wanted.within is None else monotonic() + wanted.within
    some = OfStreams(wanted.percent, wanted.seed, lambda: end is not None and monotonic() >= end)
    whole, in_part = sample(known, wanted.percent, Random(wanted.seed))
    return Chosen(whole, dict.fromkeys(in_part, some), Covered(wanted.seed, len(known), sum(known.values())))


class Reporter(Protocol):
    def checked(self, ledger: "Ledger", verdict: "Verdict") -> None: ...
    def unchecked(self, ledger: "Ledger", why: str) -> None: ...
    def done(self, holds: bool, covered: Covered | None) -> None: ...


class AsText:
    def checked(self, ledger: "Ledger", verdict: "Verdict") -> None:
        behind = verdict.events - verdict.position
        lag = f", tables behind by {behind}" if behind > 0 else ""
        read = "" if verdict.folded else ", looked over" if verdict.sampled is None else f", {_streams(verdict.sampled)}"
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
                f"Read: {covered.ledgers} of {covered.of_ledgers} ledgers, and {covered.streams} streams of others: "
                f"{covered.events} of {covered.of_events} events (--seed {covered.seed}). The others were looked over."
            )


def _streams_json(sampled: "Sampled") -> dict[str, int]:
    return {"read": sampled.streams, "of": sampled.of_streams, "too_long": sampled.too_long, "events": sampled.events}


def _streams(sampled: "Sampled") -> str:
    left = f" ({sampled.too_long} more are too long)" if sampled.too_long else ""
    return f"{sampled.streams} of {sampled.of_streams} streams read{left}"


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
                **({} if verdict.sampled is None else {"streams": _streams_json(verdict.sampled)}),
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
        sample = "" if covered is None else f', "sample": {json.dumps(asdict(covered))}'
        print(f'{"" if self._begun else _OPENING}\n], "holds": {json.dumps(holds)}{sample}}}', flush=True)

    def _add(self, ledger: "Ledger", found: dict[str, Any]) -> None:
        print("," if self._begun else _OPENING)
        print(json.dumps({"tenant": ledger.name, "tenant_id": str(ledger.tenant_id), **found}), end="", flush=True)
        self._begun = True


_OPENING = '{"tenants": ['

"""``gesta what-if``: finished executions played through another version of their workflow, or another approval rule."""

import asyncio
import json
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from cli.moments import moment

if TYPE_CHECKING:
    from cli.trying.cases import Ledgers, Wanted
    from cli.trying.report import Totals
    from cli.trying.versions import Versions

TenantOption = Annotated[str, typer.Option("--tenant", metavar="SLUG", help="The tenant's slug or id.")]

SECONDS = 0.5
READ_ONLY = "SET default_transaction_read_only = on"
"""So that nothing is written whatever is wrong here."""


def what_if(
    tenant: TenantOption,
    execution_id: Annotated[
        list[UUID] | None, typer.Argument(metavar="EXECUTION_ID...", help="Finished executions; else those of a workflow.")
    ] = None,
    workflow: Annotated[
        str | None, typer.Option(help="Finished executions of the workflow with this key, the latest first.")
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option("--from", parser=moment, metavar="TIME", help="Only those that began at this time (RFC 3339) or later."),
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", parser=moment, metavar="TIME", help="Only those that began before this time.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many of them.", min=1)] = 1_000,
    version: Annotated[int | None, typer.Option(help="Play them through this version.", min=1)] = None,
    definition: Annotated[
        str | None, typer.Option(metavar="FILE", help="Play them through the definition in this file, as it would be published.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NODE.FIELD=VALUE",
            help='A field of a node is otherwise: approve.rule={"type": "multiple", "count": 2}, or @FILE; may be repeated.',
        ),
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="The node OLD is called NEW there; may be repeated.")
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE=OUTCOME", help="What a node comes to where the record says nothing more; may be repeated."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="What is asked for otherwise than it was is undecided, not answered as it was.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, an execution each, the summary last.")] = False,
) -> None:
    """Play finished executions through another version of their workflow: where would they have gone another way?

    What came from outside is taken from the record: answers, decisions, events, failures. What follows from it is
    decided anew. Nothing is called, nobody is asked, nothing is written. With neither --version nor --definition each
    is played through its own version, with what --set says. Exit code 0: all go the same way, 1: some do not, or it
    cannot be said of some, 2: wrong usage.
    """
    from pathlib import Path

    from cli.trying.cases import Wanted
    from cli.trying.versions import Setting, Versions, assumption, read, renaming
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    if version is not None and definition is not None:
        raise typer.BadParameter("Give a version or a definition, not both.", param_hint="--definition")
    given = None if definition is None else read(Path(definition), "--definition")
    key = workflow or (given.get("key") if isinstance(given, dict) and not execution_id else None)
    if bool(execution_id) == (key is not None):
        raise typer.BadParameter("Name executions, or the --workflow whose executions are meant.", param_hint="--workflow")
    if execution_id and (start or end):
        raise typer.BadParameter("--from and --to go with --workflow.", param_hint="--from")
    if rename and version is None and definition is None:
        raise typer.BadParameter("In its own version a node is called as it was.", param_hint="--rename")
    names = dict(map(renaming, rename or ()))
    versions = Versions(version, given, tuple(map(Setting.parse, settings or ())), names)
    if start is not None and end is not None and start >= end:
        raise typer.BadParameter("--to is not later than --from.", param_hint="--to")
    wanted = Wanted(tuple(execution_id or ()), key, start, end, limit)
    playing = Playing(versions, wanted, dict(map(assumption, assume or ())), strict=strict, as_json=as_json)
    with resolve(load_settings()) as addresses:
        totals = asyncio.run(playing.run(addresses.system, tenant))
    raise typer.Exit(0 if totals.same else 1)


class Playing:
    def __init__(self, versions: "Versions", wanted: "Wanted", assume: dict[str, Any], *, strict: bool, as_json: bool) -> None:
        self.versions, self.wanted, self.assume = versions, wanted, assume
        self.strict, self.as_json = strict, as_json
        self.shown, self.told_at = 0, time.monotonic()

    async def run(self, url: str, tenant: str) -> "Totals":
        from cli.ledgers import ledgers
        from cli.trying.cases import Ledgers
        from cli.trying.report import Totals, lines
        from runtime.pools import connect
        from store.reading import head

        totals = Totals()
        async with connect(url, name="gesta what-if") as conn:
            await conn.execute(READ_ONLY)
            (ledger,) = await ledgers(conn, tenant)
            found = await head(conn, ledger.tenant_id)
            reading = Ledgers(conn, ledger, 0 if found is None else found.position)
            await self._check(reading)
            await reading.know_people()
            await self._cases(reading, totals)
        about = {"tenant": ledger.name, "workflow": self.wanted.workflow, "through": self.versions.words}
        summary = totals.as_json(about)
        print(json.dumps({"summary": summary}, ensure_ascii=False) if self.as_json else "\n".join(lines(summary)), flush=True)
        return totals

    async def _check(self, reading: "Ledgers") -> None:
        """Before anything is played: whether there is what is asked for."""
        if self.wanted.workflow is None:
            unknown = await reading.unknown(self.wanted.ids)
            if unknown is not None:
                raise typer.BadParameter(f"There is no execution {unknown}.", param_hint="EXECUTION_ID")
            return
        workflow_id = await reading.workflow(self.wanted.workflow)
        if workflow_id is None:
            raise typer.BadParameter(f"There is no workflow {self.wanted.workflow}.", param_hint="--workflow")
        workflow = await reading.workflow_of(workflow_id)
        reading.check(self.versions, workflow)
        self.versions.check_assumed(workflow, self.assume)

    async def _cases(self, reading: "Ledgers", totals: "Totals") -> None:
        from cli.trying.report import MOST_LINES, case_lines, described

        number = 0
        async for id in self._ids(reading):
            if self.wanted.workflow is not None and number == self.wanted.limit:
                totals.more = True
                break
            number += 1
            self._tell(number)
            case = await reading.case(id, self.versions, strict=self.strict, assume=self.assume)
            told = described(case)
            totals.add(told)
            if self.as_json:
                print(json.dumps(told, ensure_ascii=False), flush=True)
            elif self.shown < MOST_LINES:
                found = list(case_lines(told, reading.people))
                self.shown += bool(found)
                for line in found:
                    print(line, flush=True)
                if self.shown == MOST_LINES:
                    print("  … (--json tells all of them)", flush=True)

    def _tell(self, number: int) -> None:
        """How many are done, to somebody who looks."""
        now = time.monotonic()
        if sys.stderr.isatty() and now - self.told_at > SECONDS:
            self.told_at = now
            print(f"\r{number:,} executions\x1b[K\r", end="", file=sys.stderr, flush=True)

    async def _ids(self, reading: "Ledgers") -> "Any":
        if self.wanted.workflow is None:
            for id in self.wanted.ids:
                yield id
            return
        async for id in reading.finished(self.wanted):
            yield id

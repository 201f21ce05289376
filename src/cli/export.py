"""``gesta export``: tables, the ledger, and logs for process mining, as files."""

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from cli.choices import ActivityNames, Format, People, Shown
from cli.ledgers import OneTenantOption
from cli.moments import moment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cli.ledgers import Ledger
    from projections.exporting.ledger import Part
    from projections.exporting.tables import Exported
    from projections.process_log.cases import Reading, Selection
    from projections.process_log.entries import Kind
    from runtime.pools import Connection

app = typer.Typer(help="Tables, the ledger, and logs for process mining, as files.", no_args_is_help=True)

FormatOption = Annotated[Format, typer.Option("--format", help="Parquet needs the extra “arrow”.")]
ToOption = Annotated[
    Path,
    typer.Option(
        "--to", metavar="PATH", help="A new directory; of one table a new file (.gz: compressed), or - for standard output."
    ),
]


@app.command()
def tables(
    tenant: OneTenantOption,
    to: ToOption,
    table: Annotated[
        list[str] | None, typer.Option("--table", metavar="NAME", help="Only this table or view; may be repeated.")
    ] = None,
    views: Annotated[bool, typer.Option("--views", help="All views as well.")] = False,
    format: FormatOption = Format.CSV,
    within: Annotated[
        float, typer.Option(metavar="SECONDS", help="Give up after so many seconds: a held snapshot slows down the job queue.")
    ] = 600,
) -> None:
    """Write a tenant's tables, all as of one position, with a manifest.json that says which, and what is in the files.

    Values are exact. The directory has its name when everything is in it; nothing that is there already is overwritten.
    """
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    _require_format(to, format)
    with resolve(load_settings()) as addresses:
        asyncio.run(_tables(addresses.system, addresses.api, tenant, to, table or [], format, within, views=views))


async def _tables(
    system: str, api: str, tenant: str, to: Path, names: list[str], format: Format, seconds: float, *, views: bool
) -> None:
    from cli.ledgers import ledgers
    from domain.wording import plural
    from projections.exporting.tables import Wanted, export
    from runtime.pools import connect

    async with connect(system, name="gesta export") as connection:
        (ledger,) = await ledgers(connection, tenant)
    wanted = Wanted(ledger.tenant_id, ledger.name, tuple(names), format.value, views, seconds)
    async with connect(api, name="gesta export") as connection:
        manifest = await export(connection, wanted, to, _told)
    print(f"{ledger.name} as of position {manifest['position']}: {plural(len(manifest['tables']), 'file')}", file=sys.stderr)


def _told(exported: "Exported") -> None:
    print(f"  {exported.table:<28}{exported.rows:>12} rows{exported.bytes:>14} bytes", file=sys.stderr, flush=True)


@app.command()
def events(
    tenant: OneTenantOption,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="A new file (.gz: compressed), or - for standard output.")],
    format: FormatOption = Format.JSONL,
    after: Annotated[int, typer.Option(help="Only events after this position: where an export before has ended.", min=0)] = 0,
    until: Annotated[int | None, typer.Option(help="Only events up to this position.", min=0)] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option("--topic", metavar="TOPIC", help="Only these, as execution.started or execution.*; may be repeated."),
    ] = None,
    stream: Annotated[
        UUID | None, typer.Option("--stream", metavar="ID", help="Only the events of this stream (the id of a resource).")
    ] = None,
) -> None:
    """Write a tenant's ledger, an event a line or row, without secrets. It says at which position the next export goes on."""
    from projections.exporting.ledger import Part
    from runtime.addresses import resolve
    from runtime.settings import load_settings
    from store.topics import UnknownTopic

    _require_format(to, format)
    try:
        part = Part(UUID(int=0), after, until, tuple(topic or ()), stream)
    except UnknownTopic as error:
        raise typer.BadParameter(f"There is no topic {error.topic}.", param_hint="--topic") from None
    with resolve(load_settings()) as addresses:
        asyncio.run(_events(addresses.system, tenant, part, to, format))


def _require_format(to: Path, format: Format) -> None:
    """A file that is called by one format and has another misleads whoever opens it."""
    called = to.with_suffix("").suffix if to.suffix == ".gz" else to.suffix
    if called in {f".{each.value}" for each in Format} and called != f".{format.value}":
        raise typer.BadParameter(f"{to} would be {format.value}: say --format {called[1:]}.", param_hint="--format")


async def _events(system: str, tenant: str, part: "Part", to: Path, format: Format) -> None:
    from dataclasses import replace

    from cli.ledgers import ledgers
    from projections.exporting.files import new_file
    from projections.exporting.ledger import export
    from runtime.pools import connect
    from store.reading import head

    async with connect(system, name="gesta export") as connection:
        (ledger,) = await ledgers(connection, tenant)
        end = await head(connection, ledger.tenant_id)
        if end is None or part.after > end.position:
            end_at = 0 if end is None else end.position
            raise typer.BadParameter(f"The ledger of {ledger.name} ends at position {end_at}.", param_hint="--after")
        with new_file(to) as file:
            found = await export(connection, replace(part, tenant_id=ledger.tenant_id), format.value, file)
    told = {"tenant": ledger.name, "events": found.events, "position": found.position, "bytes": file.bytes, "sha256": file.sha256}
    print(json.dumps(told), file=sys.stderr)


WorkflowOption = Annotated[
    str | None, typer.Option("--workflow", metavar="KEY", help="Only executions of the workflow with this key.")
]
SinceOption = Annotated[
    datetime | None,
    typer.Option("--since", parser=moment, metavar="TIME", help="Only what began at this time (RFC 3339) or later."),
]
UntilOption = Annotated[
    datetime | None, typer.Option("--until", parser=moment, metavar="TIME", help="Only what began before this time.")
]
ActivityOption = Annotated[
    ActivityNames, typer.Option("--activity", help="Activities are called after the nodes' names, or ids.")
]
PeopleOption = Annotated[People, typer.Option("--people", help="How people are called; id: nobody is named.")]
OnlyOption = Annotated[list[Shown] | None, typer.Option("--only", help="Only events of this kind; may be repeated.")]


@app.command()
def xes(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, .xes or .xes.gz, or - for standard output.")],
    tenant: OneTenantOption,
    workflow: WorkflowOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    activity: ActivityOption = ActivityNames.NAME,
    people: PeopleOption = People.NAME,
    only: OnlyOption = None,
) -> None:
    """Write executions as a log for process mining, in XES: one trace for each, people and agents in it."""
    from projections.exporting.files import STDOUT, new_file
    from projections.process_log.cases import Reading
    from projections.process_log.xes import write

    if file != STDOUT and not file.name.endswith((".xes", ".xes.gz")):
        raise typer.BadParameter("The file's name ends in .xes or .xes.gz, or is -.", param_hint="FILE")

    async def written(reading: Reading, name: str) -> str:
        with new_file(file) as made:
            found = await write(reading, made, workflow or name, _kinds(only))
        return f"{found.traces} traces, {found.events} events"

    _log(tenant, _selection(workflow, since, until, activity, people), written)


@app.command()
def ocel(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, .sqlite, .json or .json.gz.")],
    tenant: OneTenantOption,
    workflow: WorkflowOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    activity: ActivityOption = ActivityNames.NAME,
    people: PeopleOption = People.NAME,
    only: OnlyOption = None,
) -> None:
    """Write an object-centric log, in OCEL 2.0: executions, approval requests, AI tasks, people and models in one.

    Without --workflow, requests and AI tasks that belong to no execution are in it as well.
    """
    from projections.process_log.cases import Reading
    from projections.process_log.ocel import write

    if not file.name.endswith((".sqlite", ".json", ".json.gz")):
        raise typer.BadParameter("The file's name ends in .sqlite, .json or .json.gz.", param_hint="FILE")

    async def written(reading: Reading, _name: str) -> str:
        found = await write(reading, file, _kinds(only))
        return f"{found.objects} objects, {found.events} events"

    _log(tenant, _selection(workflow, since, until, activity, people, alone=True), written)


def _selection(
    workflow: str | None,
    since: datetime | None,
    until: datetime | None,
    activity: ActivityNames,
    people: People,
    *,
    alone: bool = False,
) -> "Selection":
    from projections.process_log.cases import Selection

    if since is not None and until is not None and since >= until:
        raise typer.BadParameter("--until is not later than --since.", param_hint="--until")
    return Selection(UUID(int=0), workflow, since, until, people.value, activity.value, alone)


def _kinds(only: list[Shown] | None) -> "frozenset[Kind] | None":
    return frozenset(each.value for each in only) if only else None


def _log(tenant: str, selected: "Selection", write: "Callable[[Reading, str], Awaitable[str]]") -> None:
    """`write`: is told what the tenant is called, and says what it has written."""
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses:
        asyncio.run(_written(addresses.system, tenant, selected, write))


async def _require_workflow(connection: "Connection", ledger: "Ledger", selected: "Selection") -> None:
    """A key that nothing has would make an empty log."""
    from projections.process_log.cases import is_workflow

    if selected.workflow is not None and not await is_workflow(connection, ledger.tenant_id, selected.workflow):
        raise typer.BadParameter(f"There is no workflow {selected.workflow} in {ledger.name}.", param_hint="--workflow")


async def _written(system: str, tenant: str, selected: "Selection", write: "Callable[[Reading, str], Awaitable[str]]") -> None:
    from dataclasses import replace

    from cli.ledgers import ledgers
    from projections.process_log.cases import Reading
    from runtime.pools import connect

    async with connect(system, name="gesta export") as connection:
        (ledger,) = await ledgers(connection, tenant)
        reading = await Reading.begin(connection, replace(selected, tenant_id=ledger.tenant_id))
        await _require_workflow(connection, ledger, selected)
        written = await write(reading, ledger.name)
    print(f"{ledger.name} up to position {reading.position}: {written}", file=sys.stderr)

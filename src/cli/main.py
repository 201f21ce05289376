"""The ``gesta`` command: composes the other rooms, and says in one line what is in the way.

Every sub-command imports what it needs when it runs, so that help and completion answer at once. A new group of commands
is a module with a ``typer.Typer`` named ``app`` and a line below; a single command is a function and a line below.

Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

import sys

import typer

from cli import (
    ai,
    analyst,
    api,
    db,
    diff,
    doctor,
    evaluate,
    events,
    export,
    generations,
    jobs,
    key,
    member,
    projector,
    prompt,
    push,
    replay,
    secrets,
    tables,
    tenant,
    up,
    verify,
    what_if,
    worker,
    workflow,
)
from runtime import process
from runtime.errors import OperatorError

app = typer.Typer(
    name="gesta",
    help="An event-sourced backend for workflows in which people approve and AI agents work.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command(name="up")(up.up)
app.command(name="api")(api.api)
app.command(name="projector")(projector.projector)
app.command(name="worker")(worker.worker)
app.command(name="replay")(replay.replay)
app.command(name="rebuild")(generations.rebuild)
app.command(name="diff")(diff.diff)
app.command(name="verify")(verify.verify)
app.command(name="what-if")(what_if.what_if)
app.command(name="doctor")(doctor.doctor)
db.app.command(name="erd")(tables.erd)
db.app.command(name="dbt")(tables.dbt)
app.command(name="eval")(evaluate.evaluate)
db.app.command(name="push")(push.push)
app.add_typer(db.app, name="db")
app.add_typer(tenant.app, name="tenant")
app.add_typer(member.app, name="member")
app.add_typer(key.app, name="key")
app.add_typer(analyst.app, name="analyst")
app.add_typer(workflow.app, name="workflow")
app.add_typer(prompt.app, name="prompt")
app.add_typer(events.app, name="events")
app.add_typer(export.app, name="export")
app.add_typer(ai.app, name="ai")
projector.app.command(name="rebuild", help="The same as gesta rebuild.")(generations.rebuild)
projector.app.command(name="drop-old")(generations.drop_old)
app.add_typer(projector.app, name="projections")
app.add_typer(jobs.app, name="jobs")
app.add_typer(secrets.app, name="secrets")


def show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("gesta"))
        raise typer.Exit


@app.callback()
def options(
    _version: bool = typer.Option(False, "--version", help="Print the version and exit.", callback=show_version, is_eager=True),
) -> None:
    """Options before any command."""


def main() -> None:
    """Run the command line of this process."""
    process.tune()
    try:
        app()
    except OperatorError as error:
        print(f"gesta: {error}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if (missing := _missing(error)) is None:
            raise
        print(f"gesta: The database is not one that this version can work on ({missing}): run gesta db migrate.", file=sys.stderr)
        sys.exit(1)


def _missing(error: Exception) -> str | None:
    """What a database that was not migrated, or not by this release, has not."""
    from psycopg.errors import InvalidSchemaName, UndefinedFunction, UndefinedTable

    if not isinstance(error, InvalidSchemaName | UndefinedFunction | UndefinedTable):
        return None
    return error.diag.message_primary or str(error)


if __name__ == "__main__":
    main()

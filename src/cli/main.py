"""The ``gesta`` command: composes the other rooms, and says in one line what is in the way.

Every sub-command imports what it needs when it runs, so that help and completion answer at once. A new group of commands
is a module with a ``typer.Typer`` named ``app`` and a line in COMMANDS; a single command is a function and a line there.

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
from runtime.errors import OperatorError, WrongUsage

app = typer.Typer(
    name="gesta",
    help="An event-sourced backend for workflows in which people approve and AI agents work.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
COMMANDS = (
    (
        "Run it",
        (
            ("up", up.up),
            ("api", api.api),
            ("projector", projector.projector),
            ("worker", worker.worker),
            ("doctor", doctor.doctor),
        ),
    ),
    (
        "Set it up",
        (
            ("tenant", tenant.app),
            ("member", member.app),
            ("key", key.app),
            ("analyst", analyst.app),
            ("secrets", secrets.app),
            ("db", db.app),
        ),
    ),
    (
        "From files, over HTTP",
        (
            ("workflow", workflow.app),
            ("prompt", prompt.app),
            ("eval", evaluate.evaluate),
        ),
    ),
    (
        "Look into it",
        (
            ("events", events.app),
            ("diff", diff.diff),
            ("what-if", what_if.what_if),
            ("ai", ai.app),
            ("export", export.app),
        ),
    ),
    (
        "See that it is right, and put it right",
        (
            ("verify", verify.verify),
            ("replay", replay.replay),
            ("rebuild", generations.rebuild),
            ("projections", projector.app),
            ("jobs", jobs.app),
        ),
    ),
)
"""What there is, as the help shows it: under each heading names, each with a command or a group of commands."""

for heading, under in COMMANDS:
    for called, what in under:
        if isinstance(what, typer.Typer):
            app.add_typer(what, name=called, rich_help_panel=heading)
        else:
            app.command(name=called, rich_help_panel=heading)(what)
db.app.command(name="erd")(tables.erd)
db.app.command(name="dbt")(tables.dbt)
db.app.command(name="push")(push.push)
projector.app.command(name="rebuild", help="The same as gesta rebuild.")(generations.rebuild)
projector.app.command(name="drop-old")(generations.drop_old)


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
        sys.exit(2 if isinstance(error, WrongUsage) else 1)
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

"""``gesta db``: the database's schema, and ways into it."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import studio

if TYPE_CHECKING:
    from runtime.addresses import Addresses

app = typer.Typer(help="The database: migrations, drift, backups, connections.", no_args_is_help=True)
app.command(name="studio")(studio.studio)


class DatabaseRole(StrEnum):
    """Whose address or session is wanted."""

    owner = "owner"
    system = "system"
    api = "api"
    analyst = "analyst"


RoleOption = Annotated[DatabaseRole, typer.Option("--role", help="The role to connect as.")]


@app.command()
def migrate() -> None:
    """Apply the migrations that are pending, and the functions that have changed."""
    from runtime import functions, migrations
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    known = migrations.load()
    with resolve(load_settings()) as addresses, migrations.owner_connection(addresses.owner) as connection:
        applied = migrations.migrate(connection, known, functions.load())
    for each in applied:
        print(f"applied      {each}")
    if not applied:
        print(f"Nothing to do: all migrations are applied, up to {known[-1]}.")


@app.command()
def rollback(
    to: Annotated[int | None, typer.Option(help="Roll back every migration above this number; 0 rolls back all.", min=0)] = None,
) -> None:
    """Take back the last migration, or all above a number. What their tables held is lost."""
    from runtime import migrations
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    known = migrations.load()
    with resolve(load_settings()) as addresses, migrations.owner_connection(addresses.owner) as connection:
        undone = migrations.rollback(connection, known, to)
    for migration in undone:
        print(f"rolled back  {migration}")
    if not undone:
        print("Nothing to do.")


@app.command()
def status() -> None:
    """Show which migrations and functions are applied, and since when."""
    from runtime import functions, migrations
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses, migrations.owner_connection(addresses.owner) as connection:
        statuses = migrations.status(connection, migrations.load())
        of_functions = functions.status(functions.history(connection), functions.load())
    for what, applied_at in [*((each.migration, each.applied_at) for each in statuses), *of_functions]:
        since = applied_at.isoformat(" ", "seconds") if applied_at else "pending"
        print(f"{since:<27}{what}")


ExceptOption = Annotated[
    list[str] | None, typer.Option("--except", metavar="SCHEMA", help="Leave out a schema, such as a replay's; may be repeated.")
]


@app.command()
def check(
    but_not: ExceptOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare the database's schema with what the migrations make. Exit code 0: equal, 1: it has drifted."""
    import json
    from dataclasses import asdict

    from runtime import functions, migrations
    from runtime.drift import both_sides
    from runtime.settings import load_settings

    sides = both_sides(load_settings(), migrations.load(), but_not or (), functions.load())
    drifts = sides.drifts()
    if as_json:
        print(json.dumps({"equal": not drifts, "drifts": [asdict(drift) for drift in drifts]}, indent=2))
    else:
        for drift in drifts:
            print(drift)
        print(f"{len(drifts)} differences." if drifts else f"Equal: all {len(sides.expected)} facts are as the migrations say.")
    raise typer.Exit(1 if drifts else 0)


@app.command()
def generate(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The migration's name: lower-case letters, digits and underscores.")
    ] = "drafted",
    directory: Annotated[
        Path | None, typer.Option("--to", help="Where to write it; default: with the others.", file_okay=False, exists=True)
    ] = None,
    but_not: ExceptOption = None,
) -> None:
    """Draft the next migration from what was changed in the database by hand. Exit code 1: there is more to write yourself."""
    import re

    from runtime import functions, migrations
    from runtime.drift import both_sides, draft
    from runtime.errors import OperatorError
    from runtime.settings import load_settings

    if re.fullmatch(r"[a-z0-9_]+", name) is None:
        raise typer.BadParameter("lower case letters, digits and underscores", param_hint="NAME")
    known = migrations.load()
    sides = both_sides(load_settings(), known, but_not or (), functions.load())
    if sides.pending:
        raise OperatorError(f"{sides.pending[0]} is pending: apply it (gesta db migrate) before drafting the next.")
    up, down = draft(sides.expected, sides.found), draft(sides.found, sides.expected)
    if not (up.statements or up.undrafted):
        print("Nothing to draft: the database is what the migrations say.")
        return
    for direction, half in (("up", up), ("down", down)):
        path = (directory or migrations.DIRECTORY) / f"{len(known) + 1:04}_{name}.{direction}.sql"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(half.text)
        except OSError as error:
            raise OperatorError(f"{path} cannot be written: {error.strerror}.") from error
        print(f"drafted      {path}")
    undrafted = sorted({*up.undrafted, *down.undrafted})
    for kind, what in undrafted:
        print(f"NOT drafted  {kind} {what}")
    raise typer.Exit(1 if undrafted else 0)


@app.command()
def seed() -> None:
    """Register this version's permissions, and finish tenants whose creation was cut short."""
    import asyncio

    from cli.preparing import seed as seed_platform
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses:
        for slug in asyncio.run(seed_platform(addresses)):
            print(f"finished     tenant {slug}")
    print("The platform knows this version's permissions.")


TenantOption = Annotated[str | None, typer.Option("--tenant", metavar="SLUG", help="With --role analyst: whose analyst.")]


@app.command()
def url(
    role: RoleOption = DatabaseRole.owner,
    tenant: TenantOption = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="With --role analyst: the analyst.")] = None,
) -> None:
    """Print the address of the database. The embedded one answers there while something keeps it up (``gesta up``)."""
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses:
        print(_address(addresses, role, tenant, name))


PsqlRole = Annotated[
    DatabaseRole | None, typer.Option("--role", help="The role to connect as. Default: owner, or with --tenant api.")
]
PsqlTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="SLUG", help="Whose rows are seen; with --role analyst: whose analyst it is.")
]
WITHOUT_PROMPT = re.compile(r"-[a-zA-Z0-9]*[cflV?].*|--(command|file|list|version|help)\b.*")
"""Arguments with which psql asks nobody."""


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context, role: PsqlRole = None, tenant: PsqlTenant = None) -> None:
    """Open psql on the database; further arguments are psql's (``gesta db psql --tenant acme -c 'TABLE workflows'``).

    Row-level security shows the owner no rows of the projected tables: with --tenant it is a session that sees this tenant's,
    with --role system one that sees everybody's.

    As an analyst, the name comes first (``gesta db psql --role analyst --tenant acme ann``); psql asks for the password where the
    server does.
    """
    from runtime.addresses import resolve
    from runtime.postgres.binaries import find_binaries
    from runtime.settings import load_settings

    settings = load_settings()
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C at psql's prompt is psql's
    program = find_binaries(settings.postgres_bin).program("psql")
    role = role or (DatabaseRole.owner if tenant is None else DatabaseRole.api)
    if tenant is not None and role in (DatabaseRole.owner, DatabaseRole.system):
        raise typer.BadParameter(
            f"goes with --role api or analyst: it changes nothing of what {role} sees", param_hint="--tenant"
        )
    name, arguments = (context.args[0], context.args[1:]) if role == "analyst" and context.args else (None, context.args)
    environment = dict(os.environ)
    with resolve(settings) as addresses:
        if role is DatabaseRole.api and tenant is not None:
            seeing = asyncio.run(_seeing(addresses.system, tenant))
            url, environment["PGOPTIONS"] = addresses.api, f"{environment.get('PGOPTIONS', '')} {seeing}".strip()
        else:
            url = _address(addresses, role, tenant, name)
        notice = hidden(role, tenant)
        if notice is not None and sys.stdin.isatty() and not any(WITHOUT_PROMPT.fullmatch(each) for each in arguments):
            print(notice, file=sys.stderr)
        # Not replaced by psql: the embedded server stays up as long as this process does.
        ended = subprocess.run([program, *arguments, "--dbname", url], env=environment, check=False)
    raise typer.Exit(min(ended.returncode, 1))


async def _seeing(url: str, tenant: str) -> str:
    """The settings of a session of the API's login that sees one tenant's rows."""
    from cli.ledgers import ledgers
    from runtime.pools import connect

    async with connect(url, name="gesta db psql") as connection:
        (ledger,) = await ledgers(connection, tenant)
    return f"-c gesta.tenant_id={ledger.tenant_id} -c search_path=projections,pg_catalog"


def hidden(role: DatabaseRole, tenant: str | None) -> str | None:
    """What to say before tables look as if they were empty."""
    if tenant is not None or role not in (DatabaseRole.owner, DatabaseRole.api):
        return None
    who = "The owner sees no rows" if role is DatabaseRole.owner else "No tenant is set, so there are no rows"
    return f"{who} in the tables of projections: --tenant SLUG shows a tenant's, --role system everybody's."


def _address(addresses: "Addresses", role: DatabaseRole, tenant: str | None, name: str | None) -> str:
    if role is not DatabaseRole.analyst:
        if tenant is not None or name is not None:
            raise typer.BadParameter("goes with --role analyst", param_hint="--tenant" if tenant else "NAME")
        return str(getattr(addresses, role))
    if tenant is None or name is None:
        raise typer.BadParameter("an analyst is named: --role analyst --tenant SLUG NAME", param_hint="--role")
    from cli.analyst import address

    return address(addresses, tenant, name)


FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The file.", dir_okay=False)]


@app.command()
def backup(file: FileArgument) -> None:
    """Write the whole database to a new file, as of one moment, while everything goes on."""
    from runtime import backups
    from runtime.addresses import resolve
    from runtime.postgres.binaries import find_binaries
    from runtime.settings import load_settings

    settings = load_settings()
    with resolve(settings) as addresses:
        made = backups.backup(addresses.owner, find_binaries(settings.postgres_bin), file)
    print(f"Backed up {made.events} events of {made.ledgers} ledgers: {file}, {made.size} bytes.")


@app.command()
def restore(file: FileArgument) -> None:
    """Fill an empty database from a backup, all of it or nothing. Positions that clients hold from before are told apart."""
    from runtime import backups
    from runtime.addresses import resolve
    from runtime.postgres.binaries import find_binaries
    from runtime.settings import load_settings

    settings = load_settings()
    with resolve(settings) as addresses:
        made = backups.restore(addresses.owner, find_binaries(settings.postgres_bin), file)
    print(f"Restored {made.events} events of {made.ledgers} ledgers. gesta db migrate, gesta verify and gesta doctor come next.")

"""``gesta db``: the database's schema, and ways into it."""

import signal
import subprocess
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(help="The database: migrations and ways in.", no_args_is_help=True)


class Role(StrEnum):
    """Whose address or session is wanted."""

    owner = "owner"
    system = "system"
    api = "api"


RoleOption = Annotated[Role, typer.Option("--role", help="As whom.")]


@app.command()
def migrate() -> None:
    """Apply the migrations that are pending."""
    from runtime import migrations
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    known = migrations.load()
    with resolve(load_settings()) as addresses, migrations.owner_connection(addresses.owner) as connection:
        applied = migrations.migrate(connection, known)
    for migration in applied:
        print(f"applied      {migration}")
    if not applied:
        print(f"Nothing to do: {known[-1]} is the last, and it is applied.")


@app.command()
def rollback(
    to: Annotated[int | None, typer.Option(help="Take back everything above this number; 0 is everything.", min=0)] = None,
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
    """Show which migrations are applied, and since when."""
    from runtime import migrations
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses, migrations.owner_connection(addresses.owner) as connection:
        standings = migrations.status(connection, migrations.load())
    for standing in standings:
        since = standing.applied_at.isoformat(" ", "seconds") if standing.applied_at else "pending"
        print(f"{since:<27}{standing.migration}")


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


@app.command()
def url(role: RoleOption = Role.owner) -> None:
    """Print the address of the database. The embedded one answers there while something keeps it up (``gesta up``)."""
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses:
        print(getattr(addresses, role))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context, role: RoleOption = Role.owner) -> None:
    """Open psql on the database; further arguments are psql's (``gesta db psql -c 'SELECT 1'``)."""
    from runtime.addresses import resolve
    from runtime.postgres.binaries import find_binaries
    from runtime.settings import load_settings

    settings = load_settings()
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C at psql's prompt is psql's
    program = find_binaries(settings.postgres_bin).program("psql")
    with resolve(settings) as addresses:
        # Not replaced by psql: the embedded server stays up as long as this process does.
        ended = subprocess.run([program, *context.args, "--dbname", getattr(addresses, role)], check=False)
    raise typer.Exit(min(ended.returncode, 1))

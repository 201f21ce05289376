"""``gesta tenant``: tenants, from the operator's side."""

import asyncio
from typing import Annotated

import typer

app = typer.Typer(help="Tenants.", no_args_is_help=True)


@app.command()
def create(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="A short name: lower-case letters, digits, hyphens.")],
    name: Annotated[str | None, typer.Option(help="The name for people; default: the slug.")] = None,
) -> None:
    """Create a tenant with its ledger and its roles, and print its id. A tenant cut short is finished."""
    from cli.preparing import opened, refused
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    async def run() -> str:
        from api import provisioning
        from domain.envelope import PLATFORM
        from domain.facts import Refusal
        from runtime.errors import OperatorError
        from store.command import Command

        async with opened(addresses) as (handler, connection):
            try:
                command = Command(PLATFORM, "tenant.create", provisioning.SYSTEM, resource="tenant")
                done = await provisioning.create_tenant(handler, connection, command, {"slug": slug, "name": name or slug})
                return str(done.result["id"])
            except Refusal as refusal:
                existing = await handler.lookup(PLATFORM, "tenant.slug", slug)
                if existing is None:
                    raise refused(refusal, slug) from None
                await provisioning.open_tenant(handler, connection, existing)
                raise OperatorError(f"The tenant {slug} exists already: {existing}") from None

    with resolve(load_settings()) as addresses:
        print(asyncio.run(run()))


LISTED = "SELECT slug, id, is_active, name FROM projections.tenants ORDER BY slug"


@app.command(name="list")
def list_tenants() -> None:
    """Show the tenants: slug, id, name."""
    from runtime.addresses import resolve
    from runtime.pools import connect
    from runtime.settings import load_settings

    async def run() -> None:
        async with connect(addresses.system, name="gesta tenant list") as connection:
            for slug, id, active, name in await (await connection.execute(LISTED)).fetchall():
                print(f"{slug:<24}{id}  {name}{'' if active else '  (suspended)'}")

    with resolve(load_settings()) as addresses:
        asyncio.run(run())

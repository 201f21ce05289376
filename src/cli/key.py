"""``gesta key``: API keys, from the operator's side. How the first key of all is made."""

import asyncio
from typing import Annotated

import typer

app = typer.Typer(help="API keys.", no_args_is_help=True)


@app.command()
def create(
    tenant: Annotated[str | None, typer.Option(metavar="SLUG", help="The tenant the key belongs to.")] = None,
    platform: Annotated[bool, typer.Option("--platform", help="A key for all tenants: each request names one.")] = False,
    user: Annotated[str | None, typer.Option(metavar="EMAIL", help="The member it acts for; default: none, a service.")] = None,
    permission: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A permission; may be repeated; default: all.")
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "command line",
) -> None:
    """Create a key and print it. It is shown this once."""
    if platform == (tenant is not None):
        raise typer.BadParameter("give either --tenant SLUG or --platform")
    if platform and user:
        raise typer.BadParameter("a platform key belongs to nobody", param_hint="--user")

    from cli.preparing import opened, refused, tenant_named
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    async def run() -> str:
        from api import provisioning
        from domain.envelope import PLATFORM
        from domain.facts import Refusal
        from domain.keys import KeyRequest
        from domain.permission import PERMISSIONS
        from runtime.errors import WrongUsage

        async with opened(addresses) as (handler, _connection):
            ledger = PLATFORM if tenant is None else await tenant_named(handler, tenant)
            user_id = None if user is None else await handler.lookup(PLATFORM, "user.email", user.lower())
            if user is not None and user_id is None:
                raise WrongUsage(f"There is no user {user}.")
            wanted = KeyRequest(name, tuple(permission or PERMISSIONS), user_id)
            try:
                return (await provisioning.create_key_as_operator(handler, ledger, wanted)).token
            except Refusal as refusal:
                raise refused(refusal) from None

    with resolve(load_settings()) as addresses:
        print(asyncio.run(run()))

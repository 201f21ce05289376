"""``gesta member``: the people of a tenant, from the operator's side. A tenant's own people invite others over HTTP."""

import asyncio
from typing import Annotated

import typer

app = typer.Typer(help="Members of a tenant.", no_args_is_help=True)


@app.callback()
def member() -> None:
    """Members, with the platform's authority."""


@app.command()
def add(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Their address; a user is registered where it has none.")],
    tenant: Annotated[str, typer.Option(metavar="SLUG", help="The tenant.")],
    role: Annotated[list[str], typer.Option(metavar="KEY", help="A role, as owner or approver; may be repeated.")],
    name: Annotated[str | None, typer.Option(help="Their name; default: the address up to the @.")] = None,
) -> None:
    """Make somebody a member at once, without an invitation, and print their user id. It is on record that the platform did."""
    from cli.preparing import opened, refused, tenant_named
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    async def run() -> str:
        from api import provisioning
        from domain.facts import Refusal

        async with opened(addresses) as (handler, connection):
            ledger = await tenant_named(handler, tenant)
            called = name or email.partition("@")[0]
            try:
                return str(await provisioning.add_member_as_operator(handler, connection, ledger, email, called, role))
            except Refusal as refusal:
                raise refused(refusal) from None

    with resolve(load_settings()) as addresses:
        print(asyncio.run(run()))

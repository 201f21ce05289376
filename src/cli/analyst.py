"""``gesta analyst``: logins to the database that see one tenant's rows, for people who query its tables with SQL."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.moments import moment

if TYPE_CHECKING:
    from uuid import UUID

    from domain.facts import Refusal
    from runtime.addresses import Addresses
    from runtime.pools import Connection
    from store.handler import Handler

T = TypeVar("T")

app = typer.Typer(help="Analysts: logins to the database that see one tenant's rows.", no_args_is_help=True)

TenantOption = Annotated[str, typer.Option("--tenant", metavar="SLUG", help="The tenant whose rows are seen.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Who it is, or what for: a short name in lower case.")]
ExpiresOption = Annotated[
    datetime | None,
    typer.Option("--expires", parser=moment, metavar="MOMENT", help="When it ends, as 2027-01-31 or with a time (UTC)."),
]


@app.command()
def create(
    name: NameArgument,
    tenant: TenantOption,
    expires: ExpiresOption = None,
    connections: Annotated[int, typer.Option(help="How many sessions it may have at a time.")] = 3,
    statement_seconds: Annotated[int, typer.Option(help="How long a statement may take.")] = 60,
    idle_seconds: Annotated[int, typer.Option(help="How long a transaction may be idle.")] = 30,
    transaction_seconds: Annotated[int, typer.Option(help="How long a transaction may last.")] = 300,
) -> None:
    """Create a login and print its password. It is shown this once."""

    async def run(handler: "Handler", connection: "Connection", tenant_id: "UUID") -> tuple[str, str]:
        from api import analysts
        from domain.analyst import AnalystLimits

        limits = AnalystLimits(connections, statement_seconds, idle_seconds, transaction_seconds)
        made = await analysts.create(handler, connection, tenant_id, name, limits, expires)
        return made.login, made.password

    _print_login(tenant, run)


@app.command()
def rotate(name: NameArgument, tenant: TenantOption, expires: ExpiresOption = None) -> None:
    """Give it another password, print that, and end its sessions. After a restore on another server it makes the login anew."""

    async def run(handler: "Handler", connection: "Connection", tenant_id: "UUID") -> tuple[str, str]:
        from api import analysts

        await _login_of(handler, tenant_id, tenant, name)
        made = await analysts.rotate(handler, connection, tenant_id, name, expires)
        return made.login, made.password

    _print_login(tenant, run)


@app.command()
def drop(name: NameArgument, tenant: TenantOption) -> None:
    """End its sessions and drop its login."""
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    async def run(handler: "Handler", connection: "Connection", tenant_id: "UUID") -> str:
        from api import analysts

        await _login_of(handler, tenant_id, tenant, name)
        return await analysts.drop(handler, connection, tenant_id, name)

    with resolve(load_settings()) as addresses:
        print(f"dropped      {_with_tenant(addresses, tenant, run)}")


@app.command(name="list")
def list_analysts(tenant: TenantOption) -> None:
    """Show who has a login, until when, and its limits."""
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    async def run(handler: "Handler", connection: "Connection", tenant_id: "UUID") -> list[str]:
        from api import analysts

        lines = []
        for one in await analysts.known(handler, connection, tenant_id):
            limits = one.state.limits
            until = "" if one.expires_at is None else f"  until {one.expires_at.astimezone(UTC):%Y-%m-%d %H:%M}Z"
            missing = "" if one.has_role else "  (the server has no such role: rotate makes it)"
            bounds = f"{limits.connections} sessions, {limits.statement_seconds} s a statement"
            bounds = f"{bounds}, {limits.transaction_seconds} s a transaction"
            lines.append(f"{one.state.name:<24}{one.login}  {bounds}{until}{missing}")
        return lines

    with resolve(load_settings()) as addresses:
        for line in _with_tenant(addresses, tenant, run):
            print(line)


def address(addresses: "Addresses", tenant: str, name: str) -> str:
    """Where an analyst connects, without a password."""

    async def run(handler: "Handler", _connection: "Connection", tenant_id: "UUID") -> str:
        return await _login_of(handler, tenant_id, tenant, name)

    return _address(addresses, _with_tenant(addresses, tenant, run))


async def _login_of(handler: "Handler", tenant_id: "UUID", tenant: str, name: str) -> str:
    from domain.analyst import ANALYST, analyst_id_of
    from runtime.errors import WrongUsage

    state, _ = await handler.read(tenant_id, ANALYST, analyst_id_of(tenant_id, name))
    if state.login is None:
        raise WrongUsage(f"{tenant} has no analyst {name}.")
    return state.login


def _print_login(tenant: str, run: "Callable[[Handler, Connection, UUID], Awaitable[tuple[str, str]]]") -> None:
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses:
        login, password = _with_tenant(addresses, tenant, run)
        print(f"login        {login}")
        print(f"password     {password}")
        print(f'connect      psql "{_address(addresses, login)}"')


def _address(addresses: "Addresses", login: str) -> str:
    """By a direct connection: a pooler knows nothing of the login."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    parameters = conninfo_to_dict(addresses.listen)
    parameters.pop("password", None)
    return make_conninfo("", **{**parameters, "user": login})


def _with_tenant(addresses: "Addresses", tenant: str, run: "Callable[[Handler, Connection, UUID], Awaitable[T]]") -> T:
    """What `run` comes to for a tenant. What is refused, and what the database's owner may not do, is told in a line."""
    from psycopg.errors import InsufficientPrivilege

    from cli.preparing import opened, refused, tenant_named
    from domain.facts import Refusal
    from runtime.errors import OperatorError

    async def with_handler() -> T:
        async with opened(addresses) as (handler, connection):
            tenant_id = await tenant_named(handler, tenant)
            try:
                return await run(handler, connection, tenant_id)
            except Refusal as refusal:
                raise refused(refusal, _option_of(refusal)) from None
            except InsufficientPrivilege as error:
                raise OperatorError(
                    f"gesta_owner may not make logins ({error.diag.message_primary}): ALTER ROLE gesta_owner CREATEROLE, then "
                    "gesta analyst rotate."
                ) from None

    return asyncio.run(with_handler())


def _option_of(refusal: "Refusal") -> str | None:
    """That is at fault, where it is one."""
    option = (refusal.path or "").removeprefix("/").removesuffix("_at").replace("_", "-")
    return None if option in ("", "name") else f"--{option}"

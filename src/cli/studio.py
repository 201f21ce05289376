"""``gesta db studio``: the tables of a tenant in a browser, with one command."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

if TYPE_CHECKING:
    from api.provisioning import CreatedKey
    from runtime.addresses import Addresses
    from runtime.pools import Connection
    from runtime.settings import Settings
    from store.handler import Handler

HOST = "127.0.0.1"
VALID_HOURS = 8
NAME = "gesta db studio"
TENANTS = "SELECT name FROM runtime.claims WHERE tenant_id = %s AND scope = 'tenant.slug' ORDER BY name LIMIT 20"


def studio(
    tenant: Annotated[str | None, typer.Option(metavar="SLUG", help="Whose tables; may be left out where there is one.")] = None,
    port: Annotated[int, typer.Option(help="The port on this machine; 0: a free one.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option("--open", help="Open the address in the browser.")] = False,
) -> None:
    """Show a tenant's tables in a browser, until Ctrl-C. The address that it prints is good once; then it prints another."""
    import uvloop

    from runtime import master_keys
    from runtime.addresses import resolve
    from runtime.log import configure_logging
    from runtime.settings import load_settings

    settings = load_settings()
    master_keys.make_own(settings)
    configure_logging("WARNING" if settings.log_level == "INFO" else settings.log_level, settings.log_format)
    with resolve(settings) as addresses:
        uvloop.run(_run(settings, addresses, tenant, port, browser))


async def _run(settings: "Settings", addresses: "Addresses", slug: str | None, port: int, browser: bool) -> None:
    from api.app import create_app
    from api.handing_over import Handover
    from api.server import bind, serve
    from cli.preparing import opened, seed_if_migrated
    from runtime import master_keys
    from runtime.errors import OperatorError
    from runtime.pools import check_logins
    from runtime.schema import refuse_older

    keys = master_keys.load(settings)
    if keys is None:
        raise OperatorError("GESTA_MASTER_KEY is not set: the login by which the studio's queries run has its password from it.")
    await check_logins(addresses.system, addresses.api, listen=addresses.listen)
    await refuse_older(addresses.system)
    await seed_if_migrated(addresses)
    sock = bind(HOST, port)
    sock.listen()  # whoever follows the address at once waits for the moment that the rest takes
    url = f"http://{HOST}:{sock.getsockname()[1]}"
    app = create_app(addresses, pool_size=4, master_keys=keys)
    async with opened(addresses) as (handler, connection):
        name, ledger = await tenant_of(handler, connection, slug)
        async with _key(handler, ledger) as key, _projecting(addresses):
            handover = Handover(key.token, lambda: print(f"Opened. To open it once more: {handover.address(url)}", flush=True))
            handover.serve(app)
            print(f"The tables of {name}: {handover.address(url)}", flush=True)
            print("Ctrl-C closes the studio, and revokes its key.", flush=True)
            if browser:
                import webbrowser

                webbrowser.open(handover.address(url))
            await serve(app, [sock])


async def tenant_of(handler: "Handler", connection: "Connection", slug: str | None) -> tuple[str, UUID]:
    """Raises OperatorError: there is none, or it has to be named."""
    from cli.preparing import tenant_named
    from domain.envelope import PLATFORM
    from runtime.errors import OperatorError, WrongUsage

    if slug is None:
        names = [name for (name,) in await (await connection.execute(TENANTS, (PLATFORM,))).fetchall()]
        if not names:
            raise OperatorError("There is no tenant yet: gesta tenant create SLUG makes one.")
        if len(names) > 1:
            raise WrongUsage(f"Name one of the tenants with --tenant: {', '.join(names)}.")
        slug = names[0]
    return slug, await tenant_named(handler, slug)


@asynccontextmanager
async def _key(handler: "Handler", ledger: UUID) -> "AsyncIterator[CreatedKey]":
    """A key that reads, and changes nothing: on record, for some hours, and revoked when the page is closed down."""
    from datetime import UTC, datetime, timedelta

    from api.provisioning import create_key_as_operator, revoke_key_as_operator
    from domain.keys import KeyRequest
    from domain.permission import PERMISSIONS

    reading = tuple(name for name in PERMISSIONS if name.endswith(":read") or name == "query:run")
    until = datetime.now(UTC) + timedelta(hours=VALID_HOURS)
    key = await create_key_as_operator(handler, ledger, KeyRequest(NAME, reading, expires_at=until))
    try:
        yield key
    finally:
        await revoke_key_as_operator(handler, ledger, key.key_id, "The studio was closed.")


@asynccontextmanager
async def _projecting(addresses: "Addresses") -> AsyncIterator[None]:
    """Keeps the tables current meanwhile, where nobody else does; beside others it takes its share."""
    from projections.projector import Projector
    from runtime.supervision import supervise

    stop = asyncio.Event()
    projector = Projector(addresses.system, listen_url=addresses.listen)
    task = supervise("projector", lambda: projector.run(stop), until=stop)
    try:
        yield
    finally:
        stop.set()
        await task

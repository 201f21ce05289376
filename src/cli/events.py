"""``gesta events``: the ledger itself, as it was written."""

import asyncio
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from pydantic_core import to_json

from cli.ledgers import TenantOption

if TYPE_CHECKING:
    from domain.envelope import RecordedEvent
    from runtime.pools import Connection

app = typer.Typer(help="The events of the ledgers.", no_args_is_help=True)

StreamOption = Annotated[UUID | None, typer.Option("--stream", help="Only the events of this thing (its id).")]
AfterOption = Annotated[int, typer.Option("--after", help="Only events after this position.", min=0)]

PORTION = 500
LATEST = 20
LOOK_AGAIN_SECONDS = 10.0
SECRETS = frozenset({"secret_hash"})


@app.command()
def show(tenant: TenantOption = None, stream: StreamOption = None, after: AfterOption = 0) -> None:
    """Print events in their order, one JSON object a line."""
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses:
        asyncio.run(_show(addresses.system, tenant, stream, after))


@app.command()
def tail(
    tenant: TenantOption = None,
    stream: StreamOption = None,
    after: Annotated[int | None, typer.Option("--after", help="Begin after this position, not with the latest.", min=0)] = None,
) -> None:
    """Print the latest events, and then each new one as it is recorded, until interrupted."""
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses, suppress(KeyboardInterrupt):
        asyncio.run(_tail(addresses.system, addresses.listen, tenant, stream, after))


async def _show(url: str, tenant: str | None, stream: UUID | None, after: int) -> None:
    from cli.ledgers import ledgers
    from runtime.pools import connect

    async with connect(url, name="gesta events") as conn:
        for ledger in await ledgers(conn, tenant):
            await _print_after(conn, ledger.tenant_id, stream, after)


async def _tail(url: str, listen_url: str, tenant: str | None, stream: UUID | None, after: int | None) -> None:
    from cli.ledgers import ledgers
    from runtime.pools import connect
    from store.reading import heads

    async with connect(url, name="gesta events") as conn, connect(listen_url, name="gesta events (listening)") as listening:
        await listening.execute("LISTEN gesta_events")
        chosen = await ledgers(conn, tenant)
        tops = await heads(conn)
        seen = {one.tenant_id: max(tops[one.tenant_id].position - LATEST, 0) if after is None else after for one in chosen}
        while True:
            for tenant_id, position in seen.items():
                seen[tenant_id] = await _print_after(conn, tenant_id, stream, position)
            async for _ in listening.notifies(timeout=LOOK_AGAIN_SECONDS, stop_after=1):
                pass


async def _print_after(conn: "Connection", tenant_id: UUID, stream: UUID | None, after: int) -> int:
    """Print what a ledger has after a position; the last position seen."""
    from store.reading import read_ledger

    while records := await read_ledger(conn, tenant_id, after, PORTION):
        for record in records:
            if stream is None or record.stream_id == stream:
                print(line(record), flush=True)
        after = records[-1].position
    return after


def line(record: "RecordedEvent") -> str:
    """An event as one line of JSON; secrets are left out."""
    shown = {
        "tenant_id": record.tenant_id,
        "position": record.position,
        "topic": record.topic,
        "stream_id": record.stream_id,
        "version": record.version,
        "occurred_at": record.occurred_at,
        "recorded_at": record.recorded_at,
        "command_id": record.command_id,
        "envelope": {name: value for name, value in asdict(record.envelope).items() if value is not None},
        "data": {name: value for name, value in asdict(record.event).items() if name not in SECRETS},
    }
    return to_json(shown).decode()

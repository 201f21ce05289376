"""``gesta events``: the ledger itself, as it was written; and, folded, what it made of a thing event by event."""

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from pydantic_core import from_json, to_json

from cli.ledgers import TenantOption

if TYPE_CHECKING:
    from domain.envelope import RecordedEvent
    from runtime.pools import Connection

app = typer.Typer(help="The events of the ledgers.", no_args_is_help=True)

StreamOption = Annotated[
    UUID | None, typer.Option("--stream", metavar="ID", help="Only the events of this stream (the id of a resource).")
]
AfterOption = Annotated[int, typer.Option("--after", help="Only events after this position.", min=0)]
FoldOption = Annotated[bool, typer.Option("--fold", help="Show what each event changed in the state; needs --stream.")]

BATCH = 500
LATEST = 20
SECRETS = frozenset({"secret_hash"})


@app.command()
def show(tenant: TenantOption = None, stream: StreamOption = None, after: AfterOption = 0, fold: FoldOption = False) -> None:
    """Print events in their order, one JSON object a line; or, with --fold, what each of them changed.

    Folded, + is what came into the state, - what is gone, ~ what is another: before → after.
    """
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    if fold and stream is None:
        raise typer.BadParameter("--fold shows the state of one stream: name it with --stream.", param_hint="--stream")
    with resolve(load_settings()) as addresses:
        asyncio.run(_show(addresses.system, tenant, stream, after, fold))


@app.command()
def tail(
    tenant: TenantOption = None,
    stream: StreamOption = None,
    after: Annotated[
        int | None, typer.Option("--after", help="Begin after this position; default: with the latest.", min=0)
    ] = None,
) -> None:
    """Print the latest events, and then each new one as it is recorded, until interrupted."""
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    with resolve(load_settings()) as addresses, suppress(KeyboardInterrupt):
        asyncio.run(_tail(addresses.system, addresses.listen, tenant, stream, after))


async def _show(url: str, tenant: str | None, stream: UUID | None, after: int, fold: bool) -> None:
    from cli.ledgers import ledgers
    from runtime.pools import connect
    from store.reading import read_stream

    async with connect(url, name="gesta events") as conn:
        for ledger in await ledgers(conn, tenant):
            if stream is None:
                await _print_after(conn, ledger.tenant_id, None, after)
                continue
            records = await read_stream(conn, ledger.tenant_id, stream, also_unread=True)
            if fold:
                _print_folded(records, after)
            else:
                _print([record for record in records if record.position > after])


async def _tail(url: str, listen_url: str, tenant: str | None, stream: UUID | None, after: int | None) -> None:
    from cli.ledgers import ledgers
    from runtime.pools import connect
    from store.notifications.channels import EVENTS
    from store.notifications.listening import Notifications
    from store.notifications.waking import wait
    from store.reading import heads

    grown = asyncio.Event()
    notifications = Notifications(listen_url, "gesta events (listening)", (EVENTS,))
    with notifications.subscribed(EVENTS, lambda _tenant_id: grown.set(), grown.set):
        async with connect(url, name="gesta events") as conn, notifications.listening():
            tops = await heads(conn)
            seen = {of: max(top.position - LATEST, 0) if after is None else after for of, top in tops.items()}
            while True:
                grown.clear()
                for ledger in await ledgers(conn, tenant):  # one that was opened meanwhile is followed from its beginning
                    position = seen.get(ledger.tenant_id, 0)
                    seen[ledger.tenant_id] = await _print_after(conn, ledger.tenant_id, stream, position)
                await wait(grown, None)


async def _print_after(conn: "Connection", tenant_id: UUID, stream: UUID | None, after: int) -> int:
    """Print what a ledger has after a position; the last position seen."""
    from store.reading import read_ledger

    while records := await read_ledger(conn, tenant_id, after, BATCH, also_unread=True):
        _print([record for record in records if stream is None or record.stream_id == stream])
        after = records[-1].position
    return after


def _print(records: "list[RecordedEvent]") -> None:
    for record in records:
        print(line(record), flush=True)


def _print_folded(records: "list[RecordedEvent]", after: int) -> None:
    """The stream is folded from its beginning, and shown from behind a position."""
    from cli.folding import lines
    from store.folded import steps

    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for step in steps(records):
        if step.record.position > after:
            print("\n".join(lines(step, colours=colours)), flush=True)


def line(record: "RecordedEvent") -> str:
    """An event as one line of JSON; secrets are left out."""
    from domain.envelope import Unread

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
        "data": {name: value for name, value in from_json(record.payload).items() if name not in SECRETS},
        **({"unread": record.event.why} if isinstance(record.event, Unread) else {}),
    }
    return to_json(shown).decode()

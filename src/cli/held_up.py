"""What holds up a ledger's tables, for whoever is to decide about it: the event, the error, and where the error arose."""

import getpass
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic_core import to_json

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from cli.ledgers import Ledger
    from domain.envelope import RecordedEvent
    from projections.poison_events import PoisonEvent

LONGEST_DATA = 4096


def operator() -> str | None:
    """The operating system's user; None where it has no name, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None


async def described(conn: "AsyncConnection", ledger: "Ledger") -> list[str]:
    """Lines."""
    from projections.poison_events import read_poison_events, read_trace
    from projections.skipped_events import read_skipped_events

    lines = [f"skipped      {one}" for one in await read_skipped_events(conn, ledger.tenant_id)]
    fault = (await read_poison_events(conn)).get(ledger.tenant_id)
    if fault is None:
        return [*lines, f"{ledger.name}: nothing holds it up."]
    lines += [f"position     {fault.position}", *await _event(conn, ledger.tenant_id, fault.position), *_attempts(fault)]
    trace = await read_trace(conn, fault)
    return [*lines, "", *(trace or "(no trace was kept)").rstrip().splitlines()]


def _attempts(fault: "PoisonEvent") -> list[str]:
    first, last = f"{fault.first_failed_at:%Y-%m-%d %H:%M:%S%z}", f"{fault.failed_at:%Y-%m-%d %H:%M:%S%z}"
    return [
        f"error        {fault.error}",
        f"attempts     {fault.attempts}, from {first} to {last}",
        f"tried again  by a release that knows {fault.topic}"
        if fault.topic is not None
        else f"tried again  at {fault.retry_at:%Y-%m-%d %H:%M:%S%z}, or by gesta projections retry",
    ]


async def _event(conn: "AsyncConnection", tenant_id: UUID, position: int) -> list[str]:
    from store.reading import read_ledger

    found = await read_ledger(conn, tenant_id, position - 1, 1, up_to=position, also_unread=True)
    return _told(found[0]) if found else ["event        there is none at this position, and there are later ones"]


def _told(record: "RecordedEvent") -> list[str]:
    from projections.audit_logs import payload
    from projections.events_told import unread

    data = to_json(payload(record)).decode()
    cut = data if len(data) <= LONGEST_DATA else f"{data[:LONGEST_DATA]} … ({len(data)} characters)"
    return [
        f"topic        {record.topic}",
        f"recorded at  {record.recorded_at.isoformat()}",
        f"stream       {record.stream_id}, version {record.version}",
        f"command      {record.command_id}",
        f"data         {cut}",
        *(f"unread       {why}" for why in unread(record).values()),
    ]

"""Entries of the audit log on their way to COPY: as the values that it sends."""

from collections.abc import Iterable
from typing import Any

from psycopg import AsyncConnection

from projections.audit_logs import TABLE, Entry, as_address, event_id_bytes, payload_bytes
from projections.copying import JSONB, SENT_AS_BYTES, address_bytes, copy_values, jsonb_bytes, texts_bytes, types_of

Values = tuple[Any, ...]
EMPTY = JSONB + b"{}"
TYPES = [SENT_AS_BYTES if name == "event_id" else kind for name, kind in types_of(TABLE).items()]


def values_of(entry: Entry) -> Values:
    record, metadata = entry.record, entry.about()
    address = record.envelope.ip
    return entry.values(
        event_id_bytes(record.tenant_id.bytes, record.position),
        None if address is None else address_bytes(as_address(address)),
        jsonb_bytes(metadata) if metadata else EMPTY,
        JSONB + payload_bytes(record),
        texts_bytes(entry.tags),
    )


async def copy_entries(conn: AsyncConnection[Any], schema: str, entries: Iterable[Entry]) -> None:
    await copy_values(conn, schema, TABLE, TYPES, map(values_of, entries))

"""One event appended within a transaction that does something else as well: both are there, or neither."""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from domain.envelope import Envelope
from domain.facts import Event
from runtime.errors import OperatorError
from runtime.ids import new_id
from store.append import Entry, NewEvent, read_outcomes, send_append
from store.arrays import teach_columns
from store.codec import JSON, Codec, encode_envelope
from store.side_rows import learn_side_rows
from store.topics import topic_of


async def append_beside(
    conn: AsyncConnection[Any],
    tenant_id: UUID,
    stream_id: UUID,
    event: Event,
    envelope: Envelope,
    now: datetime,
    codec: Codec = JSON,
) -> int:
    """The event's position. The ledger's head is held until the transaction ends: it is to be short. What relies on no state
    only, and is done by people now and then: there is no batching. Raises OperatorError where there is no such ledger."""
    teach_columns(conn)
    await learn_side_rows(conn)
    new = NewEvent(stream_id, topic_of(type(event)), now, codec.encode(event))
    cursor = await send_append(conn, tenant_id, [Entry(new_id(), encode_envelope(envelope), (new,))])
    (outcome,) = await read_outcomes(cursor)
    if outcome.verdict != "appended" or outcome.position is None:
        raise OperatorError(f"It could not be put on record: {outcome.reason or outcome.verdict}.")
    return outcome.position

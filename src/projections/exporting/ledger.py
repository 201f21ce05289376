"""A ledger as CSV, JSON Lines or Parquet: a row for each event, in its order.

It is read page by page up to where it reached at the beginning, without a snapshot: what is behind never changes. So an export
goes on where the one before ended (`after`).
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from pydantic_core import to_json

from domain.envelope import RecordedEvent
from domain.notices import matches
from projections.audit_logs import SECRETS, payload
from projections.exporting.files import Counted
from projections.exporting.parquet import ParquetFile
from projections.exporting.snapshot import Column
from projections.exporting.tables import Format
from projections.exporting.values import csv_line
from runtime.pools import Connection
from store.reading import head, read_ledger
from store.topics import topics_named

PAGE, PAGE_BYTES = 500, 8 << 20
VERSION = re.compile(r"\.v[0-9]+$")
COLUMNS = tuple(
    Column(name, type, comment, required, name == "position")
    for name, type, comment, required in (
        ("position", "bigint", "The event's number in its ledger.", True),
        ("topic", "text", "What kind of event, noun.past.vN.", True),
        ("stream_id", "uuid", "The aggregate that the event belongs to.", True),
        ("version", "bigint", "The event's number in its stream.", True),
        ("occurred_at", "timestamp with time zone", "When it happened in the world.", True),
        ("recorded_at", "timestamp with time zone", "When it was appended.", True),
        ("command_id", "uuid", "The command that caused it.", True),
        ("actor_type", "text", "Who acted: user, api_key, worker, schedule, webhook, event or system.", True),
        ("actor_id", "text", "Which of them.", False),
        ("user_id", "uuid", "The person who acted.", False),
        ("on_behalf_of", "uuid", "For whom.", False),
        ("correlation_id", "uuid", "What belongs together.", False),
        ("causation_id", "uuid", "The event that caused it.", False),
        ("reason", "text", "Why, where it was said.", False),
        ("data", "jsonb", "The event's own fields as they were written, without secrets.", True),
    )
)
Rows: TypeAlias = Sequence[Sequence[Any]]
NAMES = [column.name for column in COLUMNS]


@dataclass(frozen=True)
class Part:
    """Which events of a ledger. `topics`: topics, whatever their version, or their beginnings (`execution.*`); none: all."""

    tenant_id: UUID
    after: int = 0
    until: int | None = None
    topics: Sequence[str] = ()
    stream_id: UUID | None = None

    def __post_init__(self) -> None:
        """Raises UnknownTopic: what means none would be an export of nothing."""
        topics_named(self.topics)

    def has(self, record: RecordedEvent) -> bool:
        if self.stream_id is not None and record.stream_id != self.stream_id:
            return False
        return not self.topics or matches(map(_unversioned, self.topics), _unversioned(record.topic))


def _unversioned(topic: str) -> str:
    return VERSION.sub("", topic)


async def pages(connection: Connection, part: Part) -> AsyncIterator[tuple[list[RecordedEvent], int]]:
    """And up to where each page has looked. `connection`: gesta_system's."""
    end = await head(connection, part.tenant_id)
    up_to = 0 if end is None else end.position if part.until is None else min(part.until, end.position)
    after = part.after
    while records := await read_ledger(
        connection, part.tenant_id, after, PAGE, None, up_to, most_bytes=PAGE_BYTES, also_unread=True
    ):
        after = records[-1].position
        yield [record for record in records if part.has(record)], after


class Found(NamedTuple):
    """How many events there were; and the position up to which there are no others, where the next export goes on."""

    events: int
    position: int


async def export(connection: Connection, part: Part, format: Format, file: Counted) -> Found:
    count, reached = 0, part.after
    with _writing(file, part, format) as write:
        async for records, reached in pages(connection, part):  # noqa: B007  the last one is told
            write([_row(record) for record in records])
            count += len(records)
    return Found(count, reached)


@contextmanager
def _writing(file: Counted, part: Part, format: Format) -> Iterator[Callable[[Rows], None]]:
    if format == "parquet":
        with ParquetFile(file, COLUMNS, {"gesta.tenant_id": str(part.tenant_id)}) as made:
            yield lambda rows: made.write([[_as_text(value) for value in row] for row in rows])
    else:
        yield _csv(file) if format == "csv" else _jsonl(file)


def _row(record: RecordedEvent) -> list[Any]:
    envelope = record.envelope
    return [
        record.position,
        record.topic,
        record.stream_id,
        record.version,
        record.occurred_at,
        record.recorded_at,
        record.command_id,
        envelope.actor_type,
        envelope.actor_id,
        envelope.user_id,
        envelope.on_behalf_of,
        envelope.correlation_id,
        envelope.causation_id,
        envelope.reason,
        _data(record),
    ]


def _data(record: RecordedEvent) -> bytes:
    """As it was written, to the last digit; where there are secrets in it, without them."""
    without = payload(record)
    return to_json(without) if SECRETS & without.keys() else record.payload


def _csv(file: Counted) -> Callable[[Rows], None]:
    file.write(csv_line(NAMES))

    def write(rows: Rows) -> None:
        for row in rows:
            file.write(csv_line([_as_text(value, for_csv=True) for value in row]))

    return write


def _jsonl(file: Counted) -> Callable[[Rows], None]:
    def write(rows: Rows) -> None:
        for *row, data in rows:
            file.write(b'%s,"data":%s}\n' % (to_json(dict(zip(NAMES, row, strict=False)))[:-1], data))

    return write


def _as_text(value: Any, *, for_csv: bool = False) -> Any:
    match value:
        case bytes():
            return value.decode()
        case UUID():
            return str(value)
        case datetime() if for_csv:
            return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
        case int() if for_csv:
            return str(value)
    return value

"""What a projected table is: its columns, its key, and what each event does to its rows.

A table is described in a module of its own, which holds the functions that apply events and, at its end, the `Table`.
Applying is pure: it reads and changes rows in memory (`projections.rows`). The projector loads what a batch touches, applies,
and writes what changed; a replay applies the same functions to an empty memory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from uuid import UUID

from domain.envelope import RecordedEvent
from domain.facts import Event

if TYPE_CHECKING:
    from projections.rows import Rows

Row: TypeAlias = dict[str, Any]
"""A row by column name: UUID, datetime (UTC), int, str, bool, list of str (text[]) or of UUID (uuid[]), JSON values (jsonb),
None. Changed by `projections.rows` alone; what is in it is never mutated."""

Key: TypeAlias = tuple[Any, ...]

Applier: TypeAlias = "Callable[[Rows, RecordedEvent, Any], None]"
"""Called with the rows, the recorded event and, once more with its own type, the event."""


@dataclass(frozen=True)
class Column:
    """One column, all that there is to know of it: SELECTs and the API's document are made of it, and a test holds the database's
    catalog to it (type, nullability, the CHECK on its values, the COMMENT)."""

    type: str
    """As PostgreSQL has it; timestamptz for short."""
    meaning: str
    null: bool = False
    choices: tuple[str, ...] = ()
    """The only values that it has; none: any."""
    listed: bool = True
    """Whether lists show it. What may be large is shown by the single resource alone."""


TENANT_ID = Column("uuid", "The tenant it belongs to.")
STAMP: Mapping[str, Column] = {
    "version": Column("bigint", "Version of the stream whose event touched this row last."),
    "created_at": Column("timestamptz", "When the row's first event was recorded."),
    "updated_at": Column("timestamptz", "When the row's last event was recorded."),
}
"""The columns that every table ends with."""


class Lookup(NamedTuple):
    """The rows in which these columns have these values: the key, or what an index leads to."""

    columns: tuple[str, ...]
    values: Key
    table: str | None = None
    """Where they are another table's, of the same group, which is read when an event is applied."""
    through: str | None = None
    """Where the last value is an execution's id, and the last column names rows that this table has of the execution."""


BY_EXECUTION = ("tenant_id", "execution_id")


def needs_no_rows(_record: RecordedEvent) -> tuple[Lookup, ...]:
    """For tables to which events only add rows, whatever is there."""
    return ()


@dataclass(frozen=True)
class Table:
    name: str
    key: tuple[str, ...]
    """The primary key."""
    columns: Mapping[str, Column]
    """In the order of the table. Named without those of `STAMP`, which are added at its end."""
    appliers: Mapping[type[Event], Applier]
    """What applies each event. Classes that are absent do not concern this table."""
    rows_needed: Callable[[RecordedEvent], tuple[Lookup, ...]] = needs_no_rows
    """The rows that must be at hand before one of these events is applied; may leave out those that it creates."""
    lookups: tuple[tuple[str, ...], ...] = ()
    """Columns that never change by which rows are looked up, beside the whole key. The key begins with them, or an index does."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", {**self.columns, **STAMP})


def row_with_id(record: RecordedEvent, id: UUID) -> Lookup:
    return Lookup(("tenant_id", "id"), (record.tenant_id, id))


def stream_row(record: RecordedEvent) -> Lookup:
    """The row whose id is the event's stream."""
    return row_with_id(record, record.stream_id)


def its_own(record: RecordedEvent) -> tuple[Lookup, ...]:
    """What most tables need of every event: the row of its stream."""
    return (stream_row(record),)

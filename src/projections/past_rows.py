"""Rows as they stood at an earlier position, folded from the events of the streams that make them, and from no others.

A row is made by its own stream, and by those that its events lead to: each table says of every event which rows it needs, and
those rows have streams of their own. The few events of other streams that change a row unasked are named in `ELSEWHERE`. What is
folded shares the functions that apply events with the projector, so that nothing is told in two ways.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from psycopg.rows import tuple_row

from domain.ai_task import AiTaskRequested
from domain.approval import ApprovalRequested
from domain.budget import budgets_id_of
from domain.delegation import delegations_of
from domain.envelope import RecordedEvent, Unread
from domain.execution import ActivationStarted, ActivationWaiting, ExecutionArchived, ExecutionStarted, ItemStarted
from domain.member import MemberAdded, MemberRolesChanged
from domain.totp import totp_of
from projections import archived_rows, workflows
from projections.registry import TABLES
from projections.rows import Rows
from projections.skipped_events import read_skipped_events
from projections.table import Key, Row, Table
from runtime.pools import Connection
from store.past import Ask
from store.reading import decode_all
from store.topics import topics_of

MOST_EVENTS = 20_000
MOST_BYTES = 32 << 20
"""Of events that are folded to answer one question, and their size as they are stored."""
PORTION = 1_000
"""Events that are read, and decoded, at a time."""
STREAMS_AT_ONCE = 500

MEASURE = """
SELECT wanted.stream_id, count(e.position), coalesce(sum(octet_length(e.data)), 0)
  FROM unnest(%(streams)s::uuid[]) AS wanted (stream_id)
 CROSS JOIN LATERAL (
       SELECT s.position, s.data FROM ledger.events s
        WHERE s.tenant_id = %(tenant)s AND s.stream_id = wanted.stream_id AND s.position <= %(up_to)s
          AND (%(topics)s::text[] IS NULL OR s.topic = ANY (%(topics)s::text[]))
        LIMIT %(most)s) e
 GROUP BY wanted.stream_id
"""
READ = """
SELECT e.position, e.stream_id, e.version, e.topic, e.occurred_at, e.recorded_at, e.command_id, e.meta, e.data
  FROM unnest(%(streams)s::uuid[]) AS wanted (stream_id)
  JOIN ledger.events e ON e.tenant_id = %(tenant)s AND e.stream_id = wanted.stream_id
 WHERE e.position > %(after)s AND e.position <= %(up_to)s AND (%(topics)s::text[] IS NULL OR e.topic = ANY (%(topics)s::text[]))
 ORDER BY e.position
 LIMIT %(limit)s
"""
ARCHIVED = """
SELECT e.position, e.stream_id, e.version, e.topic, e.occurred_at, e.recorded_at, e.command_id, e.meta, e.data
  FROM unnest(%(streams)s::uuid[]) AS wanted (stream_id)
 CROSS JOIN LATERAL (
       SELECT s.* FROM ledger.events s
        WHERE s.tenant_id = %(tenant)s AND s.stream_id = wanted.stream_id
        ORDER BY s.version DESC
        LIMIT 1) e
 WHERE e.position <= %(up_to)s AND e.topic = ANY (%(topics)s::text[])
"""
NUMBERS = """
SELECT id, execution_number FROM projections.workflow_executions WHERE tenant_id = %(tenant)s AND id = ANY(%(executions)s::uuid[])
 UNION ALL
SELECT id, execution_number FROM projections.archived_executions WHERE tenant_id = %(tenant)s AND id = ANY(%(executions)s::uuid[])
"""
OF_WORKFLOW = """
SELECT count(*)
  FROM (SELECT tenant_id, id, workflow_id FROM projections.workflow_executions
         UNION ALL
        SELECT tenant_id, id, workflow_id FROM projections.archived_executions) x
  JOIN ledger.events e ON e.tenant_id = x.tenant_id AND e.stream_id = x.id AND e.version = 1 AND e.position <= %(up_to)s
 WHERE x.tenant_id = %(tenant)s AND x.workflow_id = %(workflow)s
"""

OF_ACTIVATION = """
SELECT coalesce(n.item_id, n.execution_id)
  FROM projections.node_activations n
 WHERE n.tenant_id = %(tenant)s AND n.id = %(id)s
"""
PART = "SELECT {owner} FROM projections.{table} WHERE tenant_id = %(tenant)s AND {id} = %(id)s"
PART_OF: Mapping[str, str] = {
    "node_activations": OF_ACTIVATION,
    "execution_waits": OF_ACTIVATION,
    "approval_decisions": PART.format(table="approval_decisions", owner="request_id", id="id"),
    "approval_comments": PART.format(table="approval_comments", owner="request_id", id="id"),
    "ai_agent_attempts": PART.format(table="ai_agent_attempts", owner="task_id", id="id"),
    "evaluation_results": PART.format(table="evaluation_results", owner="evaluation_id", id="task_id"),
    "trigger_runs": PART.format(table="trigger_runs", owner="trigger_id", id="id"),
    "delegations": PART.format(table="delegations", owner="from_user_id", id="id"),
}
"""Where the first column of a key names no stream, or not the only one: the streams of what it is a part of, from the live rows,
which are never taken away but when their execution is archived."""
STARTED_BY = """
SELECT execution_id FROM projections.trigger_runs
 WHERE tenant_id = %(tenant)s AND trigger_id = %(id)s AND execution_id IS NOT NULL
 LIMIT %(most)s
"""

BY_NAME: Mapping[str, Table] = {table.name: table for table in TABLES}
STREAMS = frozenset(
    ("id", "execution_id", "request_id", "task_id", "user_id", "role_id", "workflow_id", "prompt_id", "trigger_id")
) | {"delivery_id", "approval_id", "item_id"}
"""Columns, of keys and lookups, that hold the id of a stream."""
PARTS = frozenset(("node_activations", "approval_decisions", "approval_comments", "ai_agent_attempts", "ai_agent_tool_calls"))
"""Tables whose `id` is no stream's: their rows are parts of what a stream is about."""


def _waited_for(record: RecordedEvent) -> Iterator[UUID]:
    event = record.event
    if isinstance(event, ActivationStarted | ActivationWaiting):
        waits = event.waits if isinstance(event, ActivationStarted) else event.added
        yield from (wait.id for wait in waits if wait.kind in ("approval", "ai_task"))


def _roles_given(record: RecordedEvent) -> Iterator[UUID]:
    if isinstance(record.event, MemberAdded | MemberRolesChanged):
        yield from record.event.role_ids


def _second_factor(record: RecordedEvent) -> Iterator[UUID]:
    if isinstance(record.event, MemberAdded):
        yield totp_of(record.tenant_id, record.stream_id)


def _execution_of(record: RecordedEvent) -> UUID | None:
    """Whose part it begins: with the execution it leaves the tables."""
    event = record.event
    return event.execution_id if isinstance(event, ApprovalRequested | AiTaskRequested | ItemStarted) else None


ELSEWHERE: Mapping[str, Callable[[RecordedEvent], Iterable[UUID]]] = {
    "execution_waits": _waited_for,
    "tenant_user_roles": _roles_given,
    "tenant_users": _second_factor,
}
"""By table: streams that change rows which an event has made, though nothing of it needs them."""


class TooMuch(Exception):
    """More has happened than is folded to answer one question."""


class Unfoldable(Exception):
    """An event that the tables do not get past either, nor does this."""


class NeedTable(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Asked(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        raise NeedTable(name)


class SomeRows(Rows):
    """Of some tables. Where another one turns out to be read it must be folded as well."""

    def __init__(self, tables: Iterable[Table], *, with_numbers: bool) -> None:
        """`with_numbers`: of workflows all that is there is what the next execution is numbered by."""
        super().__init__((*tables, workflows.TABLE) if with_numbers else tables)
        self._tables = _Asked(self._tables)

    def number(self, workflow: Key, number: int) -> None:
        self.of(workflows.NAME).current[workflow] = {"execution_count": number}


class Step(NamedTuple):
    """An event that touched a row. None: it was not there, or is not any more."""

    record: RecordedEvent
    before: Row | None
    after: Row | None


Watched: TypeAlias = tuple[str, Key]


@dataclass
class PastRows:
    """A ledger up to a position, as far as it has been asked for."""

    tenant_id: UUID
    up_to: int
    ask: Ask
    _events: dict[UUID, list[RecordedEvent]] = field(default_factory=dict)
    _known: set[UUID] = field(default_factory=set)
    _ends_known: set[UUID] = field(default_factory=set)
    """Executions of which is known whether they are archived, if nothing else."""
    _numbers: dict[UUID, int] = field(default_factory=dict)
    _skipped: frozenset[int] | None = None
    _left: int = MOST_EVENTS
    _bytes_left: int = MOST_BYTES

    async def rows(self, tables: Collection[str], streams: Iterable[UUID]) -> Rows:
        """The rows of these tables that these streams, and those that they lead to, have made. Raises TooMuch, Unfoldable."""
        rows, _ = await self._folded(tables, streams, None)
        if workflows.NAME in tables:
            table = rows.of(workflows.NAME)
            for row in list(table.each()):
                table.touch(table.key_of(row))["execution_count"] = await self.started(row["id"])
        return rows

    async def steps(self, table: str, key: Key, streams: Iterable[UUID]) -> list[Step]:
        """What each event made of one row. Raises as `rows`."""
        _, steps = await self._folded((table,), streams, (table, key))
        return steps

    async def events(self, stream: UUID) -> list[RecordedEvent]:
        """Of one stream, in their order. Raises TooMuch."""
        await self._know([stream])
        return self._events.get(stream, [])

    async def makers(self, table: str, key: Key) -> set[UUID]:
        """The streams that a row's key leads to. Raises TooMuch."""
        found = set(streams_of(table, zip(BY_NAME[table].key, key, strict=True)))
        id = key[-1] if len(key) == 1 else key[1]
        if table in PART_OF:
            parts = await self._ids(PART_OF[table], id)
            found |= {delegations_of(self.tenant_id, each) for each in parts} if table == "delegations" else parts
        if table == "budgets":
            found.add(budgets_id_of(self.tenant_id))
        if table == "workflow_triggers":
            await self._know(await self._ids(STARTED_BY, id), list(topics_of(ExecutionStarted)))
        return found

    async def _ids(self, statement: str, id: object) -> set[UUID]:
        async def ask(conn: Connection) -> set[UUID]:
            named = {"tenant": self.tenant_id, "id": id, "most": MOST_EVENTS + 1}
            async with conn.cursor(row_factory=tuple_row) as cursor:
                await cursor.execute(statement, named)
                return {row[0] for row in await cursor.fetchall()}

        return await self.ask(ask)

    async def started(self, workflow_id: UUID, up_to: int | None = None) -> int:
        """How many executions of a workflow had been started: there are too many to fold."""

        async def ask(conn: Connection) -> int:
            named = {"tenant": self.tenant_id, "workflow": workflow_id, "up_to": self.up_to if up_to is None else up_to}
            async with conn.cursor(row_factory=tuple_row) as cursor:
                await cursor.execute(OF_WORKFLOW, named)
                row = await cursor.fetchone()
            return int(row[0]) if row else 0

        return await self.ask(ask)

    async def _folded(self, tables: Collection[str], streams: Iterable[UUID], watched: Watched | None) -> tuple[Rows, list[Step]]:
        names = set(tables)
        await self._know(streams)
        while True:
            await self._know_what_they_lead_to(names)
            await self._know_whether_archived()
            if workflows.NAME not in names:
                await self._number()
            try:
                return await asyncio.to_thread(self._fold, names, watched)
            except NeedTable as need:
                names.add(need.name)

    async def _number(self) -> None:
        """An execution is numbered by those before it, which are too many to fold: its number never changes."""
        starts = [each for some in self._events.values() for each in some if isinstance(each.event, ExecutionStarted)]
        new = [each for each in starts if each.stream_id not in self._numbers]
        if not new:
            return

        async def ask(conn: Connection) -> dict[UUID, int]:
            named = {"tenant": self.tenant_id, "executions": [each.stream_id for each in new]}
            async with conn.cursor(row_factory=tuple_row) as cursor:
                await cursor.execute(NUMBERS, named)
                return dict(await cursor.fetchall())

        self._numbers |= await self.ask(ask)
        for each in new:
            if each.stream_id not in self._numbers:  # the tables do not have it yet
                assert isinstance(each.event, ExecutionStarted)
                self._numbers[each.stream_id] = await self.started(each.event.workflow_id, each.position)

    def _fold(self, names: Collection[str], watched: Watched | None) -> tuple[Rows, list[Step]]:
        tables = [table for table in TABLES if table.name in names]
        rows, steps = SomeRows(tables, with_numbers=workflows.NAME not in names), []
        appliers = {event: tuple(t for t in tables if event in t.appliers) for t in tables for event in t.appliers}
        for record in sorted((each for some in self._events.values() for each in some), key=attrgetter("position")):
            if record.position in (self._skipped or ()):
                continue
            if isinstance(record.event, Unread):
                raise Unfoldable(f"Event {record.position} ({record.topic}) cannot be read by this release.")
            concerned = appliers.get(type(record.event), ())
            before = None if watched is None else rows.find(watched[0], *watched[1])
            try:
                if isinstance(record.event, ExecutionStarted) and workflows.NAME not in names:
                    rows.number((record.tenant_id, record.event.workflow_id), self._numbers[record.stream_id])
                if isinstance(record.event, ExecutionArchived):
                    _require_above(names)
                    archived_rows.take_out(rows, record.tenant_id, record.stream_id, names)
                    concerned = ()
                for table in concerned:
                    table.appliers[type(record.event)](rows, record, record.event)
            except NeedTable:
                raise
            except Exception as error:  # whatever a broken ledger leads to
                raise Unfoldable(f"Event {record.position} ({record.topic}) does not fit the ones before it.") from error
            if watched is not None and (after := rows.find(watched[0], *watched[1])) is not before:
                steps.append(Step(record, before, after))
        return rows, steps

    async def _know_what_they_lead_to(self, names: Collection[str]) -> None:
        looked_at: set[int] = set()
        while True:
            new = [each for some in self._events.values() for each in some if each.position not in looked_at]
            if not new:
                return
            looked_at.update(each.position for each in new)
            await self._know({stream for each in new for stream in _leads_to(each, names)})

    async def _know_whether_archived(self) -> None:
        """Of the executions that parts belong to: that is their last event, and all that concerns these parts."""
        named = {_execution_of(each) for some in self._events.values() for each in some} - {None}
        new = [each for each in named if each is not None and each not in self._known | self._ends_known]
        self._ends_known.update(new)
        for begin in range(0, len(new), STREAMS_AT_ONCE):
            for record in await self.ask(partial(self._read_archived, new[begin : begin + STREAMS_AT_ONCE])):
                self._events[record.stream_id] = [record]

    async def _know(self, streams: Iterable[UUID], topics: Sequence[str] | None = None) -> None:
        new = [stream for stream in dict.fromkeys(streams) if stream not in self._known]
        if len(new) > MOST_EVENTS:
            raise TooMuch
        self._known.update(new)
        if self._skipped is None:
            self._skipped = await self.ask(self._read_skipped)
        for begin in range(0, len(new), STREAMS_AT_ONCE):
            some = new[begin : begin + STREAMS_AT_ONCE]
            there = [stream for stream in await self.ask(partial(self._measure, some, topics)) if stream in some]
            after = 0
            for stream in there:
                self._events.pop(stream, None)  # its end may be known
            while there:
                records = await self.ask(partial(self._read, there, topics, after))
                for record in records:
                    self._events.setdefault(record.stream_id, []).append(record)
                if len(records) < PORTION:
                    break
                after = records[-1].position

    async def _measure(self, streams: Sequence[UUID], topics: Sequence[str] | None, conn: Connection) -> list[UUID]:
        named = {"tenant": self.tenant_id, "streams": streams, "up_to": self.up_to, "topics": topics, "most": self._left + 1}
        async with conn.cursor(binary=True, row_factory=tuple_row) as cursor:
            await cursor.execute(MEASURE, named)
            found = await cursor.fetchall()
        self._left -= sum(count for _, count, _ in found)
        self._bytes_left -= int(sum(size for *_, size in found))
        if self._left < 0 or self._bytes_left < 0:
            raise TooMuch
        return [stream for stream, *_ in found]

    async def _read(
        self, streams: Sequence[UUID], topics: Sequence[str] | None, after: int, conn: Connection
    ) -> list[RecordedEvent]:
        named = {"tenant": self.tenant_id, "streams": streams, "up_to": self.up_to, "topics": topics}
        async with conn.cursor(binary=True, row_factory=tuple_row) as cursor:
            await cursor.execute(READ, {**named, "after": after, "limit": PORTION})
            return decode_all(self.tenant_id, await cursor.fetchall())

    async def _read_archived(self, streams: Sequence[UUID], conn: Connection) -> list[RecordedEvent]:
        named = {"tenant": self.tenant_id, "streams": streams, "up_to": self.up_to, "topics": list(topics_of(ExecutionArchived))}
        async with conn.cursor(binary=True, row_factory=tuple_row) as cursor:
            await cursor.execute(ARCHIVED, named)
            return decode_all(self.tenant_id, await cursor.fetchall())

    async def _read_skipped(self, conn: Connection) -> frozenset[int]:
        return frozenset(skip.position for skip in await read_skipped_events(conn, self.tenant_id))


def _require_above(names: Collection[str]) -> None:
    """What an archived execution had is found by the rows above. Raises NeedTable."""
    for table, above, _ in archived_rows.PARTS:
        if table.name in names and above is not None and above not in names:
            raise NeedTable(above)


def _leads_to(record: RecordedEvent, names: Collection[str]) -> Iterator[UUID]:
    """The streams of the rows that an event needs in these tables, and of those that change what it makes."""
    for name in names:
        table = BY_NAME[name]
        if type(record.event) in table.appliers:
            for columns, values, other, _ in table.rows_needed(record):
                yield from streams_of(other or name, zip(columns, values, strict=True))
            if name in ELSEWHERE:
                yield from ELSEWHERE[name](record)


def streams_of(table: str, named: Iterable[tuple[str, object]]) -> Iterator[UUID]:
    """The streams that columns of a table's row name."""
    for column, value in named:
        if isinstance(value, UUID) and column in STREAMS and not (column == "id" and table in PARTS):
            yield value

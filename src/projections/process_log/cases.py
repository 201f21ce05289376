"""Cases of a tenant in the order in which they began, each with its events in the order of the ledger. Executions that are in the
archive come after those in the tables, in the order in which they were archived.

Read page by page: what the tables and the archive say of cases and of whose streams are theirs, and the events from the ledger,
up to the position that the tables have shown at the beginning. Connections are gesta_system's.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from domain.envelope import RecordedEvent
from domain.execution import ExecutionMigrated, ExecutionStarted
from projections import freshness
from projections.ids import Ids
from projections.process_log.activities import LOGGED, Course, Person, Words
from projections.process_log.entries import Case, Entry, ObjectType, Value
from runtime.pools import Connection
from store.reading import decode_all
from store.topics import topics_of

PAGE = 100
"""Cases. Their events are sorted together by the database."""
EVENTS_AT_A_TIME = 100
MOST_DEFINITIONS = 1_000

EXECUTIONS = """
SELECT e.id, e.workflow_id, e.workflow_key, e.workflow_version, e.execution_number, e.business_key, e.status,
       e.parent_execution_id, EXISTS (
           SELECT FROM projections.workflow_executions o
            WHERE o.tenant_id = e.tenant_id AND o.business_key = e.business_key AND o.id <> e.id
              AND (%(workflow)s::text IS NULL OR o.workflow_key = %(workflow)s::text)
            UNION ALL
           SELECT FROM projections.archived_executions o
            WHERE o.tenant_id = e.tenant_id AND o.business_key = e.business_key AND o.id <> e.id
              AND (%(workflow)s::text IS NULL OR o.workflow_key = %(workflow)s::text)), e.created_at
  FROM projections.{table} e
 WHERE e.tenant_id = %(tenant)s AND (e.created_at, e.id) > (%(since_created)s, %(since_id)s)
   AND (%(workflow)s::text IS NULL OR e.workflow_key = %(workflow)s::text)
   AND (%(since)s::timestamptz IS NULL OR e.started_at >= %(since)s::timestamptz)
   AND (%(until)s::timestamptz IS NULL OR e.started_at < %(until)s::timestamptz)
 ORDER BY e.created_at, e.id
 LIMIT %(limit)s
"""
LIVE, ARCHIVED = (EXECUTIONS.format(table=table) for table in ("workflow_executions", "archived_executions"))
ATTRIBUTES = """
SELECT execution_id, name, kind, value FROM projections.execution_attributes
 WHERE tenant_id = %(tenant)s AND execution_id = ANY(%(ids)s)
 UNION ALL
SELECT a.execution_id, r.row ->> 'name', r.row ->> 'kind', r.row ->> 'value'
  FROM projections.archived_rows a CROSS JOIN jsonb_array_elements(a.rows) AS r (row)
 WHERE a.tenant_id = %(tenant)s AND a.execution_id = ANY(%(ids)s) AND a.table_name = 'execution_attributes'
 ORDER BY 1, 2
"""
# Readers hold whole numbers in 64 bits.
KINDS_OF_ATTRIBUTES = """
SELECT name, array_agg(DISTINCT CASE WHEN kind = 'number' AND value ~ '^-?[0-9]{1,18}$' THEN 'whole' ELSE kind END)
  FROM (SELECT name, kind, value FROM projections.execution_attributes WHERE tenant_id = %(tenant)s
         UNION ALL
        SELECT r.row ->> 'name', r.row ->> 'kind', r.row ->> 'value'
          FROM projections.archived_rows a CROSS JOIN jsonb_array_elements(a.rows) AS r (row)
         WHERE a.tenant_id = %(tenant)s AND a.table_name = 'execution_attributes') each
 WHERE kind <> 'null' GROUP BY name
"""
ALONE = """
SELECT r.id, r.created_at FROM projections.{table} r
 WHERE r.tenant_id = %(tenant)s AND r.execution_id IS NULL {also} AND (r.created_at, r.id) > (%(since_created)s, %(since_id)s)
   AND (%(since)s::timestamptz IS NULL OR r.created_at >= %(since)s::timestamptz)
   AND (%(until)s::timestamptz IS NULL OR r.created_at < %(until)s::timestamptz)
 ORDER BY r.created_at, r.id
 LIMIT %(limit)s
"""
EVENTS = """
WITH wanted AS (
    SELECT id, number FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS w (id, number)
), streams AS (
    SELECT number, id FROM wanted
     UNION
    SELECT w.number, r.id FROM wanted w JOIN projections.approval_requests r
        ON r.tenant_id = %(tenant)s AND (r.execution_id = w.id OR r.execution_id IS NULL AND r.ai_task_id = w.id)
     UNION
    SELECT w.number, t.id FROM wanted w JOIN projections.ai_agent_tasks t ON t.tenant_id = %(tenant)s AND t.execution_id = w.id
     UNION
    SELECT w.number, i.id FROM wanted w JOIN projections.execution_items i ON i.tenant_id = %(tenant)s AND i.execution_id = w.id
     UNION
    SELECT w.number, (r.row ->> 'id')::uuid
      FROM wanted w
      JOIN projections.archived_rows a ON a.tenant_id = %(tenant)s AND a.execution_id = w.id
       AND a.table_name IN ('approval_requests', 'ai_agent_tasks', 'execution_items')
     CROSS JOIN jsonb_array_elements(a.rows) AS r (row)
)
SELECT s.number, e.position, e.stream_id, e.version, e.topic, e.occurred_at, e.recorded_at, e.command_id, e.meta, e.data
  FROM streams s
  JOIN ledger.events e ON e.tenant_id = %(tenant)s AND e.stream_id = s.id
 WHERE e.position <= %(position)s AND e.topic = ANY(%(topics)s)
 ORDER BY s.number, e.position
"""
PEOPLE = "SELECT id, display_name, email FROM projections.users WHERE id = ANY(%s)"
DEFINITIONS = """
SELECT v.workflow_id, v.number, v.definition
  FROM projections.workflow_versions v
  JOIN unnest(%(workflows)s::uuid[], %(numbers)s::int[]) AS w (workflow_id, number) USING (workflow_id, number)
 WHERE v.tenant_id = %(tenant)s
"""
AttributeType = type[str] | type[float] | type[int] | type[bool]
TYPES: Mapping[frozenset[str], AttributeType] = {
    frozenset({"whole"}): int,
    frozenset({"whole", "number"}): float,
    frozenset({"number"}): float,
    frozenset({"boolean"}): bool,
}
KNOWN = "SELECT EXISTS (SELECT FROM projections.workflows WHERE tenant_id = %s AND key = %s)"
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Selection:
    """Which cases, and what of them. `since`, `until`: when they began. `people`: how they are called: name, email or id.

    `activity`: what a node is called: by its name, or its id. `alone`: also requests and tasks that belong to no execution.
    """

    tenant_id: UUID
    workflow: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    people: str = "name"
    activity: str = "name"
    alone: bool = False


async def is_workflow(connection: Connection, tenant_id: UUID, key: str) -> bool:
    """Whether the tenant has, or had, one of this key."""
    (known,) = await (await connection.execute(KNOWN, (tenant_id, key))).fetchone() or (False,)
    return bool(known)


class Told(NamedTuple):
    """A case, and an entry of its log; None: the case begins."""

    case: Case
    entry: Entry | None


class Reading:
    """One export. `position`: up to which events are read."""

    def __init__(self, connection: Connection, selection: Selection, position: int) -> None:
        self.position = position
        self._connection = connection
        self._of = selection
        self._people: dict[UUID, Person] = {}
        self._nodes: dict[tuple[UUID, int], Mapping[str, str]] = {}

    @classmethod
    async def begin(cls, connection: Connection, selection: Selection) -> "Reading":
        return cls(connection, selection, await freshness.position(connection, selection.tenant_id))

    async def attribute_types(self) -> dict[str, AttributeType]:
        """Of search attributes, for `fitting`: where all values of one are numbers or truth values, that; else texts."""
        rows = await self._rows(KINDS_OF_ATTRIBUTES, {"tenant": self._of.tenant_id})
        return {name: TYPES.get(frozenset(kinds), str) for name, kinds in rows}

    async def told(self) -> AsyncGenerator[Told]:
        """To be closed by whoever stops in the middle: a page is read in a transaction."""
        async for cases in self._pages():
            async with aclosing(self._page(cases)) as page:
                async for each in page:
                    yield each

    async def _pages(self) -> AsyncIterator[list[Case]]:
        told = Ids()
        async for rows in self._keyset(LIVE):
            told.update((row[0], 1) for row in rows)
            yield await self._executions(rows)
        async for rows in self._keyset(ARCHIVED):
            if some := [row for row in rows if row[0] not in told]:  # others have left the tables in the meantime
                yield await self._executions(some)
        if self._of.alone and self._of.workflow is None:
            alone: tuple[tuple[ObjectType, str, str], ...] = (
                ("approval_request", "approval_requests", "AND r.ai_task_id IS NULL"),
                ("ai_task", "ai_agent_tasks", ""),
            )
            for type, table, also in alone:
                async for rows in self._keyset(ALONE.format(table=table, also=also)):
                    yield [Case(type, row[0]) for row in rows]

    async def _keyset(self, statement: str) -> AsyncIterator[list[tuple[Any, ...]]]:
        of, last, created = self._of, UUID(int=0), BEGINNING
        while True:
            wanted = {"tenant": of.tenant_id, "workflow": of.workflow, "since": of.since, "until": of.until, "limit": PAGE}
            rows = await self._rows(statement, {**wanted, "since_created": created, "since_id": last})
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            last, created = rows[-1][0], rows[-1][-1]

    async def _executions(self, rows: Sequence[tuple[Any, ...]]) -> list[Case]:
        found = await self._rows(ATTRIBUTES, {"tenant": self._of.tenant_id, "ids": [row[0] for row in rows]})
        own = {id: {row[1]: _value(row[2], row[3]) for row in some} for id, some in groupby(found, key=lambda row: row[0])}
        return [replace(Case("execution", *row[:-1]), attributes=own.get(row[0], {})) for row in rows]

    async def _page(self, cases: Sequence[Case]) -> AsyncGenerator[Told]:
        ids = [case.id for case in cases]
        params = {"tenant": self._of.tenant_id, "ids": ids, "position": self.position, "topics": topics()}
        begun = 0
        course: Course | None = None
        async with self._connection.transaction(), self._connection.cursor("gesta_log", binary=True) as cursor:
            cursor.itersize = EVENTS_AT_A_TIME
            await cursor.execute(EVENTS, params)
            while rows := await cursor.fetchmany(EVENTS_AT_A_TIME):
                records = decode_all(self._of.tenant_id, [row[1:] for row in rows])
                words = await self._words(cases, records)
                for row, record in zip(rows, records, strict=True):
                    if row[0] != begun or course is None:
                        begun = row[0]
                        course = Course(_as_begun(cases[begun - 1], record), words)
                        yield Told(course.case, None)
                    course.words = words
                    entry = course.entry(record)
                    if entry is not None:
                        yield Told(course.case, entry)

    async def _words(self, cases: Sequence[Case], records: Iterable[RecordedEvent]) -> Words:
        """What these events speak of by id is looked up once."""
        people = set[UUID]()
        versions = {
            (case.workflow_id, case.version) for case in cases if case.workflow_id is not None and case.version is not None
        }
        for record in records:
            people |= {id for id in (record.envelope.user_id, *_people(record.event)) if id is not None}
            if isinstance(record.event, ExecutionStarted):
                versions.add((record.event.workflow_id, record.event.workflow_version))
            if isinstance(record.event, ExecutionMigrated):
                to = record.event.to_version
                versions |= {(case.workflow_id, to) for case in cases if case.id == record.stream_id and case.workflow_id}
        if missing := people - self._people.keys():
            found = await self._rows(PEOPLE, (list(missing),))
            self._people |= {id: Person(name or email, email) for id, name, email in found}
        if self._of.activity == "name" and (unknown := versions - self._nodes.keys()):
            if len(self._nodes) > MOST_DEFINITIONS:
                self._nodes = {}
                unknown = versions
            asked = {"workflows": [id for id, _ in unknown], "numbers": [number for _, number in unknown]}
            found = await self._rows(DEFINITIONS, {"tenant": self._of.tenant_id, **asked})
            self._nodes |= {(id, number): names_of(definition) for id, number, definition in found}
        return Words(self._people, self._nodes, self._of.people)

    async def _rows(self, statement: str, params: Any) -> list[tuple[Any, ...]]:
        return await (await self._connection.execute(statement, params)).fetchall()


@cache
def topics() -> list[str]:
    return list(topics_of(*LOGGED))


def names_of(definition: Any) -> dict[str, str]:
    """The names of nodes that have one, by id; also of those in the body of a foreach."""
    found: dict[str, str] = {}
    for node in definition.get("nodes", ()):
        if node.get("name"):
            found[node["id"]] = node["name"]
        body = (node.get("config") or {}).get("body")
        if isinstance(body, dict):
            found |= names_of(body)
    return found


def _as_begun(case: Case, record: RecordedEvent) -> Case:
    """By the version that it began with: it may have been migrated since."""
    return replace(case, version=record.event.workflow_version) if isinstance(record.event, ExecutionStarted) else case


def _people(event: object) -> tuple[UUID | None, ...]:
    return tuple(getattr(event, name, None) for name in ("user_id", "on_behalf_of"))


def fitting(types: Mapping[str, AttributeType], name: str, value: Value) -> Value:
    """A search attribute has the same type in all executions, as readers ask for it. What came later, and is other, is a text."""
    wanted = types.get(name)
    if wanted is None or (isinstance(value, wanted) and isinstance(value, bool) is (wanted is bool)):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return float(value) if wanted is float and isinstance(value, int) else str(value)


def _value(kind: str, text: str) -> Value:
    match kind:
        case "number":
            return int(text) if text.lstrip("-").isdecimal() else float(text)
        case "boolean":
            return text == "true"
    return text

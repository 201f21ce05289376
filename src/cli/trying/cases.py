"""Which executions are played, and each of them: read from the ledger, one at a time, and forgotten again."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from psycopg.rows import tuple_row

from cli.trying.versions import Versions
from domain.effort import Effort
from domain.execution import ExecutionStarted
from domain.facts import View
from domain.workflow import WORKFLOW
from engine.what_if.comparing import Compared, compare
from engine.what_if.playing import Played, played
from engine.what_if.record import OPENED, NotPlayed, opened_by, past_of
from store.codec import Undecodable
from store.past import Past, TooLong
from store.topics import UnknownTopic, topics_of
from store.view import NeedStream

if TYPE_CHECKING:
    from cli.ledgers import Ledger
    from domain.envelope import RecordedEvent
    from domain.workflow import Workflow
    from runtime.pools import Connection

T = TypeVar("T")
PAGE = 500

# Those that are over, the latest first; the archive comes after the tables.
FINISHED = """
SELECT id, created_at
  FROM projections.workflow_executions
 WHERE tenant_id = %(tenant)s AND workflow_key = %(workflow)s AND status IN ('completed', 'failed', 'cancelled')
   AND (%(since)s::timestamptz IS NULL OR started_at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR started_at < %(until)s)
   AND (%(after)s::uuid IS NULL OR (created_at, id) < (%(moment)s, %(after)s))
 ORDER BY created_at DESC, id DESC
 LIMIT %(limit)s
"""
ARCHIVED = """
SELECT id, ended_at
  FROM projections.archived_executions
 WHERE tenant_id = %(tenant)s AND workflow_key = %(workflow)s
   AND (%(since)s::timestamptz IS NULL OR started_at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR started_at < %(until)s)
   AND (%(after)s::uuid IS NULL OR (ended_at, id) < (%(moment)s, %(after)s))
 ORDER BY ended_at DESC, id DESC
 LIMIT %(limit)s
"""
WORKFLOW_OF = "SELECT id FROM projections.workflows WHERE tenant_id = %(tenant)s AND key = %(workflow)s"
STARTED = """
SELECT stream_id FROM ledger.events
 WHERE tenant_id = %(tenant)s AND stream_id = ANY (%(ids)s::uuid[]) AND version = 1 AND topic = ANY (%(topics)s::text[])
"""
MEMBERS = """
SELECT m.user_id, u.display_name
  FROM projections.tenant_users m LEFT JOIN projections.users u ON u.id = m.user_id
 WHERE m.tenant_id = %(tenant)s
"""


@dataclass(frozen=True)
class Wanted:
    """Executions by id, or those of a workflow that began within a time, `limit` of them."""

    ids: tuple[UUID, ...] = ()
    workflow: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 1_000


@dataclass(frozen=True)
class Case:
    """An execution, and what is found of it. `why`: it could not be played."""

    id: UUID
    about: Mapping[str, Any]
    played: Played | None = None
    compared: Compared | None = None
    why: str | None = None


class Ledgers:
    """A tenant's ledger up to where it reaches now: what is played does not move while it is played."""

    def __init__(self, conn: "Connection", ledger: "Ledger", position: int) -> None:
        self.conn, self.ledger = conn, ledger
        self.past = Past(ledger.tenant_id, position, self._ask)
        self._workflows: dict[UUID, Workflow] = {}
        self.people: Mapping[str, str] = {}
        """What those are called who ever were members."""
        self._checked: set[str] = set()

    async def _ask(self, ask: "Callable[[Connection], Awaitable[T]]") -> T:
        return await ask(self.conn)

    async def know_people(self) -> None:
        rows = await self._rows(MEMBERS, {})
        await self.past.know_all([row[0] for row in rows])
        self.people = {str(id): name for id, name in rows if name}

    async def workflow(self, key: str) -> UUID | None:
        rows = await self._rows(WORKFLOW_OF, {"workflow": key})
        return rows[0][0] if rows else None

    async def workflow_of(self, id: UUID) -> "Workflow":
        if id not in self._workflows:
            await self.past.know([id])
            self._workflows[id] = self.past.state(WORKFLOW, id)
            self.past.forget(id)
        return self._workflows[id]

    def check(self, versions: Versions, workflow: "Workflow") -> None:
        """Once for each workflow. Exits with 2 where there is no such version, or it is not sound."""
        if workflow.key not in self._checked:
            versions.check(workflow)
            self._checked.add(workflow.key)

    async def unknown(self, ids: "Sequence[UUID]") -> UUID | None:
        """The first of them that is no execution's."""
        rows = await self._rows(STARTED, {"ids": list(ids), "topics": list(topics_of(ExecutionStarted))})
        known = {row[0] for row in rows}
        return next((id for id in ids if id not in known), None)

    async def finished(self, wanted: Wanted) -> AsyncIterator[UUID]:
        """As many as are wanted; then one more, where there is one."""
        left = wanted.limit + 1
        about = {"workflow": wanted.workflow, "since": wanted.since, "until": wanted.until}
        for statement in (FINISHED, ARCHIVED):
            page: dict[str, Any] = {"after": None, "moment": None}
            while left > 0:
                rows = await self._rows(statement, {**about, **page, "limit": min(left, PAGE)})
                for row in rows:
                    yield row[0]
                left -= len(rows)
                if len(rows) < PAGE:
                    break
                page = {"after": rows[-1][0], "moment": rows[-1][1]}

    async def _rows(self, statement: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        async with self.conn.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(statement, {"tenant": self.ledger.tenant_id, **params})
            return await cursor.fetchall()

    # One of them

    async def case(self, id: UUID, versions: Versions, *, strict: bool, assume: Mapping[str, Any]) -> Case:
        known: list[UUID] = [id]
        about: dict[str, Any] = {}
        try:
            await self.past.know([id])
            events = self.past.events(id)
            about = _about(events)
            streams = await self._opened(events, known)
            found = past_of(id, events, {stream: self.past.events(stream) for stream in streams}, versions.names)
            started = found.started
            workflow = await self.workflow_of(started.workflow_id)
            if versions.definition is not None and not versions.is_of(workflow):
                raise NotPlayed(f"It is an execution of the workflow {workflow.key}.")
            self.check(versions, workflow)
            before, version = versions.of(started.workflow_id, workflow, started.workflow_version)
            again = await self._playing(lambda: played(found, before, version, self._view_at, strict=strict, assume=assume))
            return Case(id, about, again, compare(found, again, before.nodes))
        except NotPlayed as error:
            return Case(id, about, why=str(error))
        except TooLong:
            return Case(id, about, why="Too much has happened to it, or to something that it asked for.")
        except (UnknownTopic, Undecodable) as error:
            return Case(id, about, why=f"An event of it cannot be read by this release: {error}")
        finally:
            for stream in known:
                self.past.forget(stream)

    async def _opened(self, events: "Sequence[RecordedEvent]", known: list[UUID]) -> list[UUID]:
        kinds: dict[str, list[UUID]] = {}
        for kind, stream in opened_by(events):
            kinds.setdefault(kind, []).append(stream)
        for kind, streams in kinds.items():
            known += streams
            await self.past.know(streams, OPENED[kind])
        return [stream for streams in kinds.values() for stream in streams]

    async def _playing(self, play: Callable[[], Played]) -> Played:
        while True:
            try:
                return play()
            except NeedStream as need:
                await self.past.know([need.stream_id])

    def _view_at(self, position: int, now: datetime) -> View:
        return self.past.view(Effort(), now, position)


def _about(events: "Sequence[RecordedEvent]") -> dict[str, Any]:
    first = events[0] if events else None
    if first is None or not isinstance(first.event, ExecutionStarted):
        return {}
    started = first.event
    return {
        "workflow_key": started.workflow_key,
        "workflow_version": started.workflow_version,
        "business_key": started.business_key,
        "started_at": first.occurred_at.isoformat().replace("+00:00", "Z"),
    }

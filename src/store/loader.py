"""What a process reads to decide: streams' tails, owners of names, known commands.

All that is asked for at a time goes in one query, and commands in another. What is asked for as one question is answered as
of one moment: streams that belong together are read at versions that belong together.

A question joins an equal one only while that has not been sent, so that an answer is never older than its question.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from domain.facts import Event, Holders
from runtime import query_plans
from runtime.failpoints import failpoint
from runtime.supervision import stop, supervise
from store.arrays import Bigints, Texts, Uuids
from store.codec import JSON, Codec
from store.errors import LedgerUnavailable
from store.reconnecting import ReconnectingConnection
from store.sizes import decoded_size
from store.writer import RECONNECT_PAUSES

# One statement for all, and so one moment as of which it is told. A snapshot counts only where the very event is in the ledger
# after which it was taken: a restore may have put another one in its place. Where a tail begins is reckoned on its own: under
# row-level security an index serves what is compared, and not what is added first; whole streams would be gone through.
SELECT_STREAMS_AND_NAMES = """
WITH asked AS (
       SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::bigint[]) WITH ORDINALITY AS asked (tenant_id, stream_id, since, n)
), snapshots AS MATERIALIZED (
       SELECT asked.n, s.version, e.occurred_at, s.state_version, s.state
         FROM asked
        CROSS JOIN LATERAL (
              SELECT * FROM runtime.snapshots
               WHERE asked.since = 0 AND tenant_id = asked.tenant_id AND stream_id = asked.stream_id
                 AND state_version = ANY (%b::text[])
               ORDER BY version DESC LIMIT 1) s
         JOIN ledger.events e ON e.tenant_id = s.tenant_id AND e.stream_id = s.stream_id AND e.version = s.version
                             AND e.command_id = s.command_id
), tails AS MATERIALIZED (
       SELECT asked.n, asked.tenant_id, asked.stream_id, coalesce(s.version + 1, asked.since) AS first
         FROM asked LEFT JOIN snapshots s ON s.n = asked.n)
SELECT tails.n, e.version, e.occurred_at, e.topic, e.data, NULL::uuid AS owner, NULL::text AS state_version
  FROM tails
 CROSS JOIN LATERAL (
       SELECT version, occurred_at, topic, data FROM ledger.events
        WHERE tenant_id = tails.tenant_id AND stream_id = tails.stream_id AND version >= tails.first) e
 UNION ALL
SELECT n, version, occurred_at, NULL, state, NULL, state_version
  FROM snapshots
 UNION ALL
SELECT asked.n, NULL, NULL, NULL, NULL, c.owner, NULL
  FROM unnest(%b::uuid[], %b::text[], %b::text[]) WITH ORDINALITY AS asked (tenant_id, scope, name, n)
  JOIN runtime.claims c ON c.tenant_id = asked.tenant_id AND c.scope = asked.scope AND c.name = asked.name
 ORDER BY 1, 2
"""

SELECT_COMMANDS = """
SELECT asked.n, h.epoch, k.command_id IS NOT NULL, k.request_hash, k.position, k.result
  FROM unnest(%b::uuid[], %b::uuid[]) WITH ORDINALITY AS asked (tenant_id, command_id, n)
  JOIN ledger.heads h ON h.tenant_id = asked.tenant_id
  LEFT JOIN runtime.commands k ON k.tenant_id = asked.tenant_id AND k.command_id = asked.command_id
"""

SELECT_HOLDERS = """
SELECT r.role_id, r.user_id
  FROM projections.tenant_user_roles r
  JOIN projections.tenant_users u ON u.tenant_id = r.tenant_id AND u.user_id = r.user_id AND u.status = 'active'
 WHERE r.tenant_id = %b AND r.role_id = ANY (%b::uuid[])
 UNION ALL
SELECT NULL, e.stream_id
  FROM ledger.events e
 WHERE e.tenant_id = %b AND starts_with(e.topic, 'member.')
   AND e.position > coalesce((SELECT f.position FROM projections.freshness f WHERE f.tenant_id = %b), 0)
"""

NO_SNAPSHOT = -1


class PastEvent(NamedTuple):
    """An event of a stream, as far as its fold is concerned. `size`: about the bytes of memory that it takes."""

    version: int
    occurred_at: datetime
    event: Event
    size: int = 0


class StoredState(NamedTuple):
    """A snapshot of a stream, as it was found: of the state after the event of this version."""

    version: int
    occurred_at: datetime
    state_version: str
    state: bytes


class Together(NamedTuple):
    """What the ledger held of streams and of names, all at one moment, in the order in which they were asked for."""

    tails: list[list[PastEvent] | None]
    """None: the stream does not reach the version that was named (a restore took it back)."""
    owners: list[UUID | None]
    snapshots: list[StoredState | None]
    """Of streams that were asked for from the beginning: the tail is what came after it."""


class KnownCommand(NamedTuple):
    """What a ledger knows of a command id; `known` is False where only the ledger exists."""

    epoch: int
    known: bool
    request_hash: bytes | None = None
    position: int | None = None
    result: bytes | None = None


@dataclass(frozen=True, slots=True)
class AskStates:
    """Of one ledger: the tails of streams since a version, and the owners of (scope, name).

    Since 0: from the beginning, or from a snapshot. Since `NO_SNAPSHOT`: from the beginning, whatever there is.
    """

    tenant_id: UUID
    streams: tuple[tuple[UUID, int], ...] = ()
    names: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AskCommand:
    tenant_id: UUID
    command_id: UUID


@dataclass(frozen=True, slots=True)
class AskHolders:
    tenant_id: UUID
    role_ids: frozenset[UUID]


Question: TypeAlias = AskStates | AskCommand | AskHolders
Rows: TypeAlias = list[tuple[Any, ...]]
Found: TypeAlias = tuple[list[Rows], list[UUID | None]]
"""The answer to AskStates: (version, occurred_at, topic, data, state_version) of each stream, in order, and the owners.

`state_version` is of a snapshot, which comes first and has no topic.
"""


class Loader:
    """Made and used in one event loop. `url`: of a login as gesta_system. `state_versions`: snapshots that it may read."""

    def __init__(
        self, url: str, codec: Codec = JSON, *, state_versions: Sequence[str] = (), lanes: int = 2, give_up: float = 15.0
    ) -> None:
        self._codec = codec
        self._state_versions = Texts(state_versions)
        self._connections = [ReconnectingConnection(url, f"gesta loader {n}") for n in range(lanes)]
        self._free = self._connections[::-1]
        """Those that no lane is using: of these the one used last is taken, whose plans are made."""
        self._give_up = give_up
        self._asked: dict[Question, asyncio.Future[Any]] = {}
        self._something = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def together(
        self, tenant_id: UUID, streams: Sequence[tuple[UUID, int]], names: Sequence[tuple[str, str]] = ()
    ) -> Together:
        """The events of streams above a version of each, and the owners of names: all of it as of one moment."""
        tails, owners = await self._ask(AskStates(tenant_id, tuple(streams), tuple(names)))
        snapshots = [_snapshot_in(rows) for rows in tails]
        events = [rows[1:] if snapshot else rows for rows, snapshot in zip(tails, snapshots, strict=True)]
        return Together(
            [self._after(rows, version) for rows, (_, version) in zip(events, streams, strict=True)], list(owners), snapshots
        )

    async def owner(self, tenant_id: UUID, scope: str, name: str) -> UUID | None:
        """Who holds a name."""
        (owner,) = (await self.together(tenant_id, (), ((scope, name),))).owners
        return owner

    async def command(self, tenant_id: UUID, command_id: UUID) -> KnownCommand | None:
        """None: there is no such ledger."""
        rows = await self._ask(AskCommand(tenant_id, command_id))
        return KnownCommand(*rows[0][1:]) if rows else None

    async def holders(self, tenant_id: UUID, role_ids: frozenset[UUID]) -> Holders:
        """Who has roles: what the tables say, and of whom the ledger says more by now."""
        known, changed = dict[UUID, list[UUID]](), set[UUID]()
        for role_id, user_id in await self._ask(AskHolders(tenant_id, role_ids)):
            if role_id is None:
                changed.add(user_id)
            else:
                known.setdefault(role_id, []).append(user_id)
        return Holders({role_id: tuple(users) for role_id, users in known.items()}, frozenset(changed))

    async def aclose(self) -> None:
        await stop(*self._tasks)
        _fail(self._asked, LedgerUnavailable())
        for each in self._connections:
            await each.close()

    def _after(self, rows: Rows, version: int) -> list[PastEvent] | None:
        """The rows since a version as events above it."""
        if version > 0:
            if not rows or rows[0][0] != version:
                return None
            rows = rows[1:]
        return [self._past(*row[:4]) for row in rows]

    def _past(self, version: int, occurred_at: datetime, topic: str, data: bytes) -> PastEvent:
        opened = self._codec.opened(topic, data)
        return PastEvent(version, occurred_at, self._codec.decode(topic, opened), decoded_size(opened))

    async def _ask(self, question: Question) -> Any:
        if not self._tasks:
            self._tasks = [supervise("loader", self._serve) for _ in self._connections]
        answer = self._asked.get(question)
        if answer is None:
            answer = self._asked[question] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(_retrieved)
            self._something.set()
        return await asyncio.shield(answer)

    async def _serve(self) -> None:
        if self._asked:  # before this lane failed
            self._something.set()
        while True:
            await self._something.wait()
            self._something.clear()
            failpoint("loader.answers")
            asked, self._asked = self._asked, {}
            reconnecting = self._free.pop()
            try:
                await self._answer(reconnecting, asked)
            except LedgerUnavailable as error:
                _fail(asked, error)
            except Exception:
                # One question may be at fault (a name that text cannot hold): each for itself.
                for question, answer in asked.items():
                    if not answer.done():
                        await self._answer_alone(reconnecting, question, answer)
            except BaseException as error:
                _fail(asked, error)
                raise
            finally:
                self._free.append(reconnecting)

    async def _answer_alone(self, reconnecting: ReconnectingConnection, question: Question, answer: asyncio.Future[Any]) -> None:
        try:
            await self._answer(reconnecting, {question: answer})
        except Exception as error:
            if not answer.done():
                answer.set_exception(error)

    async def _answer(self, reconnecting: ReconnectingConnection, asked: dict[Question, asyncio.Future[Any]]) -> None:
        states = [question for question in asked if isinstance(question, AskStates)]
        commands = [question for question in asked if isinstance(question, AskCommand)]
        if states:
            for state, found in zip(states, await self._states(reconnecting, states), strict=True):
                _tell(asked[state], found)
        if commands:
            for command, rows in zip(commands, await self._commands(reconnecting, commands), strict=True):
                _tell(asked[command], rows)
        for question in asked:
            if isinstance(question, AskHolders):
                about = question.tenant_id, Uuids(list(question.role_ids)), question.tenant_id, question.tenant_id
                _tell(asked[question], await self._rows(reconnecting, SELECT_HOLDERS, list(about)))

    async def _states(self, reconnecting: ReconnectingConnection, asked: Sequence[AskStates]) -> list[Found]:
        streams = [(question.tenant_id, *stream) for question in asked for stream in question.streams]
        names = [(question.tenant_id, *name) for question in asked for name in question.names]
        parameters = [
            Uuids([tenant_id for tenant_id, _, _ in streams]),
            Uuids([stream_id for _, stream_id, _ in streams]),
            Bigints([since for _, _, since in streams]),
            self._state_versions,
            Uuids([tenant_id for tenant_id, _, _ in names]),
            Texts([scope for _, scope, _ in names]),
            Texts([name for _, _, name in names]),
        ]
        tails: list[Rows] = [[] for _ in streams]
        owners: list[UUID | None] = [None for _ in names]
        for row in await self._rows(reconnecting, SELECT_STREAMS_AND_NAMES, parameters):
            if row[5] is None:
                tails[row[0] - 1].append((*row[1:5], row[6]))
            else:
                owners[row[0] - 1] = row[5]
        tail, holder = iter(tails), iter(owners)
        return [(list(islice(tail, len(each.streams))), list(islice(holder, len(each.names)))) for each in asked]

    async def _commands(self, reconnecting: ReconnectingConnection, asked: Sequence[AskCommand]) -> list[Rows]:
        parameters = [Uuids([question.tenant_id for question in asked]), Uuids([question.command_id for question in asked])]
        answers: list[Rows] = [[] for _ in asked]
        for row in await self._rows(reconnecting, SELECT_COMMANDS, parameters):
            answers[row[0] - 1].append(row)
        return answers

    async def _rows(self, reconnecting: ReconnectingConnection, query: str, parameters: list[Any]) -> Rows:
        """Reading again does no harm, so a lost connection is simply opened again, for a while."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._give_up
        attempt = 0
        while True:
            try:
                connection = await reconnecting.open()
                await query_plans.renew(connection)
                return await _fetch(connection, query, parameters)
            except psycopg.Error as error:
                if not await reconnecting.lost(error):
                    raise
                pause = RECONNECT_PAUSES[min(attempt, len(RECONNECT_PAUSES) - 1)]
                if loop.time() + pause > give_up:
                    raise LedgerUnavailable(" ".join(str(error).split())) from error
            attempt += 1
            await asyncio.sleep(pause)


async def _fetch(connection: AsyncConnection[Any], query: str, parameters: list[Any]) -> Rows:
    async with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(query, parameters, prepare=True)
        return await cursor.fetchall()


def _snapshot_in(rows: Rows) -> StoredState | None:
    if not rows or rows[0][4] is None:
        return None
    version, occurred_at, _, state, state_version = rows[0]
    return StoredState(version, occurred_at, state_version, state)


def _tell(answer: asyncio.Future[Any], what: Any) -> None:
    """Whoever asked may have been cancelled."""
    if not answer.done():
        answer.set_result(what)


def _retrieved(answer: asyncio.Future[Any]) -> None:
    """Whoever asked may have been cancelled: then nobody else looks at an error."""
    if not answer.cancelled():
        answer.exception()


def _fail(asked: dict[Question, asyncio.Future[Any]], error: BaseException) -> None:
    """Whoever waits is told, each by an exception of their own."""
    for answer in asked.values():
        if not answer.done():
            own = LedgerUnavailable(str(error) or "this process is shutting down")
            own.__cause__ = error
            answer.set_exception(own)

"""What a process reads to decide: streams' tails, owners of names, known commands.

All that is asked for at a time goes in one query of each kind.

A question joins an equal one only while that has not been sent, so that an answer is never older than its question.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from domain.facts import Event
from runtime import plans
from store.arrays import Bigints, Texts, Uuids
from store.codec import JSON, Codec
from store.errors import LedgerUnavailable
from store.link import Link
from store.writer import RECONNECT_PAUSES

SELECT_TAILS = """
SELECT asked.n, e.version, e.occurred_at, e.topic, e.data
  FROM unnest(%b::uuid[], %b::uuid[], %b::bigint[]) WITH ORDINALITY AS asked (tenant_id, stream_id, since, n)
 CROSS JOIN LATERAL (
       SELECT version, occurred_at, topic, data FROM ledger.events
        WHERE tenant_id = asked.tenant_id AND stream_id = asked.stream_id AND version >= asked.since) e
 ORDER BY asked.n, e.version
"""

SELECT_OWNERS = """
SELECT asked.n, c.owner
  FROM unnest(%b::uuid[], %b::text[], %b::text[]) WITH ORDINALITY AS asked (tenant_id, scope, name, n)
  JOIN runtime.claims c ON c.tenant_id = asked.tenant_id AND c.scope = asked.scope AND c.name = asked.name
"""

SELECT_COMMANDS = """
SELECT asked.n, h.epoch, k.command_id IS NOT NULL, k.request_hash, k.position, k.result
  FROM unnest(%b::uuid[], %b::uuid[]) WITH ORDINALITY AS asked (tenant_id, command_id, n)
  JOIN ledger.heads h ON h.tenant_id = asked.tenant_id
  LEFT JOIN runtime.commands k ON k.tenant_id = asked.tenant_id AND k.command_id = asked.command_id
"""


class Past(NamedTuple):
    """An event of a stream, as far as its fold is concerned."""

    version: int
    occurred_at: datetime
    event: Event


class KnownCommand(NamedTuple):
    """What a ledger knows of a command id; `known` is False where only the ledger exists."""

    epoch: int
    known: bool
    request_hash: bytes | None = None
    position: int | None = None
    result: bytes | None = None


@dataclass(frozen=True, slots=True)
class AskTail:
    tenant_id: UUID
    stream_id: UUID
    since: int


@dataclass(frozen=True, slots=True)
class AskOwner:
    tenant_id: UUID
    scope: str
    name: str


@dataclass(frozen=True, slots=True)
class AskCommand:
    tenant_id: UUID
    command_id: UUID


Question: TypeAlias = AskTail | AskOwner | AskCommand
Rows: TypeAlias = list[tuple[Any, ...]]


class Loader:
    """Made and used in one event loop. `url`: of a login as gesta_system."""

    def __init__(self, url: str, codec: Codec = JSON, *, lanes: int = 2, give_up: float = 15.0) -> None:
        self._codec = codec
        self._links = [Link(url, f"gesta loader {n}") for n in range(lanes)]
        self._give_up = give_up
        self._asked: dict[Question, asyncio.Future[Any]] = {}
        self._something = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def tail(self, tenant_id: UUID, stream_id: UUID, after: int = 0) -> list[Past] | None:
        """A stream's events above a version. None: the stream does not reach that version (a restore took it back)."""
        rows = await self._ask(AskTail(tenant_id, stream_id, after))
        if after:
            if not rows or rows[0][1] != after:
                return None
            del rows[0]
        return [Past(version, occurred_at, self._codec.decode(topic, data)) for _, version, occurred_at, topic, data in rows]

    async def owner(self, tenant_id: UUID, scope: str, name: str) -> UUID | None:
        """Who holds a name."""
        rows = await self._ask(AskOwner(tenant_id, scope, name))
        return rows[0][1] if rows else None

    async def command(self, tenant_id: UUID, command_id: UUID) -> KnownCommand | None:
        """None: there is no such ledger."""
        rows = await self._ask(AskCommand(tenant_id, command_id))
        return KnownCommand(*rows[0][1:]) if rows else None

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        _fail(self._asked, LedgerUnavailable())
        for link in self._links:
            await link.close()

    async def _ask(self, question: Question) -> Rows:
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._serve(link)) for link in self._links]
        answer = self._asked.get(question)
        if answer is None:
            answer = self._asked[question] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(_retrieved)
            self._something.set()
        return list(await asyncio.shield(answer))

    async def _serve(self, link: Link) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            asked, self._asked = self._asked, {}
            try:
                await self._answer(link, asked)
            except LedgerUnavailable as error:
                _fail(asked, error)
            except Exception:
                # One question may be at fault (a name that text cannot hold): each for itself.
                for question, answer in asked.items():
                    if not answer.done():
                        await self._answer_alone(link, question, answer)
            except BaseException as error:
                _fail(asked, error)
                raise

    async def _answer_alone(self, link: Link, question: Question, answer: asyncio.Future[Any]) -> None:
        try:
            await self._answer(link, {question: answer})
        except Exception as error:
            answer.set_exception(error)

    async def _answer(self, link: Link, asked: dict[Question, asyncio.Future[Any]]) -> None:
        tails = [question for question in asked if isinstance(question, AskTail)]
        owners = [question for question in asked if isinstance(question, AskOwner)]
        commands = [question for question in asked if isinstance(question, AskCommand)]
        tenants = [Uuids([question.tenant_id for question in kind]) for kind in (tails, owners, commands)]
        queries: tuple[tuple[str, Sequence[Question], list[Any]], ...] = (
            (SELECT_TAILS, tails, [tenants[0], Uuids([q.stream_id for q in tails]), Bigints([q.since for q in tails])]),
            (SELECT_OWNERS, owners, [tenants[1], Texts([q.scope for q in owners]), Texts([q.name for q in owners])]),
            (SELECT_COMMANDS, commands, [tenants[2], Uuids([q.command_id for q in commands])]),
        )
        for query, questions, parameters in queries:
            if questions:
                answers: list[Rows] = [[] for _ in questions]
                for row in await self._rows(link, query, parameters):
                    answers[row[0] - 1].append(row)
                for question, rows in zip(questions, answers, strict=True):
                    if not asked[question].done():
                        asked[question].set_result(rows)

    async def _rows(self, link: Link, query: str, parameters: list[Any]) -> Rows:
        """Reading again does no harm, so a lost connection is simply opened again, for a while."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._give_up
        attempt = 0
        while True:
            try:
                connection = await link.open()
                await plans.renew(connection)
                return await _fetch(connection, query, parameters)
            except psycopg.Error as error:
                if not await link.lost(error):
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

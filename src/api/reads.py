"""Questions to the tables, as gesta_api, one tenant a transaction, and how fresh the answer must be; and to the ledger.

The ledger is read as gesta_system: gesta_api sees how far it reaches, and nothing of what is in it.

A read waits, briefly, until the tables have reached the ledger's position at the time of asking, so that everybody reads
what they wrote. Then it answers and says how far behind it is, if it is.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from psycopg import sql
from psycopg.rows import dict_row
from starlette.requests import Request

from api.positions import Position
from api.problems import Problem
from api.waiter import Waiter
from domain.envelope import PLATFORM
from runtime.pools import Connection, Pool

WAIT_SECONDS = 2.0

Row: TypeAlias = dict[str, Any]
T = TypeVar("T")

# For this transaction: the tenant that is seen, times in UTC, and when plans are made.
SET_TENANT = """
SELECT set_config('gesta.tenant_id', %(tenant_id)s, true), set_config('TimeZone', 'UTC', true),
       set_config('plan_cache_mode', %(plans)s, true)
"""
PLANNED_ONCE, PLANNED_EACH_TIME = "force_generic_plan", "force_custom_plan"
SET_PLANS = "SELECT set_config('plan_cache_mode', %(plans)s, true)"
SELECT_FRESHNESS = """
SELECT h.epoch,
       coalesce((SELECT e.position FROM ledger.events e WHERE e.tenant_id = %(tenant_id)s
                  ORDER BY e.position DESC LIMIT 1), 0) AS head,
       coalesce((SELECT f.position FROM projections.freshness f WHERE f.tenant_id = %(tenant_id)s), 0) AS position
  FROM ledger.heads h
 WHERE h.tenant_id = %(tenant_id)s
"""


@dataclass(frozen=True)
class Question:
    """A statement and its parameters, `tenant_id` among them.

    `by_key`: the way to its rows is the same whatever the values, so it is planned once in a connection: planning costs several
    times what finding a row does. A page of a list is planned for the values at hand, its length among them.
    """

    statement: sql.Composed | str
    params: dict[str, Any]
    by_key: bool = False


@dataclass(frozen=True)
class Freshness:
    """How far a ledger reaches (`head`) and how far its tables do (`position`)."""

    epoch: int
    head: int
    position: int

    @property
    def behind(self) -> int:
        return max(0, self.head - self.position)


@dataclass(frozen=True)
class Answer:
    """The rows of each question; `freshness` is that of the ledger that is furthest behind. `past`: as of which position they are
    what they say, where that is an earlier one."""

    rows: list[list[Row]]
    freshness: Freshness
    past: Position | None = None


@dataclass(frozen=True)
class Read:
    """What a caller asks of freshness. `also`: other ledgers that the answer depends on."""

    tenant_id: UUID
    also: tuple[UUID, ...] = ()
    at_least: Position | None = None
    eventual: bool = False

    @classmethod
    def of(cls, request: Request, tenant_id: UUID, also: tuple[UUID, ...] = ()) -> "Read":
        """Raises Problem naming the query parameter at fault."""
        query = request.query_params
        consistency = query.get("consistency")
        if consistency not in (None, "eventual"):
            raise Problem.at("consistency", "unknown_value", "consistency must be eventual, or left out.")
        text = query.get("at_least")
        if text is None:
            return cls(tenant_id, also, None, consistency is not None)
        at_least = Position.parse(text)
        if at_least is not None and at_least.tenant_id == PLATFORM != tenant_id and PLATFORM not in also:
            also = (*also, PLATFORM)  # where a tenant's commands on people are recorded, too
        if at_least is None or at_least.tenant_id not in (tenant_id, *also):
            raise Problem.at("at_least", "position", "at_least must be the Gesta-Position of an answer in this tenant.")
        return cls(tenant_id, also, at_least, consistency is not None)

    def target(self, tenant_id: UUID, now: Freshness) -> int:
        """The position that the tables of this ledger must have reached."""
        if self.at_least is None:
            return 0 if self.eventual else now.head
        if self.at_least.tenant_id != tenant_id:
            return 0
        if self.at_least.epoch != now.epoch:
            raise Problem.at("at_least", "epoch", "The ledger has been restored since: this position is from before.", status=409)
        return min(self.at_least.position, now.head)


class Reads:
    """Asks with a pool of connections as gesta_api; holds none while it waits. `ledger`: connections as gesta_system."""

    def __init__(self, pool: Pool, ledger: Pool, waiter: Waiter) -> None:
        self._pool = pool
        self._ledger = ledger
        self._waiter = waiter

    async def ask(self, read: Read, questions: Sequence[Question], reached: int | None = None) -> Answer:
        """`reached`: a position that the caller has waited for: the tables hold all that is to be seen, whatever came since."""
        if reached is not None:
            return await self._once(read.tenant_id, questions, reached)
        others = [await self._wait_for(read, tenant_id) for tenant_id in read.also]
        answer = await self._once(read.tenant_id, questions)
        target = read.target(read.tenant_id, answer.freshness)
        if answer.freshness.position < target:
            await self._waiter.reached(read.tenant_id, target, WAIT_SECONDS)
            answer = await self._once(read.tenant_id, questions, target)
        return Answer(answer.rows, max((answer.freshness, *others), key=lambda one: one.behind))

    async def of_ledger(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        """What happened, which is never stale. Each question (`store.reading`) names the ledger that it is about."""
        return await self._ledger.read(ask)

    async def _wait_for(self, read: Read, tenant_id: UUID) -> Freshness:
        """Another ledger's turn: look, and wait where that is asked for."""
        found = (await self._once(tenant_id, ())).freshness
        target = read.target(tenant_id, found)
        if found.position >= target:
            return found
        await self._waiter.reached(tenant_id, target, WAIT_SECONDS)
        return (await self._once(tenant_id, (), target)).freshness

    async def _once(self, tenant_id: UUID, questions: Sequence[Question], target: int | None = None) -> Answer:
        """Ask everything in one trip. Freshness is looked at first: the rows are at least as fresh as it says.

        A pipeline is a transaction as it is: what SET_TENANT set ends with it. Were it not, no row of anybody would be seen.
        `target`: what was waited for; what happened since does not make the answer stale.
        """

        async def ask(connection: Connection) -> tuple[Row | None, list[list[Row]]]:
            async with connection.pipeline():
                await connection.execute(SET_TENANT, {"tenant_id": str(tenant_id), "plans": PLANNED_ONCE})
                freshness = await _cursor(connection, Question(SELECT_FRESHNESS, {"tenant_id": tenant_id}))
                if not all(question.by_key for question in questions):
                    await connection.execute(SET_PLANS, {"plans": PLANNED_EACH_TIME})
                cursors = [await _cursor(connection, question) for question in questions]
            return await freshness.fetchone(), [await cursor.fetchall() for cursor in cursors]

        found, rows = await self._pool.read(ask)
        if found is None:
            return Answer(rows, Freshness(1, 0, 0))
        head = found["head"] if target is None else target
        return Answer(rows, Freshness(found["epoch"], head, found["position"]))


async def _cursor(connection: Connection, question: Question) -> Any:
    cursor = connection.cursor(row_factory=dict_row)
    return await cursor.execute(question.statement, question.params)


def freshness_headers(found: Freshness) -> dict[str, str]:
    return {"Gesta-Stale": str(found.behind)} if found.behind else {}

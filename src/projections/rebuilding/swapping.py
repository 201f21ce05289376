"""Exchanging the tables that serve for those that were built, in one transaction.

The checkpoints that serve are fenced, so that no projector is in the middle of a flush; what came last is folded; every table is
locked against everybody, for a moment; then they change schemas. Who reads by name reads the new ones from the next statement on,
prepared statements too. Locks are tried for, not waited for: a session that has read a table and is still in its transaction (a
backup, an analyst) would see rows vanish, so its end is waited for without standing in anybody's way.

What people have granted to roles of their own, and their policies, go along. What else hangs on the old tables (views, foreign
keys and functions of others, indexes, triggers, publications) stays with them: it is named, and a reason not to exchange them.
Gesta's own views are made anew (`projections.rebuilding.views`).
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from psycopg import AsyncConnection, sql

from projections.freshness import of_schema
from projections.generation import NEXT_SCHEMA, OLD_SCHEMA, SERVING_SCHEMA, Generation
from projections.rebuilding import records, views
from projections.rebuilding.dependents import ForeignGrants, rights_of
from projections.rebuilding.filling import Filler
from projections.table import Table
from runtime.errors import OperatorError
from runtime.failpoints import failpoint

FENCE_MILLISECONDS = 1000
"""So long a fence waits for a flush to end."""
EXCHANGE_MILLISECONDS = 400
"""So long all in all the locks may be waited for. Less than `deadlock_timeout`: it is never a reader who has to give way."""
LAST_EVENTS = 5000
"""What may be folded behind the fence; more is folded before."""

NO_WAITING = sql.SQL("SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}")
FENCE = "LOCK TABLE projections.freshness IN EXCLUSIVE MODE"
LOCK = sql.SQL("LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
CREATE_OLD = sql.SQL("CREATE SCHEMA IF NOT EXISTS {schema}")
COMMENT_OLD = sql.SQL("COMMENT ON SCHEMA {schema} IS 'Tables that served before; gesta projections drop-old drops them.'")
MOVE = sql.SQL("ALTER TABLE {table} SET SCHEMA {schema}")
DROP_NEXT = sql.SQL("DROP SCHEMA {schema} CASCADE")
# every projector looks first whether the tables that serve now are a newer release's
SHOW_AGAIN = "UPDATE runtime.leases SET fence = fence + 1 WHERE name LIKE 'projector %'"
BEHIND = """
SELECT s.tenant_id FROM projections.freshness s LEFT JOIN {schema}.freshness n ON n.tenant_id = s.tenant_id
 WHERE s.position <> coalesce(n.position, 0)
"""


Besides = Callable[[], Awaitable[None]]


class NotNow(Exception):
    """Somebody is in the way: try again."""


async def nothing() -> None:
    """Where there is nothing to do besides."""


async def swap(
    owner: AsyncConnection[Any],
    system: AsyncConnection[Any],
    filler: Filler,
    generation: Generation,
    tables: Sequence[Table],
    number: int,
    groups: Collection[str],
    besides: Besides = nothing,
) -> None:
    """Exchange `tables`, all or none. `owner`: as gesta_owner, in autocommit; `system`: as gesta_system.

    `besides`: done when nothing is left to do but to commit.

    Raises NotNow where somebody is in the way, psycopg's LockNotAvailable and QueryCanceled among the reasons.
    """
    serving = [table for table in tables if await _is_there(owner, SERVING_SCHEMA, table)]
    ours = await views.there(owner)
    async with owner.transaction():
        await owner.execute(NO_WAITING.format(FENCE_MILLISECONDS, 2 * FENCE_MILLISECONDS))
        await owner.execute(FENCE)
        if sum(gap.up_to - gap.after for gap in await filler.gaps()) > LAST_EVENTS:
            raise NotNow("the ledgers have grown meanwhile")
        await filler.fill()
        cursor = await system.execute(of_schema(BEHIND, generation.schema))
        if (other := await cursor.fetchone()) is not None:
            raise OperatorError(f"The tables that were built do not stand where those that serve do, of the ledger {other[0]}.")
        rights = await rights_of(owner, SERVING_SCHEMA, serving)
        await owner.execute(NO_WAITING.format(EXCHANGE_MILLISECONDS, EXCHANGE_MILLISECONDS))
        await owner.execute(LOCK.format(tables=_names(SERVING_SCHEMA, serving, ours)))
        await owner.execute(NO_WAITING.format(FENCE_MILLISECONDS, 10 * FENCE_MILLISECONDS))
        await _exchange(owner, serving, tables, rights, anew=bool(ours))
        await records.serve(owner, number, groups)
        await owner.execute(SHOW_AGAIN)
        failpoint("rebuild.swapping")
        await besides()
    failpoint("rebuild.swapped")


async def _exchange(
    owner: AsyncConnection[Any], serving: Sequence[Table], tables: Sequence[Table], rights: ForeignGrants, *, anew: bool
) -> None:
    await owner.execute(CREATE_OLD.format(schema=sql.Identifier(OLD_SCHEMA)))
    await owner.execute(COMMENT_OLD.format(schema=sql.Identifier(OLD_SCHEMA)))
    for table in serving:
        await _move(owner, table, SERVING_SCHEMA, OLD_SCHEMA)
    for table in tables:
        await _move(owner, table, NEXT_SCHEMA, SERVING_SCHEMA)
    for statement in rights.statements:
        await owner.execute(statement)
    if anew:
        await views.make_anew(owner)
    await owner.execute(DROP_NEXT.format(schema=sql.Identifier(NEXT_SCHEMA)))


async def _move(owner: AsyncConnection[Any], table: Table, here: str, there: str) -> None:
    await owner.execute(MOVE.format(table=sql.Identifier(here, table.name), schema=sql.Identifier(there)))


async def _is_there(conn: AsyncConnection[Any], schema: str, table: Table) -> bool:
    cursor = await conn.execute("SELECT to_regclass(%s) IS NOT NULL", [f"{schema}.{table.name}"])
    return await cursor.fetchone() == (True,)


def _names(schema: str, tables: Sequence[Table], ours: Sequence[str]) -> sql.Composed:
    """Views go first, as for whoever reads them: so that neither waits for the other."""
    views = [sql.Identifier(*view.split(".")) for view in ours]
    return sql.SQL(", ").join([*views, *(sql.Identifier(schema, table.name) for table in tables)])

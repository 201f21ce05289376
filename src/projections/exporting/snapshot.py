"""One moment of a tenant's tables: all that is read in it shows the same position.

A snapshot that is held keeps what dies meanwhile from being cleaned up, and the job queue slows down under it
(docs/reference/bench.md, `held_snapshot`). So it has a time, after which the export ends without a result.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from time import monotonic
from uuid import UUID

from psycopg import sql
from psycopg.errors import InsufficientPrivilege, QueryCanceled, UndefinedTable

from projections.exporting.values import SETTINGS
from projections.generation import SERVING_SCHEMA
from runtime.errors import OperatorError, WrongUsage
from runtime.pools import Connection

ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
# Tables can be exchanged for others, which are empty in an older snapshot. So locks come first, before the query that begins it.
HOLD = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE")
BEGIN = """
SELECT set_config('gesta.tenant_id', %(tenant)s, true),
       set_config('statement_timeout', %(milliseconds)s, true), set_config('idle_in_transaction_session_timeout', '0', true)
"""
STANDING = "SELECT position, recorded_at FROM projections.freshness WHERE tenant_id = %s"
RELATIONS = """
SELECT c.relname, c.relkind, obj_description(c.oid), a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       col_description(c.oid, a.attnum), coalesce(a.attnum = ANY (i.indkey), false)
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
 WHERE c.relnamespace = 'projections'::regnamespace AND c.relkind IN ('r', 'v') AND has_table_privilege(c.oid, 'SELECT')
 ORDER BY c.relname, a.attnum
"""


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    """As PostgreSQL calls it."""
    comment: str | None
    required: bool
    in_key: bool


@dataclass(frozen=True)
class Relation:
    """A table or a view."""

    name: str
    is_view: bool
    comment: str | None
    columns: tuple[Column, ...]

    @property
    def qualified(self) -> sql.Identifier:
        return sql.Identifier(SERVING_SCHEMA, self.name)


class Snapshot:
    def __init__(self, connection: Connection, tenant_id: UUID, seconds: float) -> None:
        self.connection = connection
        self.tenant_id = tenant_id
        self.position = 0
        self.recorded_at: datetime | None = None
        self._seconds = seconds
        self._ends = monotonic() + seconds

    def keep_to_time(self) -> None:
        """Raises OperatorError where it was held for as long as it may be."""
        if monotonic() > self._ends:
            raise self.out_of_time()

    def out_of_time(self) -> OperatorError:
        return OperatorError(
            f"The export took longer than {self._seconds:g} seconds, and was given up: a snapshot that is held for long slows "
            "down the job queue. Export from a replica, or fewer tables, or give it more time with --within."
        )


async def relations(connection: Connection) -> dict[str, Relation]:
    """All tables and views that this login may read, by name."""
    found: dict[str, Relation] = {}
    for name, kind, comment, *column in await (await connection.execute(RELATIONS)).fetchall():
        before = found.get(name) or Relation(name, _text(kind) == "v", comment, ())
        made = Column(column[0], column[1], column[3], column[2], column[4])
        found[name] = Relation(name, before.is_view, comment, (*before.columns, made))
    return found


def chosen(known: dict[str, Relation], names: Sequence[str], *, views: bool) -> list[Relation]:
    """Those that are named; where none is: all tables, and with `views` all views. Raises WrongUsage."""
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 3)
            hint = f"Perhaps {' or '.join(near)}?" if near else f"There are: {', '.join(known)}."
            raise WrongUsage(f"There is no table {name}. {hint}")
    if names:
        return [known[name] for name in dict.fromkeys(names)]
    return [relation for relation in known.values() if views or not relation.is_view]


@asynccontextmanager
async def snapshot(connection: Connection, tenant_id: UUID, held: Iterable[Relation], seconds: float) -> AsyncIterator[Snapshot]:
    """`held`: what will be read. Raises OperatorError where it was held for longer than `seconds`."""
    made = Snapshot(connection, tenant_id, seconds)
    settings = {"tenant": str(tenant_id), "milliseconds": str(int(seconds * 1000) + 1)}
    try:
        async with connection.transaction():
            await connection.execute(ONE_MOMENT)
            await connection.execute(HOLD.format(sql.SQL(", ").join(relation.qualified for relation in held)))
            await connection.execute(BEGIN, settings)
            await connection.execute(SETTINGS)
            standing = await (await connection.execute(STANDING, (tenant_id,))).fetchone()
            if standing is not None:
                made.position, made.recorded_at = standing
            yield made
    except QueryCanceled as error:
        raise made.out_of_time() from error
    except (UndefinedTable, InsufficientPrivilege) as error:
        raise OperatorError(f"The tables cannot be read: {error.diag.message_primary}.") from error


def _text(kind: object) -> str:
    return kind.decode() if isinstance(kind, bytes) else str(kind)

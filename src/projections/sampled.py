"""A share of a ledger's streams, looked at one by one: is each in order, and are its rows what its events come to?

Which streams follows from a seed and their ids alone, so a sample can be repeated, and one of a greater share has all streams of
a smaller one. They are taken in an order by chance: whoever stops early has a smaller sample. A stream's rows are folded from it
and from those that its events lead to (`past_rows`), so nothing else of the ledger is read.

What only shows when all events are seen (positions, claims, jobs, timers, what holds between things) a sample does not prove; nor
the tables in NOT_SAMPLED, nor what is in the archive.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from psycopg import AsyncConnection, sql

from domain.envelope import RecordedEvent
from domain.workflow import WorkflowDrafted
from projections import workflows
from projections.past_rows import PARTS, STREAMS, PastRows, TooMuch, Unfoldable
from projections.registry import TABLES
from projections.replay import Comparison, compare_rows, stream_rows
from projections.rows import Rows, TableRows
from projections.skipped_events import read_skipped_events
from projections.table import Row, Table
from runtime.pools import Connection

T = TypeVar("T")
AT_ONCE = 50
"""Streams that are folded together."""
SCALE = 1 << 30

# By a hash that PostgreSQL promises to keep: of all streams of a ledger, by the index that has their versions.
CHOSEN = """
SELECT stream_id
  FROM (SELECT stream_id, hashtextextended(stream_id::text, %(seed)s) & (%(scale)s - 1) AS place
          FROM ledger.events WHERE tenant_id = %(tenant)s AND version = 1) all_of_them
 WHERE place < %(below)s
 ORDER BY place, stream_id
"""
STREAM_COUNT = "SELECT count(*) FROM ledger.events WHERE tenant_id = %(tenant)s AND version = 1"
AUDITED = """
SELECT position, command_id, occurred_at, recorded_at FROM projections.audit_logs
 WHERE tenant_id = %(tenant)s AND position = ANY (%(positions)s)
"""
OF_STREAMS = sql.SQL("SELECT {columns} FROM {table} WHERE tenant_id = %(tenant)s AND {owner} = ANY (%(streams)s)")
OF_VISITS = sql.SQL("""
SELECT {columns} FROM {table}
 WHERE tenant_id = %(tenant)s AND (item_id IS NULL AND execution_id = ANY (%(streams)s)
                                   OR execution_id = ANY (%(around)s) AND item_id = ANY (%(streams)s))
""")

OWNERS: Mapping[str, str] = {
    "approval_decisions": "request_id",
    "approval_comments": "request_id",
    "ai_agent_attempts": "task_id",
    "evaluation_results": "evaluation_id",
}
"""Tables whose key does not begin with the stream that makes the row, and the column that names it."""
VISITS = frozenset(("node_activations", "execution_waits"))
"""Of an item's stream where there is one, else of the execution's."""
NOT_SAMPLED: Mapping[str, str] = {
    **dict.fromkeys(("tenants", "users", "permissions"), "the platform's, which is read whole"),
    **dict.fromkeys(("archived_rows", "archived_executions"), "what an archived execution had is made of many streams"),
    **dict.fromkeys(("delegations", "budgets"), "one stream has the rows of many"),
    **dict.fromkeys(("workflow_triggers", "trigger_runs"), "executions count in them, too"),
    "audit_logs": "names things as they were; that each event has its row is looked at",
}
SAMPLED = tuple(table for table in TABLES if table.name not in NOT_SAMPLED)


@dataclass
class Sampled:
    """What was looked at, and what was found. `streams`: of how many in the ledger."""

    comparison: Comparison
    streams: int = 0
    of_streams: int = 0
    events: int = 0
    wrong: list[str] = field(default_factory=list)
    too_long: int = 0
    """Streams of which more has happened than is folded for one question; they were not looked at."""


async def sample_streams(
    conn: AsyncConnection[Any], tenant_id: UUID, position: int, *, percent: float, seed: int, until: Callable[[], bool]
) -> Sampled:
    """So many streams in a hundred, within the caller's snapshot, as the tables stand. `until`: whether it is enough."""
    left_out = [skip for skip in await read_skipped_events(conn, tenant_id) if skip.position <= position]
    found = Sampled(Comparison(tenant_id, position, skipped=left_out))
    named = {"tenant": tenant_id, "seed": seed, "scale": SCALE, "below": round(SCALE * percent / 100)}
    count = await (await conn.execute(STREAM_COUNT, named)).fetchone()
    found.of_streams = 0 if count is None else count[0]
    chosen = [row[0] for row in await (await conn.execute(CHOSEN, named)).fetchall()]
    for begin in range(0, len(chosen), AT_ONCE):
        if until():
            break
        await _look_at(conn, found, chosen[begin : begin + AT_ONCE])
    return found


async def _look_at(conn: AsyncConnection[Any], found: Sampled, streams: Sequence[UUID]) -> None:
    """Where something is in the way of folding them together: one half after the other."""
    tenant_id, position = found.comparison.tenant_id, found.comparison.position

    async def ask(question: Callable[[Connection], Awaitable[T]]) -> T:
        return await question(conn)

    past = PastRows(tenant_id, position, ask)
    try:
        rows = await past.rows([table.name for table in SAMPLED if table.name != workflows.NAME], streams)
        begun = [each for stream in streams for each in await past.events(stream)]
        named = {each.stream_id for each in begun if isinstance(each.event, WorkflowDrafted)}
        of_workflows = await PastRows(tenant_id, position, ask).rows([workflows.NAME], named)
    except (TooMuch, Unfoldable) as error:
        if len(streams) > 1:
            for half in (streams[: len(streams) // 2], streams[len(streams) // 2 :]):
                await _look_at(conn, found, half)
        elif isinstance(error, TooMuch):
            found.too_long += 1
        else:
            found.streams += 1
            found.wrong.append(str(error))
        return
    await _compare(conn, found, streams, rows, of_workflows)
    await _in_order(conn, found, streams, begun)


async def _compare(conn: AsyncConnection[Any], found: Sampled, streams: Sequence[UUID], rows: Rows, of_workflows: Rows) -> None:
    wanted = frozenset(streams)
    items = [row for row in rows.of("execution_items").each() if row["id"] in wanted]
    named = {"tenant": found.comparison.tenant_id, "streams": list(streams), "around": [row["execution_id"] for row in items]}
    for table in SAMPLED:
        folded = TableRows(table)
        for row in (of_workflows if table is workflows.TABLE else rows).of(table.name).each():
            if owner_of(table, row) in wanted:
                folded.load(row)
        statement = (OF_VISITS if table.name in VISITS else OF_STREAMS).format(
            columns=sql.SQL(", ").join(map(sql.Identifier, table.columns)),
            table=sql.Identifier("projections", table.name),
            owner=sql.Identifier(owner_column(table)),
        )
        count = await compare_rows(table, stream_rows(conn, statement, named), folded, found.comparison)
        found.comparison.rows[table.name] = found.comparison.rows.get(table.name, 0) + count


async def _in_order(
    conn: AsyncConnection[Any], found: Sampled, streams: Sequence[UUID], records: Collection[RecordedEvent]
) -> None:
    """Versions without gaps, in the order of positions, and a row of the audit log for each."""
    found.streams += len(streams)
    found.events += len(records)
    versions: dict[UUID, int] = {}
    for record in records:
        if record.version != versions.get(record.stream_id, 0) + 1:
            found.wrong.append(f"Event {record.position} has version {record.version} of the stream {record.stream_id}.")
        versions[record.stream_id] = record.version
    named = {"tenant": found.comparison.tenant_id, "positions": [record.position for record in records]}
    audited = {row[0]: row[1:] for row in await (await conn.execute(AUDITED, named)).fetchall()}
    skipped = {skip.position for skip in found.comparison.skipped}
    for record in records:
        told = (record.command_id, record.occurred_at, record.recorded_at)
        if record.position not in skipped and audited.get(record.position) != told:
            found.wrong.append(f"The audit log has not what event {record.position} says.")


def owner_column(table: Table) -> str:
    """The column that names the stream which a row is made by."""
    if table.name in VISITS:
        return "execution_id"
    column = OWNERS.get(table.name, table.key[1])
    assert column in STREAMS | {"evaluation_id"}, table.name
    assert column != "id" or table.name not in PARTS, table.name
    return column


def owner_of(table: Table, row: Row) -> UUID:
    owner: UUID = row["item_id"] if table.name in VISITS and row["item_id"] is not None else row[owner_column(table)]
    return owner

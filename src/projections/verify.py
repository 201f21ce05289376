"""Verify: what must always hold of a tenant, checked in one snapshot without changing anything.

The ledger is in order and breaks no rule (`projections.rules`), the tables equal a fresh fold of it, the audit log has one row
for each event, and what append keeps beside the events (commands, claims) agrees with them.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from domain.refusal import CommandRefused
from projections import freshness
from projections.replay import Comparison, compare, portions, snapshot
from projections.rules import Rules
from projections.skips import skips
from store.codec import Undecodable
from store.reading import head
from store.topics import UnknownTopic, topics_of

# one row of the audit log for each position up to the checkpoint, and none above it
AUDIT = """
SELECT count(*), count(*) FILTER (WHERE position BETWEEN 1 AND %(position)s)
  FROM projections.audit_logs WHERE tenant_id = %(tenant)s
"""

# commands whose last event is not where they say it is
COMMANDS = """
SELECT c.command_id, c.position
  FROM runtime.commands c
  LEFT JOIN ledger.events e ON e.tenant_id = c.tenant_id AND e.position = c.position
  LEFT JOIN ledger.events n ON n.tenant_id = c.tenant_id AND n.position = c.position + 1
 WHERE c.tenant_id = %(tenant)s AND c.position IS NOT NULL
   AND (e.command_id IS DISTINCT FROM c.command_id OR n.command_id = c.command_id)
"""

# commands whose events do not stand together; a refused one may have been repeated, and accepted, under the same id
SCATTERED = """
SELECT command_id FROM ledger.events WHERE tenant_id = %(tenant)s AND topic <> ALL (%(refused)s)
 GROUP BY command_id HAVING max(position) - min(position) + 1 <> count(*)
"""

CLAIMS = "SELECT scope, name, owner FROM runtime.claims WHERE tenant_id = %(tenant)s"

OPEN_IN_ENDED = """
SELECT a.id FROM projections.node_activations a
  JOIN projections.workflow_executions e ON e.tenant_id = a.tenant_id AND e.id = a.execution_id
 WHERE a.tenant_id = %(tenant)s AND a.status = 'running' AND e.status IN ('completed', 'failed', 'cancelled')
"""


OPEN_AI_IN_ENDED = """
SELECT t.id FROM projections.ai_agent_tasks t
  JOIN projections.workflow_executions e ON e.tenant_id = t.tenant_id AND e.id = t.execution_id
 WHERE t.tenant_id = %(tenant)s AND t.status IN ('pending', 'running') AND e.status IN ('completed', 'failed', 'cancelled')
"""

# tasks whose attempts are not numbered 1, 2, 3 … up to their retries, or do not cost together what the task cost
AI_SUMS = """
SELECT t.id, count(a.id), t.actual_cost, sum(a.cost) FILTER (WHERE a.currency IS NOT DISTINCT FROM t.currency)
  FROM projections.ai_agent_tasks t
  LEFT JOIN projections.ai_agent_attempts a ON a.tenant_id = t.tenant_id AND a.task_id = t.id
 WHERE t.tenant_id = %(tenant)s
 GROUP BY t.tenant_id, t.id
HAVING count(a.id) <> coalesce(max(a.number), 0) OR greatest(count(a.id) - 1, 0) <> t.retry_count
    OR t.actual_cost IS DISTINCT FROM sum(a.cost) FILTER (WHERE a.currency IS NOT DISTINCT FROM t.currency)
"""


@dataclass(frozen=True)
class Verdict:
    """What was checked of a tenant, and what was found broken: sentences by check."""

    tenant_id: UUID
    events: int
    """The ledger's last position."""
    position: int
    """The tables' position."""
    comparison: Comparison
    broken: dict[str, list[str]] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return not any(self.broken.values())


async def verify(conn: AsyncConnection[Any], tenant_id: UUID) -> Verdict:
    """Check a tenant (or the platform). `conn` is in autocommit, as gesta_system."""
    async with snapshot(conn):
        top = await head(conn, tenant_id)
        last = top.position if top else 0
        position = await freshness.position(conn, tenant_id)
        rules = Rules()
        ledger = await _walk(conn, tenant_id, last, rules)
        try:
            comparison = await compare(conn, tenant_id, min(position, last))
        except (UnknownTopic, Undecodable) as error:
            comparison = Comparison(tenant_id, min(position, last), unfoldable=str(error))
        skipped = sum(skip.position <= position for skip in await skips(conn, tenant_id))
        unfoldable = [] if comparison.unfoldable is None else [comparison.unfoldable]
        broken = {
            "ledger": ledger,
            "tables": unfoldable + [str(difference) for difference in comparison.differences],
            "freshness": [] if position <= last else [f"The tables stand at {position}, the ledger ends at {last}."],
            "audit_logs": await _audit(conn, tenant_id, position, skipped),
            "commands": await _commands(conn, tenant_id),
            "claims": await _claims(conn, tenant_id, rules),
            "activations": await _activations(conn, tenant_id),
            "ai_tasks": await _ai_tasks(conn, tenant_id),
        }
    return Verdict(tenant_id, last, position, comparison, broken)


async def _walk(conn: AsyncConnection[Any], tenant_id: UUID, last: int, rules: Rules) -> list[str]:
    """Show every event to the rules; what they and the reading find."""
    try:
        async for records in portions(conn, tenant_id, last):
            for record in records:
                rules.see(record)
    except (UnknownTopic, Undecodable) as error:
        return [*rules.broken, f"an event cannot be read: {error}"]
    return rules.broken


async def _audit(conn: AsyncConnection[Any], tenant_id: UUID, position: int, skipped: int) -> list[str]:
    cursor = await conn.execute(AUDIT, {"tenant": tenant_id, "position": position})
    rows, within = await cursor.fetchone() or (0, 0)
    if rows == within == position - skipped:
        return []
    return [f"{rows} rows, {within} of them within the {position} events projected, {skipped} of which were skipped."]


async def _commands(conn: AsyncConnection[Any], tenant_id: UUID) -> list[str]:
    cursor = await conn.execute(COMMANDS, {"tenant": tenant_id})
    found = [f"The command {command} did not end at position {at}." for command, at in await cursor.fetchall()]
    cursor = await conn.execute(SCATTERED, {"tenant": tenant_id, "refused": list(topics_of(CommandRefused))})
    return found + [f"The events of the command {row[0]} do not stand together." for row in await cursor.fetchall()]


async def _claims(conn: AsyncConnection[Any], tenant_id: UUID, rules: Rules) -> list[str]:
    cursor = await conn.execute(CLAIMS, {"tenant": tenant_id})
    held = {(scope, name): owner for scope, name, owner in await cursor.fetchall()}
    return [
        f"{scope} “{name}” is held by {held.get((scope, name))}, by the events {rules.claims.get((scope, name))}."
        for scope, name in sorted(held.keys() | rules.claims.keys())
        if held.get((scope, name)) != rules.claims.get((scope, name))
    ]


async def _activations(conn: AsyncConnection[Any], tenant_id: UUID) -> list[str]:
    cursor = await conn.execute(OPEN_IN_ENDED, {"tenant": tenant_id})
    return [f"The activation {row[0]} runs in an execution that has ended." for row in await cursor.fetchall()]


async def _ai_tasks(conn: AsyncConnection[Any], tenant_id: UUID) -> list[str]:
    cursor = await conn.execute(OPEN_AI_IN_ENDED, {"tenant": tenant_id})
    found = [f"The AI task {row[0]} is open in an execution that has ended." for row in await cursor.fetchall()]
    cursor = await conn.execute(AI_SUMS, {"tenant": tenant_id})
    return found + [
        f"The AI task {task} cost {cost}; its {attempts} attempts come to {together}, or are not numbered without gaps."
        for task, attempts, cost, together in await cursor.fetchall()
    ]

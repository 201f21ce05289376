"""Verify: what must always hold of a tenant, checked in one snapshot without changing anything.

The ledger is in order and breaks no rule (`projections.invariants`), the tables equal a fresh fold of it, the audit log has one
row for each event, and what append keeps beside the events (head, commands, claims, jobs, timers) agrees with them. The queue of
jobs says of each what the job says. Memory is bounded as a replay's is; at most a thousand findings of each kind are told.

What nobody can find from what is stored alone needs seals: a payload that was changed together with the tables made from it, a
changed answer of a command, a command without events that was deleted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from domain.refusal import CommandRefused
from projections import freshness
from projections.invariants import MOST, Invariants
from projections.job_queue import faults_in_queue
from projections.replay import Comparison, compare, snapshot
from projections.sampled import Sampled, sample_streams
from projections.skipped_events import read_skipped_events, unrecorded
from projections.work_invariants import WorkInvariants
from store.jobs import COMMANDS_KEPT
from store.reading import LAST, Head, head
from store.topics import topics_of

# one row of the audit log for each position up to the checkpoint, and none above it
AUDIT = """
SELECT count(*), count(*) FILTER (WHERE position BETWEEN 1 AND %(position)s)
  FROM projections.audit_logs WHERE tenant_id = %(tenant)s
"""

# commands whose last event is not where they say it is, or was recorded at another time
COMMANDS = """
SELECT c.command_id, c.position
  FROM runtime.commands c
  LEFT JOIN (SELECT command_id, max(position) AS position, max(recorded_at) AS recorded_at
               FROM ledger.events WHERE tenant_id = %(tenant)s GROUP BY command_id) e USING (command_id)
 WHERE c.tenant_id = %(tenant)s AND (c.position IS DISTINCT FROM e.position OR c.created_at <> e.recorded_at)
 LIMIT %(most)s
"""

# events of a time whose commands are all kept, without theirs (housekeeping forgets none that is younger than a day)
WITHOUT_COMMAND = """
SELECT e.command_id, min(e.position)
  FROM ledger.events e
 WHERE e.tenant_id = %(tenant)s AND e.recorded_at >= now() - %(kept)s::interval
   AND NOT EXISTS (SELECT FROM runtime.commands c WHERE c.tenant_id = e.tenant_id AND c.command_id = e.command_id)
 GROUP BY e.command_id LIMIT %(most)s
"""

# commands whose events do not stand together; a refused one may have been repeated, and accepted, under the same id
SCATTERED = """
SELECT command_id FROM ledger.events WHERE tenant_id = %(tenant)s AND topic <> ALL (%(refused)s)
 GROUP BY command_id HAVING max(position) - min(position) + 1 <> count(*) LIMIT %(most)s
"""

EPOCH = """
SELECT h.epoch, coalesce((SELECT max(epoch) FROM ledger.epochs e WHERE e.tenant_id = h.tenant_id), 1)
  FROM ledger.heads h WHERE h.tenant_id = %(tenant)s
"""

JOBS = "SELECT id, execution_id, type FROM runtime.jobs WHERE tenant_id = %(tenant)s"
TIMERS = "SELECT id, execution_id, due_at FROM runtime.timers WHERE tenant_id = %(tenant)s"

CLAIMS = "SELECT scope, name, owner FROM runtime.claims WHERE tenant_id = %(tenant)s"

OPEN_IN_ENDED = """
SELECT a.id FROM projections.node_activations a
  JOIN projections.workflow_executions e ON e.tenant_id = a.tenant_id AND e.id = a.execution_id
 WHERE a.tenant_id = %(tenant)s AND a.status = 'running' AND e.status IN ('completed', 'failed', 'cancelled')
   AND NOT (a.item_id IS NOT NULL AND EXISTS (  -- a foreach that was given up: a job ends what of it still runs
           SELECT FROM runtime.jobs j
            WHERE j.tenant_id = %(tenant)s AND j.execution_id = a.execution_id AND j.type = 'gesta.foreach'))
 LIMIT %(most)s
"""


OPEN_AI_IN_ENDED = """
SELECT t.id FROM projections.ai_agent_tasks t
  JOIN projections.workflow_executions e ON e.tenant_id = t.tenant_id AND e.id = t.execution_id
 WHERE t.tenant_id = %(tenant)s AND t.status IN ('pending', 'running') AND e.status IN ('completed', 'failed', 'cancelled')
   AND NOT (t.item_index IS NOT NULL AND EXISTS (  -- a foreach that was given up: a job ends what of it still runs
           SELECT FROM runtime.jobs j
            WHERE j.tenant_id = %(tenant)s AND j.execution_id = t.execution_id AND j.type = 'gesta.foreach'))
 LIMIT %(most)s
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
 LIMIT %(most)s
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
    folded: bool = True
    """Whether the ledger was read and its tables compared; else only what is asked of the database in a few questions."""
    sampled: Sampled | None = None
    """Which of its streams were read, where some were."""

    @property
    def holds(self) -> bool:
        return not any(self.broken.values())


async def verify(conn: AsyncConnection[Any], tenant_id: UUID) -> Verdict:
    """Check a tenant (or the platform). `conn` is in autocommit, as gesta_system."""
    async with snapshot(conn):
        top = await head(conn, tenant_id)
        last = top.position if top else 0
        position = await freshness.position(conn, tenant_id)
        left_out = [skip.position for skip in await read_skipped_events(conn, tenant_id)]
        rules = Invariants(frozenset(left_out))
        comparison = await compare(conn, tenant_id, min(position, last), last=LAST, see=rules.see)
        skipped = sum(each <= position for each in left_out)
        unfoldable = [] if comparison.unfoldable is None else [comparison.unfoldable]
        broken = {
            "ledger": [
                *await _head(conn, tenant_id, top),
                *_told(rules.broken, rules.more),
                *islice(rules.ai.budgets.left(), MOST),
            ],
            "tables": unfoldable + _differences(comparison),
            "freshness": [] if position <= last else [f"The tables are at {position}, the ledger ends at {last}."],
            "audit_logs": await _audit(conn, tenant_id, position, skipped),
            "skips": await _skips(conn, tenant_id),
            "commands": await _commands(conn, tenant_id),
            "claims": await _claims(conn, tenant_id, rules),
            "jobs": await _jobs(conn, tenant_id, rules.work),
            "timers": await _timers(conn, tenant_id, rules.work),
            "activations": await _activations(conn, tenant_id),
            "ai_tasks": await _ai_tasks(conn, tenant_id),
        }
    broken["job_queue"] = _first([str(fault) for fault in await faults_in_queue(conn, tenant_id, MOST + 1)])
    return Verdict(tenant_id, last, position, comparison, broken)


class OfStreams(NamedTuple):
    """So many streams of a ledger in a hundred, as `projections.sampled` chooses them. `until`: whether it is enough."""

    percent: float
    seed: int
    until: Callable[[], bool] = lambda: False


async def look_over(conn: AsyncConnection[Any], tenant_id: UUID, some: OfStreams | None = None) -> Verdict:
    """What can be checked of a tenant without reading its ledger: its ends, an audit row for each event, its queue.

    With `some`: also these streams, and their rows.
    """
    sampled = None
    async with snapshot(conn):
        top = await head(conn, tenant_id)
        last = top.position if top else 0
        position = await freshness.position(conn, tenant_id)
        left_out = await read_skipped_events(conn, tenant_id)
        skipped = sum(each.position <= position for each in left_out)
        broken = {
            "ledger": await _head(conn, tenant_id, top),
            "freshness": [] if position <= last else [f"The tables are at {position}, the ledger ends at {last}."],
            "audit_logs": await _audit(conn, tenant_id, position, skipped),
            "skips": await _skips(conn, tenant_id),
            "activations": await _activations(conn, tenant_id),
            "ai_tasks": await _ai_tasks(conn, tenant_id),
        }
        comparison = Comparison(tenant_id, position, skipped=left_out)
        if some is not None:
            sampled = await sample_streams(conn, tenant_id, min(position, last), **some._asdict())
            comparison = sampled.comparison
            broken["streams"] = _first(sampled.wrong)
            broken["tables"] = _differences(comparison)
    broken["job_queue"] = _first([str(fault) for fault in await faults_in_queue(conn, tenant_id, MOST + 1)])
    return Verdict(tenant_id, last, position, comparison, broken, folded=False, sampled=sampled)


class Sample(NamedTuple):
    """Ledgers to read whole, and those that are too long for that, of which some streams are read."""

    whole: set[UUID]
    in_part: set[UUID]


def sample(events: Mapping[UUID, int], percent: float, random: Random) -> Sample:
    """So many of all events in a hundred: some of the ledgers that fit into that, one at least, and a share of each other one."""
    in_part = {tenant_id for tenant_id, count in events.items() if count > sum(events.values()) * percent / 100}
    small = sorted(events.keys() - in_part)
    wanted, whole, covered = sum(events[each] for each in small) * percent / 100, set[UUID](), 0
    for tenant_id in random.sample(small, len(small)):
        if whole and covered >= wanted:
            break
        whole.add(tenant_id)
        covered += events[tenant_id]
    return Sample(whole, in_part)


def _differences(comparison: Comparison) -> list[str]:
    told = [str(difference) for difference in comparison.differences]
    return _told(told, comparison.count - len(told))


def _told(sentences: list[str], more: int) -> list[str]:
    return [*sentences, f"and {more} more"] if more else sentences


async def _head(conn: AsyncConnection[Any], tenant_id: UUID, top: Head | None) -> list[str]:
    """The row that every append locks."""
    if top is None:
        return ["The ledger has no head: it was deleted, or what there is of this tenant came from elsewhere."]
    cursor = await conn.execute(EPOCH, {"tenant": tenant_id})
    epoch, written_down = await cursor.fetchone() or (1, 1)
    return [] if epoch == written_down else [f"The ledger's epoch is {epoch}, but it was raised to {written_down}."]


async def _audit(conn: AsyncConnection[Any], tenant_id: UUID, position: int, skipped: int) -> list[str]:
    cursor = await conn.execute(AUDIT, {"tenant": tenant_id, "position": position})
    rows, within = await cursor.fetchone() or (0, 0)
    if rows == within == position - skipped:
        return []
    return [f"{rows} rows, {within} of them within the {position} events projected, {skipped} of which were skipped."]


async def _skips(conn: AsyncConnection[Any], tenant_id: UUID) -> list[str]:
    """What is left out of the tables is on record; skips by releases that appended nothing are taken as they are."""
    found = await unrecorded(conn, tenant_id, MOST + 1)
    return _first([f"Event {skipped} is skipped, and no event at {at} says so." for skipped, at in found])


async def _commands(conn: AsyncConnection[Any], tenant_id: UUID) -> list[str]:
    asked = {"tenant": tenant_id, "most": MOST, "kept": COMMANDS_KEPT, "refused": list(topics_of(CommandRefused))}
    cursor = await conn.execute(COMMANDS, asked)
    found = [
        f"The command {command} did not end at position {at}, or not when it says." for command, at in await cursor.fetchall()
    ]
    cursor = await conn.execute(WITHOUT_COMMAND, asked)
    found += [f"The command {command}, whose event is at position {at}, is gone." for command, at in await cursor.fetchall()]
    cursor = await conn.execute(SCATTERED, asked)
    return found + [f"The events of the command {row[0]} do not stand together." for row in await cursor.fetchall()]


async def _jobs(conn: AsyncConnection[Any], tenant_id: UUID, work: WorkInvariants) -> list[str]:
    missing = {job: execution for job, execution in work.jobs() if execution not in work.unread}
    left = work.left()
    cursor = await conn.execute(JOBS, {"tenant": tenant_id})
    stray = [
        f"The job {job} ({kind}) is for nothing that is open."
        for job, execution, kind in await cursor.fetchall()
        if missing.pop(job, None) is None and execution not in work.unread and job not in left
    ]
    gone = (
        f"The job {job} is pending, and gone."
        if owner == job
        else f"The job {job}, for which the execution {owner} waits, is gone."
        for job, owner in missing.items()
    )
    return _first([*gone, *stray])


async def _timers(conn: AsyncConnection[Any], tenant_id: UUID, work: WorkInvariants) -> list[str]:
    missing = {timer: due_at for timer, execution, due_at in work.timers() if execution not in work.unread}
    left, found = work.left(), []
    cursor = await conn.execute(TIMERS, {"tenant": tenant_id})
    for timer, execution, due_at in await cursor.fetchall():
        if timer not in missing:
            if execution not in work.unread and timer not in left:
                found.append(f"The timer {timer} is for nothing that is open.")
            continue
        wanted = missing.pop(timer)
        if wanted and due_at not in wanted:
            found.append(f"The timer {timer} is due at {due_at}, by the events at {wanted[0]}.")
    return _first([*(f"The timer {timer}, of a visit or a job with a time limit, is gone." for timer in missing), *found])


def _first(sentences: list[str]) -> list[str]:
    return _told(sentences[:MOST], max(len(sentences) - MOST, 0))


async def _claims(conn: AsyncConnection[Any], tenant_id: UUID, rules: Invariants) -> list[str]:
    cursor = await conn.execute(CLAIMS, {"tenant": tenant_id})
    held = {(scope, name): owner for scope, name, owner in await cursor.fetchall()}
    return _first(
        [
            f"{scope} “{name}” is held by {held.get((scope, name))}, by the events {rules.claims.get((scope, name))}."
            for scope, name in sorted(held.keys() | rules.claims.keys())
            if held.get((scope, name)) != rules.claims.get((scope, name))
        ]
    )


async def _activations(conn: AsyncConnection[Any], tenant_id: UUID) -> list[str]:
    cursor = await conn.execute(OPEN_IN_ENDED, {"tenant": tenant_id, "most": MOST})
    return [f"The activation {row[0]} runs in an execution that has ended." for row in await cursor.fetchall()]


async def _ai_tasks(conn: AsyncConnection[Any], tenant_id: UUID) -> list[str]:
    cursor = await conn.execute(OPEN_AI_IN_ENDED, {"tenant": tenant_id, "most": MOST})
    found = [f"The AI task {row[0]} is open in an execution that has ended." for row in await cursor.fetchall()]
    cursor = await conn.execute(AI_SUMS, {"tenant": tenant_id, "most": MOST})
    return found + [
        f"The AI task {task} cost {cost}; its {attempts} attempts come to {together}, or are not numbered without gaps."
        for task, attempts, cost, together in await cursor.fetchall()
    ]

"""Views in the words of the business, each beside what a reading of the ledger's events comes to that knows no table."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from hashlib import md5
from random import Random
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row

from domain.ai_task import AiTaskAttemptSucceeded, AiTaskRequested, AiTaskToolCallDenied, AiTaskToolCallSucceeded
from domain.approval import (
    ApprovalClaimed,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalRecalled,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
)
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    ExecutionArchived,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionPaused,
    ExecutionStarted,
)
from projections.projector import Projector
from tests.conftest import Database
from tests.projections.random_work import Told, tell, workflow_of
from tests.projections.story import ACME, ANN, BOB, Ledgers

ENDS = {ExecutionCompleted: "completed", ExecutionFailed: "failed", ExecutionCancelled: "cancelled"}
ENDS_OF_VISITS = {ActivationCompleted: "completed", ActivationFailed: "failed", ActivationCancelled: "cancelled"}
WAITING = ("approval", "wait")
Rows = list[dict[str, Any]]


def ms(start: datetime, end: datetime) -> int:
    return (end - start) // timedelta(milliseconds=1)


def percentile(values: list[int], share: float) -> int | None:
    """Between two of them as far as the share says."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return round(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


class Reading:
    """The log, read once: executions and visits as they went."""

    def __init__(self, told: list[Told]) -> None:
        self.told = told
        self.started: dict[UUID, datetime] = {}
        self.ended: dict[UUID, tuple[datetime, Any]] = {}
        self.paths: dict[UUID, list[str]] = defaultdict(list)
        self.visits: dict[UUID, dict[str, Any]] = {}
        for at, stream, event in told:
            match event:
                case ExecutionStarted():
                    self.started[stream] = at
                case ActivationStarted():
                    self.visits[event.activation_id] = {
                        "execution": stream,
                        "event": event,
                        "from": at,
                        "status": "running",
                        "retries": 0,
                        "took": None,
                    }
                case ActivationRetried():
                    self.visits[event.activation_id]["retries"] += 1
                case ActivationCompleted() | ActivationFailed() | ActivationCancelled():
                    visit = self.visits[event.activation_id]
                    visit |= {"status": ENDS_OF_VISITS[type(event)], "took": ms(visit["from"], at)}
                    if isinstance(event, ActivationCompleted):
                        self.paths[stream].append(event.node_id)
                case ExecutionCompleted() | ExecutionFailed() | ExecutionCancelled():
                    self.ended[stream] = (at, event)

    def bottlenecks(self) -> Rows:
        worked: Counter[UUID | None] = Counter()
        tasks = {stream: event.activation_id for _, stream, event in self.told if isinstance(event, AiTaskRequested)}
        for _, stream, event in self.told:
            if isinstance(event, AiTaskAttemptSucceeded | AiTaskToolCallSucceeded):
                worked[tasks[stream]] += event.latency_ms or 0
        nodes: dict[tuple[str, str], Rows] = defaultdict(list)
        totals: Counter[str] = Counter()
        for id, visit in self.visits.items():
            workflow, kind = workflow_of(visit["execution"]), visit["event"].node_type
            took = visit["took"] or 0
            working = 0 if kind in WAITING else min(took, worked[id]) if kind == "ai_agent" else took
            nodes[workflow, visit["event"].node_id].append({**visit, "working": working})
            totals[workflow] += took
        rows = []
        for (workflow, node), visits in nodes.items():
            took = [each["took"] for each in visits if each["took"] is not None]
            running = [each["from"] for each in visits if each["status"] == "running"]
            working = sum(each["working"] for each in visits)
            rows.append(
                {
                    "workflow_key": workflow,
                    "node_id": node,
                    "node_type": visits[0]["event"].node_type,
                    "visits": len(visits),
                    "running_now": len(running),
                    "oldest_running_since": min(running, default=None),
                    **{
                        status: sum(each["status"] == status for each in visits)
                        for status in ("completed", "failed", "cancelled")
                    },
                    "retries": sum(each["retries"] for each in visits),
                    "median_ms": percentile(took, 0.5),
                    "p90_ms": percentile(took, 0.9),
                    "p99_ms": percentile(took, 0.99),
                    "longest_ms": max(took, default=None),
                    "waiting_ms": sum(took) - working,
                    "working_ms": working,
                    "total_ms": sum(took),
                    "share_of_time": round(sum(took) / totals[workflow], 4),
                }
            )
        return rows

    def throughput(self) -> Rows:
        days: dict[tuple[Any, str], dict[str, Any]] = {}

        def count(at: datetime, execution: UUID, what: str) -> dict[str, Any]:
            empty = {"started": 0, "completed": 0, "failed": 0, "cancelled": 0, "took": []}
            row = days.setdefault((at.astimezone(UTC).date(), workflow_of(execution)), empty)
            row[what] += 1
            return row

        for execution, at in self.started.items():
            count(at, execution, "started")
        for execution, (at, event) in self.ended.items():
            row = count(at, execution, ENDS[type(event)])
            if isinstance(event, ExecutionCompleted):
                row["took"].append(ms(self.started[execution], at))
        rows, still_open = [], Counter[str]()
        for (day, workflow), row in sorted(days.items()):
            took = row.pop("took")
            still_open[workflow] += row["started"] - row["completed"] - row["failed"] - row["cancelled"]
            times = {"median_ms": percentile(took, 0.5), "p90_ms": percentile(took, 0.9)}
            rows.append({"day": day, "workflow_key": workflow, **row, **times, "open_after": still_open[workflow]})
        return rows

    def execution_failures(self) -> Rows:
        reasons: dict[tuple[Any, ...], list[tuple[datetime, UUID, ExecutionFailed]]] = defaultdict(list)
        for execution, (at, event) in self.ended.items():
            if isinstance(event, ExecutionFailed):
                reasons[workflow_of(execution), event.node_id, event.code].append((at, execution, event))
        return [
            {
                "workflow_key": workflow,
                "workflow_version": 1,
                "node_id": node,
                "code": code,
                "executions": len(failed),
                "undone": 0,
                "median_ms": percentile([ms(self.started[execution], at) for at, execution, _ in failed], 0.5),
                "first_at": min(failed)[0],
                "last_at": max(failed)[0],
                "last_message": max(failed)[2].message,
                "last_execution_id": max(failed)[1],
            }
            for (workflow, node, code), failed in reasons.items()
        ]

    def variants(self) -> Rows:
        ways: dict[tuple[str, tuple[str, ...]], list[UUID]] = defaultdict(list)
        for execution in self.ended:
            ways[workflow_of(execution), tuple(self.paths[execution])].append(execution)
        of_workflow = Counter(workflow_of(execution) for execution in self.ended)
        rows = []
        for (workflow, path), executions in ways.items():
            took = [ms(self.started[each], self.ended[each][0]) for each in executions]
            ends = Counter(ENDS[type(self.ended[each][1])] for each in executions)
            rows.append(
                {
                    "workflow_key": workflow,
                    "variant": md5(">".join(path).encode(), usedforsecurity=False).hexdigest(),
                    "path": list(path),
                    "steps": len(path),
                    "executions": len(executions),
                    **{status: ends[status] for status in ("completed", "failed", "cancelled")},
                    "average_ms": int(sum(took) / len(took) + 0.5),
                    "median_ms": percentile(took, 0.5),
                    "p90_ms": percentile(took, 0.9),
                    "first_started_at": min(self.started[each] for each in executions),
                    "last_started_at": max(self.started[each] for each in executions),
                    "last_execution_id": max(executions, key=self.started.__getitem__),
                    "share": round(len(executions) / of_workflow[workflow], 4),
                }
            )
        return rows

    def rework(self) -> Rows:
        runs: dict[tuple[str, str], dict[UUID, Rows]] = defaultdict(lambda: defaultdict(list))
        for visit in self.visits.values():
            place = workflow_of(visit["execution"]), visit["event"].node_id
            runs[place][visit["execution"]].append(visit)
        asks = {stream: event for _, stream, event in self.told if isinstance(event, ApprovalRequested)}
        again: Counter[tuple[str, str | None]] = Counter()
        for _, stream, event in self.told:
            if isinstance(event, ApprovalResubmitted):
                asker = asks[stream].execution_id
                assert asker is not None
                again[workflow_of(asker), asks[stream].node_id] += 1
        rows = []
        for (workflow, node), by_execution in runs.items():
            visits = [visit for all_of_one in by_execution.values() for visit in all_of_one]
            repeated = sum(len(each) > 1 for each in by_execution.values())
            rows.append(
                {
                    "workflow_key": workflow,
                    "node_id": node,
                    "executions": len(by_execution),
                    "executions_repeated": repeated,
                    "share_repeated": round(repeated / len(by_execution), 4),
                    "visits": len(visits),
                    "further_visits": len(visits) - len(by_execution),
                    "most_visits": max(map(len, by_execution.values())),
                    "further_ms": sum(visit["took"] or 0 for each in by_execution.values() for visit in each[1:]),
                    "retries": sum(visit["retries"] for visit in visits),
                    "requests_resubmitted": again[workflow, node],
                    "steps_asked_again": 0,
                    "outputs_sent_back": 0,
                }
            )
        return [row for row in rows if row["further_visits"] or row["retries"] or row["requests_resubmitted"]]

    def waiting_now(self) -> Rows:
        """Whom the last word of each request leaves it with; and what else the visits that run have said that they wait for."""
        places: dict[tuple[Any, ...], list[tuple[UUID, UUID, datetime, datetime | None]]] = defaultdict(list)
        paused = {stream: at for at, stream, event in self.told if isinstance(event, ExecutionPaused)}
        requests: dict[UUID, tuple[datetime, ApprovalRequested]] = {}
        left: dict[UUID, tuple[datetime, Any]] = {}
        for at, stream, event in self.told:
            if isinstance(event, ApprovalRequested):
                requests[stream] = (at, event)
            if isinstance(
                event,
                ApprovalRequested | ApprovalRecalled | ApprovalClaimed | ApprovalResubmitted | ApprovalResolved | ApprovalExpired,
            ):
                left[stream] = (at, event)
        for request, (at, last) in left.items():
            asked_at, asked = requests[request]
            execution = asked.execution_id
            assert execution is not None
            place = workflow_of(execution), asked.node_id
            due = None if asked.due is None else asked.due.moment(asked_at)
            match last:
                case ApprovalRecalled():
                    places["requester", "user", str(ANN), *place].append((request, execution, at, None))
                case ApprovalClaimed():
                    places["people", "user", str(BOB), *place].append((request, execution, asked_at, due))
                case ApprovalRequested():
                    for kind, who in (("user", str(BOB)), ("role", "approver"), ("role", "clerk")):
                        places["people", kind, who, *place].append((request, execution, asked_at, due))
        for visit in self.visits.values():
            execution, event = visit["execution"], visit["event"]
            for wait in event.waits if visit["status"] == "running" else ():
                if wait.kind == "approval" or wait.about == "timeout":
                    continue
                until = None if wait.due is None else wait.due.moment(visit["from"])
                kinds = {
                    "job": ("worker", "job_type", "ship"),
                    "event": ("event", "event_type", "paid"),
                    "timer": ("time", None, None),
                }
                whom: tuple[str | None, ...] = kinds[wait.kind]
                since = visit["from"]
                if execution in paused:
                    whom, since, until = ("resumption", None, None), paused[execution], None
                places[*whom, workflow_of(execution), event.node_id].append((wait.id, execution, since, until))
        now = datetime.now(UTC)
        names = ("waits_for", "who_kind", "who", "workflow_key", "node_id")
        return [
            {
                **dict(zip(names, place, strict=True)),
                "things": len(things),
                "executions": len({execution for _, execution, _, _ in things}),
                "overdue": sum(due is not None and due < now for *_, due in things),
                "oldest_since": min(since for _, _, since, _ in things),
                "next_due_at": min((due for *_, due in things if due is not None), default=None),
            }
            for place, things in places.items()
        ]

    def approval_sla(self) -> Rows:
        days: dict[tuple[Any, ...], Rows] = defaultdict(list)
        requests: dict[UUID, dict[str, Any]] = {}
        for at, stream, event in self.told:
            if isinstance(event, ApprovalRequested):
                due = None if event.due is None else event.due.moment(at)
                assert event.expires is not None
                requests[stream] = {"event": event, "asked": at, "due": due, "first": None, "expires": event.expires.moment(at)}
                continue
            if stream not in requests:
                continue
            request = requests[stream]
            if isinstance(event, ApprovalResubmitted):
                request |= {"due": None if event.due is None else event.due.moment(at), "expires": None}
            elif isinstance(event, ApprovalDecided):
                request["first"] = at
            elif isinstance(event, ApprovalResolved | ApprovalExpired):
                expired = isinstance(event, ApprovalExpired)
                closed = (request["expires"] or at) if expired else at
                place = closed.date(), workflow_of(request["event"].execution_id), request["event"].node_id
                met = None if request["due"] is None else not expired and at <= request["due"]
                times = (
                    {} if expired else {"turnaround": ms(request["asked"], at), "first": ms(request["asked"], request["first"])}
                )
                days[place].append({"expired": expired, "met": met, **times})
        rows = []
        for (day, workflow, node), closed in days.items():
            met, missed = (sum(each["met"] is how for each in closed) for how in (True, False))
            took = [each["turnaround"] for each in closed if not each["expired"]]
            first = [each["first"] for each in closed if not each["expired"]]
            rows.append(
                {
                    "day": day,
                    "workflow_key": workflow,
                    "node_id": node,
                    "requests": len(closed),
                    "expired": sum(each["expired"] for each in closed),
                    "with_due": met + missed,
                    "met": met,
                    "missed": missed,
                    "share_met": round(met / (met + missed), 4) if met + missed else None,
                    "median_turnaround_ms": percentile(took, 0.5),
                    "p90_turnaround_ms": percentile(took, 0.9),
                    "median_first_response_ms": percentile(first, 0.5),
                }
            )
        return rows

    def tool_denials(self) -> Rows:
        by = {
            "not_allowed": "rules",
            "policy": "rules",
            "budget": "limits",
            "too_many": "limits",
            "rejected": "people",
            "cancelled": "people",
        }
        tasks = {stream: event for _, stream, event in self.told if isinstance(event, AiTaskRequested)}
        denied: dict[tuple[Any, ...], list[tuple[datetime, UUID, str]]] = defaultdict(list)
        for at, stream, event in self.told:
            if isinstance(event, AiTaskToolCallDenied):
                place = tasks[stream].workflow_key, tasks[stream].node_id, event.tool, event.reason
                denied[place].append((at, stream, event.message))
        return [
            {
                "workflow_key": workflow,
                "node_id": node,
                "tool": tool,
                "reason": reason,
                "denied_by": by[reason],
                "calls": len(calls),
                "tasks": len({task for _, task, _ in calls}),
                "first_at": calls[0][0],
                "last_at": calls[-1][0],
                "last_message": calls[-1][2],
                "last_task_id": calls[-1][1],
            }
            for (workflow, node, tool, reason), calls in denied.items()
        ]


VIEWS = ("bottlenecks", "throughput", "execution_failures", "variants", "rework", "waiting_now", "approval_sla", "tool_denials")


def comparable(rows: Rows) -> list[str]:
    """In one order; shares and averages of numeric as floats."""
    plain = [
        {name: float(value) if "share" in name and value is not None else value for name, value in row.items()} for row in rows
    ]
    return sorted(str({name: str(value) for name, value in row.items()}) for row in plain)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(2, 12))])
async def test_each_view_says_what_the_events_come_to(
    seed: int, database: Database, ledgers: Ledgers, projector: Projector
) -> None:
    reading = Reading(await tell(ledgers, Random(seed), 40))
    await projector.catch_up()
    async with await AsyncConnection.connect(database.api_url, row_factory=dict_row) as conn:
        await conn.execute("SELECT set_config('gesta.tenant_id', %s, true), set_config('TimeZone', 'UTC', true)", [str(ACME)])
        for name in VIEWS:
            found = await (await conn.execute(sql.SQL("SELECT * FROM projections.{}").format(sql.Identifier(name)))).fetchall()
            assert {row.pop("tenant_id") for row in found} == {ACME}, name
            assert comparable(found) == comparable(getattr(reading, name)()), name
        await ledgers.append(ACME, *((execution, ExecutionArchived(30)) for execution in reading.ended))
        await projector.catch_up()
        found = await (await conn.execute("SELECT * FROM projections.throughput")).fetchall()
        assert [row.pop("tenant_id") for row in found] == [ACME] * len(found)
        assert comparable(found) == comparable(reading.throughput()), "those in the archive are among them"

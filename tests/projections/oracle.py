"""The main tables written down a second time, and differently: not by what each event does to a row, but by what a thing's whole
history says of it. Reads topics and stored JSON, and nothing of src/projections.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from domain.envelope import RecordedEvent

Facts = dict[str, Any]


class Stored(dict[str, Any]):
    """An event's data. What is not written there is null."""

    def __missing__(self, name: str) -> None:
        return None


class Told(NamedTuple):
    """An event as it is stored. `topic` without its version."""

    stream: str
    topic: str
    data: Facts
    position: int
    version: int
    occurred_at: Any
    recorded_at: Any


def told(record: RecordedEvent) -> Told:
    topic = record.topic.rpartition(".")[0]
    data = Stored(json.loads(record.payload))
    return Told(str(record.stream_id), topic, data, record.position, record.version, record.occurred_at, record.recorded_at)


def last(events: Iterable[Told], *topics: str) -> Told | None:
    return next((each for each in reversed([*events]) if each.topic in topics), None)


def by_stream(events: Iterable[Told]) -> dict[str, list[Told]]:
    found: defaultdict[str, list[Told]] = defaultdict(list)
    for each in events:
        found[each.stream].append(each)
    return found


ENDS = ("execution.completed", "execution.failed", "execution.cancelled")
WORDS = ("completed", "failed", "cancelled")
VISIT_ENDS = ("activation.completed", "activation.failed", "activation.cancelled")


def executions(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    starts = [each for each in history if each.topic == "execution.started"]
    found: dict[tuple[str, ...], Facts] = {}
    for start in starts:
        own = by_stream(history)[start.stream]
        of = start.data
        end, held = last(own, *ENDS), last(own, "execution.paused", "execution.resumed")
        moved, priority = last(own, "execution.migrated"), [e.data["priority"] for e in own if e.topic == "execution.changed"]
        counts = {name: sum(e.topic == f"activation.{name}" for e in own) for name in ("started", *WORDS)}
        row = {
            "workflow_key": of["workflow_key"],
            "workflow_version": of["workflow_version"] if moved is None else moved.data["to_version"],
            "execution_number": sum(e.data["workflow_id"] == of["workflow_id"] for e in starts if e.position <= start.position),
            "business_key": of["business_key"],
            "status": "running" if held is None or held.topic == "execution.resumed" else "paused",
            "input": of["input"],
            "output": None,
            "priority": next((each for each in reversed(priority) if each is not None), of["priority"]),
            "started_at": start.occurred_at,
            "completed_at": None if end is None or end.topic == "execution.cancelled" else end.occurred_at,
            "cancelled_at": end.occurred_at if end is not None and end.topic == "execution.cancelled" else None,
            "version": own[-1].version,
            "created_at": start.recorded_at,
            "updated_at": own[-1].recorded_at,
            "visits": (counts["started"], counts["completed"], counts["failed"], counts["cancelled"]),
        }
        if end is not None:
            row |= {"status": end.topic.partition(".")[2], "output": end.data.get("output")}
        if moved is None:
            over = {e.data["activation_id"] for e in own if e.topic in VISIT_ENDS}
            at = [e.data["node_id"] for e in own if e.topic == "activation.started" and e.data["activation_id"] not in over]
            row["at"] = sorted(at)
        found[(start.stream,)] = row
    return found


def activations(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    found: dict[tuple[str, ...], Facts] = {}
    for stream, own in by_stream(history).items():
        execution = own[0].data["execution_id"] if own[0].topic == "item.started" else stream
        for start in (each for each in own if each.topic == "activation.started"):
            about = [e for e in own if e.data.get("activation_id") == start.data["activation_id"]]
            end, tries = last(about, *VISIT_ENDS), last(about, "activation.retried")
            row = {
                "execution_id": execution,
                "node_type": start.data["node_type"],
                "status": "running" if end is None else end.topic.partition(".")[2],
                "handle": None if end is None else end.data.get("handle"),
                "input": start.data["input"],
                "output": end.data["output"] if end is not None and end.topic == "activation.completed" else None,
                "retry_count": 0 if tries is None else tries.data["attempt"],
                "started_at": start.occurred_at,
                "completed_at": None if end is None else end.occurred_at,
            }
            if end is not None and end.topic == "activation.failed":
                row["retry_count"] = end.data["error"]["attempts"] - 1
            found[(start.data["activation_id"],)] = row
    return found


def requests(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    words = {"approval.resolved": "resolved", "approval.cancelled": "cancelled", "approval.expired": "expired"}
    found: dict[tuple[str, ...], Facts] = {}
    for stream, own in by_stream(history).items():
        if own[0].topic != "approval.requested":
            continue
        over = last(own, *words)
        first = next((e for e in own if e.topic in ("approval.decided", "approval.overridden")), None)
        found[(stream,)] = {
            "execution_id": own[0].data["execution_id"],
            "node_id": own[0].data["node_id"],
            "status": None if over is None else words[over.topic],
            "outcome": over.data["outcome"] if over is not None and over.topic == "approval.resolved" else None,
            "first_response_at": None if first is None else first.occurred_at,
            "version": own[-1].version,
            "created_at": own[0].recorded_at,
        }
    return found


def decisions(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    found: dict[tuple[str, ...], Facts] = {}
    for stream, own in by_stream(history).items():
        for made in (each for each in own if each.topic == "approval.decided"):
            back = [e for e in own if e.topic == "approval.revoked" and e.data["decision_id"] == made.data["decision_id"]]
            names = ("user_id", "outcome", "kind", "role", "comment", "step")
            found[(made.data["decision_id"],)] = {
                "request_id": stream,
                **{name: made.data[name] for name in names},
                "decided_at": made.occurred_at,
                "revoked_at": back[-1].occurred_at if back else None,
            }
    return found


def attempts(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    words = {"ai_task.attempt_succeeded": "succeeded", "ai_task.attempt_failed": "failed"}
    found: dict[tuple[str, ...], Facts] = {}
    for stream, own in by_stream(history).items():
        for start in (each for each in own if each.topic == "ai_task.attempt_started"):
            end = last([e for e in own if e.data.get("attempt_id") == start.data["attempt_id"]], *words)
            found[(start.data["attempt_id"],)] = {
                "task_id": stream,
                "number": start.data["number"],
                "status": "running" if end is None else words[end.topic],
                "latency_ms": None if end is None else end.data["latency_ms"],
                "started_at": start.occurred_at,
                "completed_at": None if end is None else end.occurred_at,
            }
    return found


def members(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    words = {"added": "active", "reactivated": "active", "suspended": "suspended", "removed": "removed"}
    topics = [f"member.{each}" for each in words]
    return {
        (stream,): {"status": words[found.topic.partition(".")[2]]}
        for stream, own in by_stream(history).items()
        if (found := last(own, *topics)) is not None
    }


def roles_of_members(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    deleted = {each.stream for each in history if each.topic == "role.deleted"}
    found: dict[tuple[str, ...], Facts] = {}
    for stream, own in by_stream(history).items():
        given = last(own, "member.added", "member.roles_changed", "member.removed")
        if given is not None and given.topic != "member.removed":
            found |= {(stream, role): {} for role in given.data["role_ids"] if role not in deleted}
    return found

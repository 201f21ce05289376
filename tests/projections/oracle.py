"""The main tables written down a second time, and differently: not by what each event does to a row, but by what a thing's whole
history says of it. Reads topics and stored JSON, and nothing of src/projections. `tables` is all of it.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
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
    streams = by_stream(history)
    found: dict[tuple[str, ...], Facts] = {}
    for start in starts:
        own = streams[start.stream]
        of = start.data
        end, held = last(own, *ENDS), last(own, "execution.paused", "execution.resumed")
        moved, priority = last(own, "execution.migrated"), [e.data["priority"] for e in own if e.topic == "execution.changed"]
        counts = {name: sum(e.topic == f"activation.{name}" for e in own) for name in ("started", *WORDS)}
        row = {
            "workflow_id": of["workflow_id"],
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
            "parent_execution_id": of["parent_execution_id"],
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
        kinds = [e.data["kind"] for e in own if e.topic == "approval.decided" and still_counts(e, own)]
        found[(stream,)] = {
            "execution_id": own[0].data["execution_id"],
            "node_id": own[0].data["node_id"],
            "status": None if over is None else words[over.topic],
            "outcome": over.data["outcome"] if over is not None and over.topic == "approval.resolved" else None,
            "first_response_at": None if first is None else first.occurred_at,
            "received_approvals": kinds.count("approve"),
            "received_rejections": kinds.count("reject"),
            "version": own[-1].version,
            "created_at": own[0].recorded_at,
        }
    return found


def still_counts(made: Told, own: list[Told]) -> bool:
    """Nobody took a decision back, and its step was not asked again."""
    for each in own[made.version :]:
        if each.topic == "approval.revoked" and each.data["decision_id"] == made.data["decision_id"]:
            return False
        if each.topic in ("approval.returned", "approval.resubmitted") and made.data["step"] in each.data.get("steps", ()):
            return False
    return True


def decisions(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    found: dict[tuple[str, ...], Facts] = {}
    for stream, own in by_stream(history).items():
        for made in (each for each in own if each.topic == "approval.decided"):
            back = [e for e in own if e.topic == "approval.revoked" and e.data["decision_id"] == made.data["decision_id"]]
            names = ("user_id", "outcome", "kind", "role", "comment", "step")
            found[(made.data["decision_id"],)] = {
                "request_id": stream,
                **{name: made.data[name] for name in names},
                "on_behalf_of": made.data["on_behalf_of"],
                "decided_at": made.occurred_at,
                "revoked_at": back[-1].occurred_at if back else None,
                "is_override": False,
            }
        for made in (each for each in own if each.topic == "approval.overridden"):
            found[(made.data["decision_id"],)] = {
                "request_id": stream,
                **{name: made.data[name] for name in ("user_id", "outcome", "kind")},
                "comment": made.data["reason"],
                "step": min(made.data["steps"] or [1]),
                "decided_at": made.occurred_at,
                "is_override": True,
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


def tasks(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    ends = {f"ai_task.{word}": word for word in WORDS}
    found: dict[tuple[str, ...], Facts] = {}
    for stream, own in by_stream(history).items():
        if own[0].topic != "ai_task.requested":
            continue
        over = last(own, *ends)
        begun = [e for e in own if e.topic == "ai_task.attempt_started"]
        ended = [e for e in own if e.topic in ("ai_task.attempt_succeeded", "ai_task.attempt_failed")]
        used = [e.data["usage"] for e in ended if e.data["usage"] is not None]
        found[(stream,)] = {
            "execution_id": own[0].data["execution_id"],
            "node_id": own[0].data["node_id"],
            "status": None if over is None else ends[over.topic],
            "output": over.data["output"] if over is not None and over.topic == "ai_task.completed" else None,
            "retry_count": begun[-1].data["number"] - 1 if begun else 0,
            "turns": sum(e.topic.endswith("succeeded") and e.data["purpose"] != "guard" for e in ended),
            "tool_calls": len({e.data["call_id"] for e in own if e.topic == "ai_task.tool_call_started"}),
            "input_tokens": sum(each["input_tokens"] for each in used) if used else None,
            "started_at": begun[0].occurred_at if begun else None,
            "completed_at": None if over is None else over.occurred_at,
            "version": own[-1].version,
        }
    return found


def calls(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    """Of tools. What was not made when its task was over never is."""
    found: dict[tuple[str, ...], Facts] = {}
    for stream, own in by_stream(history).items():
        over = last(own, *(f"ai_task.{word}" for word in WORDS))
        for answer in (e for e in own if e.topic == "ai_task.attempt_succeeded"):
            for place, call in enumerate(answer.data["calls"] or (), 1):
                about = [e for e in own if e.data["call_id"] == call["id"]]
                found[(stream, call["id"])] = {
                    "task_id": stream,
                    "tool": call["tool"],
                    "place": place,
                    "status": became(call, about, over is not None),
                    "attempts": max((e.data["number"] for e in about if e.topic == "ai_task.tool_call_started"), default=0),
                }
    return found


def became(call: Facts, about: list[Told], over: bool) -> str:
    latest = about[-1] if about else None
    match latest.topic.partition(".")[2] if latest is not None else "":
        case "tool_call_succeeded":
            return "succeeded"
        case "tool_call_denied":
            return "denied"
        case "tool_call_started":
            return "running"
        case "tool_call_failed" if latest is not None and latest.data["retry"] is None:
            return "failed"
        case _ if over:
            return "cancelled"
        case "asked":
            return "asked"
        case "answered" if latest is not None and latest.data["outcome"] not in ("approved", "edited"):
            return "asked"  # until the event that denies it
        case "":
            return "asked" if call["verdict"] == "ask" else "ready"
    return "ready"


def items(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    found: dict[tuple[str, ...], Facts] = {}
    for stream, own in by_stream(history).items():
        if own[0].topic == "item.started":
            end = last(own, *(f"item.{word}" for word in WORDS))
            found[(stream,)] = {
                "execution_id": own[0].data["execution_id"],
                "item_index": own[0].data["index"],
                "status": "running" if end is None else end.topic.partition(".")[2],
                "output": None if end is None else end.data["output"],
                "started_at": own[0].occurred_at,
                "completed_at": None if end is None else end.occurred_at,
                "version": own[-1].version,
            }
    return found


def waits(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    """Of visits that are open, and of executions whose time is limited, in executions that are not over."""
    found: dict[tuple[str, ...], Facts] = {}
    streams = by_stream(history)
    over = {stream for stream, own in streams.items() if last(own, *ENDS) is not None}
    for stream, own in streams.items():
        execution = own[0].data["execution_id"] if own[0].topic == "item.started" else stream
        if own[0].topic not in ("item.started", "execution.started") or execution in over:
            continue
        waiting = [(own[0], stream, own[0].data["timeout"])] if own[0].topic == "execution.started" else []
        waiting = [] if last(own, "execution.compensating") is not None else [each for each in waiting if each[2] is not None]
        ended = {(e.data["activation_id"], id) for e in own if e.topic == "activation.waiting" for id in e.data.get("ended", ())}
        closed = {e.data["activation_id"] for e in own if e.topic in VISIT_ENDS}
        for e in own:
            added = e.data.get("waits" if e.topic == "activation.started" else "added" if e.topic == "activation.waiting" else "")
            if e.data["activation_id"] not in closed:
                waiting += [(e, e.data["activation_id"], one) for one in added or ()]
        for since, waiter, one in waiting:
            if (waiter, one["id"]) not in ended:
                found[(waiter, one["kind"], one["id"])] = {
                    "execution_id": execution,
                    "about": one.get("about", ""),
                    "since": since.recorded_at,
                }
    return found


def workflows(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    found: dict[tuple[str, ...], Facts] = {}
    for stream, own in by_stream(history).items():
        draft = last(own, "workflow.drafted")
        if draft is not None:
            published = last(own, "workflow.published")
            found[(stream,)] = {
                "key": draft.data["key"],
                "name": draft.data["name"],
                "published_version": None if published is None else published.data["number"],
                "execution_count": sum(e.topic == "execution.started" and e.data["workflow_id"] == stream for e in history),
                "version": own[-1].version,
            }
    return found


def versions(history: list[Told]) -> dict[tuple[str, ...], Facts]:
    return {
        (each.stream, str(each.data["number"])): {"definition": each.data["definition"], "published_at": each.occurred_at}
        for each in history
        if each.topic == "workflow.published"
    }


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


ACCOUNTS: dict[str, Callable[[list[Told]], dict[tuple[str, ...], Facts]]] = {
    "workflows": workflows,
    "workflow_versions": versions,
    "workflow_executions": executions,
    "execution_items": items,
    "execution_waits": waits,
    "node_activations": activations,
    "approval_requests": requests,
    "approval_decisions": decisions,
    "ai_agent_tasks": tasks,
    "ai_agent_attempts": attempts,
    "ai_agent_tool_calls": calls,
    "tenant_users": members,
    "tenant_user_roles": roles_of_members,
}


def tables(history: list[Told]) -> dict[str, dict[tuple[str, ...], Facts]]:
    """By name. What an execution in the archive had is counted there, and nowhere else."""
    found = {name: account(history) for name, account in ACCOUNTS.items()}
    there = {each.stream for each in history if each.topic == "execution.archived"}
    counted = {execution: dict.fromkeys(ACCOUNTS, 0) for execution in there}
    owners: dict[str, str] = {execution: execution for execution in there}
    for name in ("approval_requests", "ai_agent_tasks"):
        owners |= {key[0]: row["execution_id"] for key, row in found[name].items() if row["execution_id"] in there}
    for name, rows in found.items():
        for key, row in list(rows.items()):
            names = (row.get("execution_id"), row.get("request_id"), row.get("task_id"))
            named = key[0] if name == "workflow_executions" else next((each for each in names if each is not None), None)
            if named in owners:
                counted[owners[named]][name] += 1
                del rows[key]
    starts = {each.stream: each for each in history if each.topic == "execution.started"}
    ends = {each.stream: each for each in history if each.topic in ENDS}
    found["archived_executions"] = {
        (execution,): {
            "workflow_key": starts[execution].data["workflow_key"],
            "ended_at": ends[execution].occurred_at,
            "status": ends[execution].topic.partition(".")[2],
            "counts": {name: count for name, count in counted[execution].items() if count},
        }
        for execution in there
    }
    return found

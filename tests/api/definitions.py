"""Small definitions for the tests."""

from typing import Any

APPROVAL: dict[str, Any] = {
    "key": "purchase",
    "name": "Purchase",
    "input_schema": {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]},
    "search_attributes": {"amount": "=input.amount"},
    "triggers": [{"type": "manual"}],
    "nodes": [
        {"id": "start", "type": "start", "config": {}},
        {
            "id": "review",
            "type": "approval",
            "config": {
                "title": "Review",
                "rule": {"type": "single"},
                "outcomes": [
                    {"name": "approved", "kind": "approve", "by": {"roles": ["approver"]}},
                    {"name": "rejected", "kind": "reject", "by": {"roles": ["approver"]}},
                ],
            },
        },
        {"id": "done", "type": "end", "config": {"output": {"paid": "=input.amount"}}},
        {"id": "refused", "type": "fail", "config": {"code": "refused", "message": "It was refused."}},
    ],
    "edges": [
        {"source": "start", "target": "review"},
        {"source": "review", "source_handle": "approved", "target": "done"},
        {"source": "review", "source_handle": "rejected", "target": "refused"},
    ],
}

INSTANT: dict[str, Any] = {
    "key": "instant",
    "name": "Instant",
    "triggers": [{"type": "manual"}],
    "nodes": [{"id": "start", "type": "start", "config": {}}, {"id": "end", "type": "end", "config": {"output": {"ok": True}}}],
    "edges": [{"source": "start", "target": "end"}],
}

TASK: dict[str, Any] = {
    "key": "resize",
    "name": "Resize",
    "triggers": [{"type": "manual"}],
    "nodes": [
        {"id": "start", "type": "start", "config": {}},
        {
            "id": "resize",
            "type": "task",
            "config": {"job_type": "resize-image", "input": {"url": "=input.url"}},
            "retry": {"max_attempts": 3, "initial_interval": "PT0.01S", "jitter": 0},
        },
        {"id": "end", "type": "end", "config": {"output": {"resized": "=nodes.resize.output"}}},
    ],
    "edges": [{"source": "start", "target": "resize"}, {"source": "resize", "target": "end"}],
}


def task(job_type: str, key: str, **fields: Any) -> dict[str, Any]:
    """A workflow of one task, whose node has these fields as well."""
    start, node, end = TASK["nodes"]
    made = {**node, **fields, "config": {**node["config"], "job_type": job_type, **fields.get("config", {})}}
    return {**TASK, "key": key, "nodes": [start, made, end]}


AI_TASK: dict[str, Any] = {
    "key": "classify",
    "name": "Classify",
    "triggers": [{"type": "manual"}],
    "nodes": [
        {"id": "start", "type": "start", "config": {}},
        {
            "id": "classify",
            "type": "ai_agent",
            "config": {"model": "offline/echo", "prompt": "=input.claim", "system": "You sort claims."},
            "retry": {"max_attempts": 3, "initial_interval": "PT1H", "jitter": 0},
        },
        {"id": "end", "type": "end", "config": {"output": {"said": "=nodes.classify.output"}}},
        {"id": "by_hand", "type": "end", "config": {"output": {"error": "=nodes.classify.error.type"}}},
    ],
    "edges": [
        {"source": "start", "target": "classify"},
        {"source": "classify", "target": "end"},
        {"source": "classify", "source_handle": "error", "target": "by_hand"},
    ],
}

UNDOABLE: dict[str, Any] = {
    "key": "trip",
    "name": "Trip",
    "triggers": [{"type": "manual"}],
    "nodes": [
        {"id": "start", "type": "start", "config": {}},
        {"id": "book", "type": "task", "config": {"job_type": "book"}, "compensate": "free"},
        {"id": "pay", "type": "task", "config": {"job_type": "pay"}},
        {"id": "end", "type": "end", "config": {}},
        {"id": "free", "type": "task", "config": {"job_type": "free", "input": "=compensates.output"}},
    ],
    "edges": [
        {"source": "start", "target": "book"},
        {"source": "book", "target": "pay"},
        {"source": "pay", "target": "end"},
    ],
}

SCHEDULED: dict[str, Any] = {
    **INSTANT,
    "key": "scheduled",
    "triggers": [{"type": "schedule", "cron": "0 * * * *"}],
}

HOOKED: dict[str, Any] = {**INSTANT, "key": "hooked", "triggers": [{"type": "webhook"}]}

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

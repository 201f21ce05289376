"""What happened in an execution, straight from the ledger, in the words that clients read."""

from typing import Any

from domain.envelope import RecordedEvent
from projections.audit_logs import payload
from projections.events_told import actor, unread


def history_item(record: RecordedEvent) -> dict[str, Any]:
    """One step of an execution's history."""
    data = payload(record)
    about: dict[str, Any] = {name: data.pop(name) for name in ("node_id", "activation_id") if name in data}
    return {
        "topic": record.topic,
        "position": record.position,
        **about,
        "occurred_at": record.occurred_at,
        "recorded_at": record.recorded_at,
        "actor": actor(record),
        "data": data,
        **unread(record),
    }

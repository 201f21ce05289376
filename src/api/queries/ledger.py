"""What happened, straight from the ledger, in the words that clients read."""

from typing import Any

from domain.envelope import RecordedEvent, Unread
from projections.audit_logs import payload


def event_item(record: RecordedEvent) -> dict[str, Any]:
    """An event as JSON; secrets are left out of its data as they are out of the audit log."""
    return {
        "topic": record.topic,
        "position": record.position,
        "stream_id": record.stream_id,
        "version": record.version,
        "occurred_at": record.occurred_at,
        "recorded_at": record.recorded_at,
        "command_id": record.command_id,
        "actor": actor(record),
        "correlation_id": record.envelope.correlation_id,
        "causation_id": record.envelope.causation_id,
        "data": payload(record),
        **_unread(record),
    }


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
        **_unread(record),
    }


def _unread(record: RecordedEvent) -> dict[str, str]:
    return {"unread": record.event.why} if isinstance(record.event, Unread) else {}


def actor(record: RecordedEvent) -> dict[str, Any]:
    envelope = record.envelope
    return {
        "type": envelope.actor_type,
        "id": envelope.actor_id,
        "user_id": envelope.user_id,
        "on_behalf_of": envelope.on_behalf_of,
    }

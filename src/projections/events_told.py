"""An event as clients read it: over HTTP, followed, or delivered."""

from typing import Any

from domain.envelope import RecordedEvent, Unread
from projections.audit_logs import payload


def event_item(record: RecordedEvent, most_bytes: int | None = None) -> dict[str, Any]:
    """As JSON; secrets are left out as they are out of the audit log. Data beyond `most_bytes` are told by reference."""
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
        "data": payload(record) if most_bytes is None or len(record.payload) <= most_bytes else _elsewhere(record),
        **unread(record),
    }


def _elsewhere(record: RecordedEvent) -> dict[str, Any]:
    return {"$cut": True, "href": f"/v1/events?after={record.position - 1}&limit=1", "bytes": len(record.payload)}


def unread(record: RecordedEvent) -> dict[str, str]:
    return {"unread": record.event.why} if isinstance(record.event, Unread) else {}


def actor(record: RecordedEvent) -> dict[str, Any]:
    envelope = record.envelope
    return {
        "type": envelope.actor_type,
        "id": envelope.actor_id,
        "user_id": envelope.user_id,
        "on_behalf_of": envelope.on_behalf_of,
    }

"""projections.notification_attempts: each time that a delivery was sent, and what came of it."""

from domain.envelope import RecordedEvent
from domain.notification_delivery import DeliveryAttemptFailed, DeliveryFailed, DeliverySucceeded
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Table

NAME = "notification_attempts"


def attempted(rows: Rows, record: RecordedEvent, event: DeliveryAttemptFailed | DeliverySucceeded | DeliveryFailed) -> None:
    exchange = event.exchange
    row = {
        "delivery_id": record.stream_id,
        "attempt": event.attempt,
        "is_accepted": isinstance(event, DeliverySucceeded),
        "status_code": exchange.status_code,
        "error_type": exchange.type,
        "error": exchange.message,
        "response": exchange.response,
        "duration_ms": exchange.duration_ms,
        "attempted_at": record.occurred_at,
    }
    rows.insert(NAME, record, row)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "delivery_id", "attempt"),
    columns={
        "tenant_id": TENANT_ID,
        "delivery_id": Column("uuid", "The delivery."),
        "attempt": Column("integer", "Its number: 1, 2, 3 …"),
        "is_accepted": Column("boolean", "Whether the receiver accepted it: it answered with a status from 200 to 299."),
        "status_code": Column("integer", "What it answered, by HTTP or SMTP; null: nothing.", null=True),
        "error_type": Column("text", "Why it does not count as accepted, as a word.", null=True),
        "error": Column("text", "Why it does not count as accepted, as a sentence.", null=True),
        "response": Column("text", "The beginning of the answer's body.", null=True),
        "duration_ms": Column("integer", "How long that took."),
        "attempted_at": Column("timestamptz", "When what came of it was known."),
    },
    appliers={DeliveryAttemptFailed: attempted, DeliverySucceeded: attempted, DeliveryFailed: attempted},
)

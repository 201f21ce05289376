"""projections.notification_deliveries: what is delivered where, and how that stands."""

from datetime import timedelta

from domain.envelope import RecordedEvent
from domain.notification_delivery import (
    DeliveryAttemptFailed,
    DeliveryCancelled,
    DeliveryFailed,
    DeliveryRequested,
    DeliveryRetried,
    DeliverySucceeded,
    Exchange,
)
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "notification_deliveries"


def requested(rows: Rows, record: RecordedEvent, event: DeliveryRequested) -> None:
    row = {
        "id": record.stream_id,
        "endpoint_id": event.endpoint_id,
        "url": event.url,
        "kind": event.kind,
        "event_type": event.event_type,
        "event_position": event.position,
        "resource_id": event.resource_id,
        "status": "pending",
        "attempts": 0,
        "last_status_code": None,
        "last_error": None,
        "next_attempt_at": record.recorded_at,
        "delivered_at": None,
        "user_id": event.user_id,
    }
    rows.insert(NAME, record, row)


def attempt_failed(rows: Rows, record: RecordedEvent, event: DeliveryAttemptFailed) -> None:
    due = record.recorded_at + timedelta(milliseconds=event.delay_ms)
    _update(rows, record, {**_came_of_it(event.attempt, event.exchange), "next_attempt_at": due})


def succeeded(rows: Rows, record: RecordedEvent, event: DeliverySucceeded) -> None:
    delivered = {"status": "delivered", "delivered_at": record.occurred_at, "next_attempt_at": None}
    _update(rows, record, {**_came_of_it(event.attempt, event.exchange), **delivered})


def failed(rows: Rows, record: RecordedEvent, event: DeliveryFailed) -> None:
    _update(rows, record, {**_came_of_it(event.attempt, event.exchange), "status": "failed", "next_attempt_at": None})


def cancelled(rows: Rows, record: RecordedEvent, event: DeliveryCancelled) -> None:
    _update(rows, record, {"status": "cancelled", "last_error": event.why, "next_attempt_at": None})


def retried(rows: Rows, record: RecordedEvent, _event: DeliveryRetried) -> None:
    _update(rows, record, {"status": "pending", "next_attempt_at": record.recorded_at})


def _came_of_it(attempt: int, exchange: Exchange) -> Row:
    return {"attempts": attempt, "last_status_code": exchange.status_code, "last_error": exchange.message}


def _update(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, DeliveryRequested) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The delivery's id, which the receiver is sent as webhook-id, or in the Message-ID."),
        "endpoint_id": Column("uuid", "Where it goes; null: to an address that the start of an execution named.", null=True),
        "url": Column("text", "That address; null where it goes to an endpoint.", null=True),
        "kind": Column(
            "text",
            "event: the endpoint wishes for it. callback: the start of an execution asked for it. test. mail: it concerns the "
            "person. digest: what waits for the person.",
            choices=("event", "callback", "test", "mail", "digest"),
        ),
        "event_type": Column("text", "What it tells of: execution.completed, approval.requested."),
        "event_position": Column("bigint", "Of that event in the ledger; null: of a test or a digest there is none.", null=True),
        "resource_id": Column("uuid", "The execution or approval request to which it happened.", null=True),
        "status": Column(
            "text",
            "pending, delivered, failed: it was given up, or cancelled: its endpoint is disabled or deleted, or it is of no use.",
            choices=("pending", "delivered", "failed", "cancelled"),
        ),
        "attempts": Column("integer", "How often it was sent."),
        "last_status_code": Column("integer", "What it was answered last, by HTTP or SMTP; null: nothing.", null=True),
        "last_error": Column("text", "Why it was not accepted then, or why it is cancelled.", null=True),
        "next_attempt_at": Column("timestamptz", "When it is sent next.", null=True),
        "delivered_at": Column("timestamptz", "When it was accepted.", null=True),
        "user_id": Column("uuid", "Of mail: to whom it goes.", null=True),
    },
    appliers={
        DeliveryRequested: requested,
        DeliveryAttemptFailed: attempt_failed,
        DeliverySucceeded: succeeded,
        DeliveryFailed: failed,
        DeliveryCancelled: cancelled,
        DeliveryRetried: retried,
    },
    rows_needed=rows_needed,
)

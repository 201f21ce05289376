"""projections.notification_endpoints: where events are delivered to, which ones, and whether that goes on."""

from domain.envelope import RecordedEvent
from domain.notification_endpoint import (
    NotificationEndpointChanged,
    NotificationEndpointCreated,
    NotificationEndpointDeleted,
    NotificationEndpointDisabled,
    NotificationEndpointEnabled,
    NotificationEndpointRewound,
    NotificationSecretRotated,
    Sender,
)
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "notification_endpoints"


def created(rows: Rows, record: RecordedEvent, event: NotificationEndpointCreated) -> None:
    row = {
        "id": record.stream_id,
        "url": event.url,
        "events": list(event.events),
        "workflow_key": event.workflow_key,
        "description": event.description,
        "status": "enabled",
        "disabled_why": None,
        "disabled_at": None,
        "secret": event.secret,
        "secret_number": 1,
        "previous_secret_until": None,
        "created_by": record.envelope.user_id,
        "format": event.format,
        **_of(event.sender),
    }
    rows.insert(NAME, record, row)


def changed(rows: Rows, record: RecordedEvent, event: NotificationEndpointChanged) -> None:
    told = {"workflow_key": event.workflow_key, "description": event.description, **_of(event.sender)}
    _update(rows, record, {"url": event.url, "events": list(event.events), **told})


def _of(sender: Sender | None) -> Row:
    if sender is None:
        return {"mail_from": None, "mail_username": None, "mail_password_secret": None}
    return {"mail_from": sender.address, "mail_username": sender.username, "mail_password_secret": sender.password}


def disabled(rows: Rows, record: RecordedEvent, event: NotificationEndpointDisabled) -> None:
    _update(rows, record, {"status": "disabled", "disabled_why": event.why, "disabled_at": record.occurred_at})


def enabled(rows: Rows, record: RecordedEvent, _event: NotificationEndpointEnabled) -> None:
    _update(rows, record, {"status": "enabled", "disabled_why": None, "disabled_at": None})


def rewound(rows: Rows, record: RecordedEvent, _event: NotificationEndpointRewound) -> None:
    """Where it is stands beside the ledger: only the row's version is another."""
    _update(rows, record, {})


def rotated(rows: Rows, record: RecordedEvent, event: NotificationSecretRotated) -> None:
    changes = {"secret": event.secret, "secret_number": event.number, "previous_secret_until": event.previous_until}
    _update(rows, record, changes if event.url is None else {**changes, "url": event.url})


def deleted(rows: Rows, record: RecordedEvent, _event: NotificationEndpointDeleted) -> None:
    rows.delete(NAME, (record.tenant_id, record.stream_id))


def _update(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, NotificationEndpointCreated) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The endpoint's id."),
        "url": Column(
            "text", "Where it is delivered to: of a chat its host alone, of mail the server, smtp: for the platform's relay."
        ),
        "events": Column(
            "text[]", "The types of events that it wishes for: execution.completed, execution.*, *. Of the format events: topics."
        ),
        "workflow_key": Column("text", "Only what concerns this workflow is delivered; null: whichever.", null=True),
        "description": Column("text", "What it is for.", null=True),
        "status": Column("text", "enabled or disabled: nothing is delivered.", choices=("enabled", "disabled")),
        "disabled_why": Column(
            "text",
            "by_hand, gone (it answered 410), or failing (it accepted nothing for days).",
            null=True,
            choices=("by_hand", "gone", "failing"),
        ),
        "disabled_at": Column("timestamptz", "When it was disabled.", null=True),
        "secret": Column("text", "The name of the secret that signs, or of a chat's address; its value is told to nobody."),
        "secret_number": Column("bigint", "Of that secret: 1 when the endpoint was created, one more with each rotation."),
        "previous_secret_until": Column("timestamptz", "Until when the secret before signs as well.", null=True),
        "created_by": Column("uuid", "Who created it; null: a service or the platform.", null=True),
        "format": Column(
            "text",
            "standard: Standard Webhooks. slack, teams: a card for a chat. mail: to each person whom an event concerns. "
            "events: the ledger itself, in its order.",
            choices=("standard", "slack", "teams", "mail", "events"),
        ),
        "mail_from": Column("text", "Of mail by a server of the tenant's: the address that it is from.", null=True),
        "mail_username": Column("text", "As whom one logs in there; null: nobody does.", null=True),
        "mail_password_secret": Column("text", "The name of the secret with the password.", null=True),
    },
    appliers={
        NotificationEndpointCreated: created,
        NotificationEndpointChanged: changed,
        NotificationEndpointDisabled: disabled,
        NotificationEndpointEnabled: enabled,
        NotificationEndpointRewound: rewound,
        NotificationSecretRotated: rotated,
        NotificationEndpointDeleted: deleted,
    },
    rows_needed=rows_needed,
)

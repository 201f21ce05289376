"""projections.audit_logs: one row for each event. Applied before all other tables, so that it sees what was there before."""

from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from uuid import UUID, uuid5

from pydantic_core import from_json

from domain.aggregates import AGGREGATES
from domain.envelope import RecordedEvent
from domain.execution import ItemStarted
from domain.facts import Aggregate, Event, EventType, Json
from domain.refusal import REFUSAL, CommandRefused
from projections.audit_subjects import RowSubject
from projections.execution_items import item_of
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Table

NAME = "audit_logs"
SECRETS = frozenset({"secret_hash"})
REDACTED = "[redacted]"

CATEGORIES: dict[str, str] = {aggregate.name: aggregate.category for aggregate in AGGREGATES}
"""By resource, which is the name of the aggregate whose stream holds an event: an activation belongs to its execution."""

CATALOGUE: dict[type[Event], tuple[Aggregate[Any], EventType[Any]]] = {
    each.event: (aggregate, each) for aggregate in AGGREGATES for each in aggregate.catalogue
}


def happened(rows: Rows, record: RecordedEvent, event: Event) -> None:
    aggregate, known = CATALOGUE[type(event)]
    subject = RowSubject(rows, record, aggregate.name)
    changes = known.changes(event)
    about = {
        "action": record.topic.rsplit(".", 1)[0],
        "outcome": "accepted",
        "resource": aggregate.name,
        **_whom(rows, record),
        "category": aggregate.category,
        "description": known.describe(event, subject),
        "severity": known.severity,
        "tags": list(known.tags(event, subject)),
    }
    _insert(rows, record, about, subject.before_after(changes) if changes else {})


def _whom(rows: Rows, record: RecordedEvent) -> dict[str, Json]:
    """What happens to an item of a foreach happens to its execution."""
    if isinstance(record.event, ItemStarted):
        return {"resource_id": record.event.execution_id, "resource_version": None}
    item = item_of(rows, record)
    if item is not None:
        return {"resource_id": item["execution_id"], "resource_version": None}
    return {"resource_id": record.stream_id, "resource_version": record.version}


def refused(rows: Rows, record: RecordedEvent, event: CommandRefused) -> None:
    _, known = CATALOGUE[CommandRefused]
    about: dict[str, Json] = {
        "action": event.command,
        "outcome": "refused",
        "resource": event.resource,
        "resource_id": as_uuid(event.resource_id),
        "resource_version": None,
        "category": CATEGORIES.get(event.resource or "", REFUSAL.category),
        "description": known.describe(event, RowSubject(rows, record, REFUSAL.name)),
        "severity": known.severity,
        "tags": [],
    }
    _insert(rows, record, about, {"refusal": {"code": event.code, "message": event.message, "path": event.path}})


def _insert(rows: Rows, record: RecordedEvent, about: dict[str, Json], metadata: dict[str, Json]) -> None:
    """`metadata`: {before, after, changes} of what was changed, or {refusal}; {request} joins it where there was one."""
    envelope = record.envelope
    if envelope.request_id is not None:
        metadata = {**metadata, "request": {"id": envelope.request_id}}
    row = {
        "position": record.position,
        "event_id": event_id(record.tenant_id, record.position),
        "user_id": envelope.user_id,
        "actor_type": envelope.actor_type,
        "actor_id": envelope.actor_id,
        "on_behalf_of": envelope.on_behalf_of,
        **about,
        "ip_address": as_address(envelope.ip),
        "user_agent": envelope.user_agent,
        "metadata": metadata,
        "payload": payload(record),
        "command_id": record.command_id,
        "correlation_id": envelope.correlation_id,
        "causation_id": envelope.causation_id,
        "reason": envelope.reason,
        "occurred_at": record.occurred_at,
        "recorded_at": record.recorded_at,
    }
    rows.insert(NAME, record, row)


def event_id(tenant_id: UUID, position: int) -> UUID:
    return uuid5(tenant_id, str(position))


def payload(record: RecordedEvent) -> dict[str, Json]:
    """The event as it was written, so that a later release does not change what the log says of it; without its secrets."""
    return {name: REDACTED if name in SECRETS else value for name, value in from_json(record.payload).items()}


@lru_cache(maxsize=4096)
def as_address(text: str | None) -> str | None:
    """An IP address in its normal form, without the zone that inet does not know; None for anything else."""
    if text is None:
        return None
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def as_uuid(text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


TABLE = Table(
    name=NAME,
    key=("tenant_id", "position"),
    columns={
        "tenant_id": TENANT_ID,
        "position": Column("bigint", "The event's number in its tenant's ledger: 1, 2, 3 … without gaps."),
        "event_id": Column("uuid", "Follows from tenant and position: UUID version 5 of the position in the tenant's namespace."),
        "user_id": Column("uuid", "The person who acted.", null=True),
        "actor_type": Column(
            "text",
            "What acted: user, api_key, worker, schedule, webhook, event or system.",
            choices=("user", "api_key", "worker", "schedule", "webhook", "event", "system"),
        ),
        "actor_id": Column("text", "Which one of them.", null=True),
        "on_behalf_of": Column("uuid", "For whom, where it was somebody else.", null=True),
        "action": Column("text", "What happened, e.g. approval.decided, or the command that was refused."),
        "outcome": Column(
            "text",
            "accepted or refused.",
            choices=("accepted", "refused"),
        ),
        "resource": Column("text", "The kind of thing it happened to, e.g. execution.", null=True),
        "resource_id": Column("uuid", "The thing it happened to.", null=True),
        "resource_version": Column(
            "bigint",
            "That thing's version after it; null where a command was refused, or it happened to an item of a foreach.",
            null=True,
        ),
        "description": Column("text", "What happened, in a sentence."),
        "category": Column(
            "text",
            "workflow, approval, ai, access, tenant or system.",
            choices=("workflow", "approval", "ai", "access", "tenant", "system"),
        ),
        "severity": Column(
            "text",
            "debug, info, warning, error or critical.",
            choices=("debug", "info", "warning", "error", "critical"),
        ),
        "ip_address": Column("inet", "Where the command came from; null where that is not known or not an address.", null=True),
        "user_agent": Column("text", "What the client called itself.", null=True),
        "metadata": Column(
            "jsonb", "Beside the event: {before, after, changes} of what was changed, {request} of the HTTP request."
        ),
        "payload": Column("jsonb", "The event's fields as they were written, without secrets."),
        "tags": Column("text[]", "Words to find it by."),
        "command_id": Column("uuid", "The command that caused it; one command may cause many events."),
        "correlation_id": Column("uuid", "Groups what belongs together across systems.", null=True),
        "causation_id": Column("uuid", "What caused the command.", null=True),
        "reason": Column("text", "The reason that was given.", null=True),
        "occurred_at": Column("timestamptz", "When it occurred; earlier than recorded where it was entered later."),
        "recorded_at": Column("timestamptz", "When it was recorded; never decreases with the position."),
    },
    appliers={**dict.fromkeys(CATALOGUE, happened), CommandRefused: refused},
)

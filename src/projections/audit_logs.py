"""projections.audit_logs: one row for each event. Applied before all other tables, so that it sees what was there before."""

import re
from functools import cache, lru_cache
from hashlib import sha1
from ipaddress import ip_address
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import from_json, to_json

from domain.aggregates import AGGREGATES
from domain.envelope import RecordedEvent
from domain.execution import ItemStarted
from domain.facts import Aggregate, Event, EventType, Json
from domain.refusal import REFUSAL, CommandRefused
from projections.audit_subjects import RowSubject
from projections.execution_items import item_of
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Row, Table

NAME = "audit_logs"
SECRETS = frozenset({"secret_hash"})
MAY_HOLD_SECRETS = re.compile("|".join(map(re.escape, SECRETS)).encode()).search
REDACTED = "[redacted]"

CATEGORIES: dict[str, str] = {aggregate.name: aggregate.category for aggregate in AGGREGATES}
"""By resource, which is the name of the aggregate whose stream holds an event: an activation belongs to its execution."""

CATALOGUE: dict[type[Event], tuple[Aggregate[Any], EventType[Any]]] = {
    each.event: (aggregate, each) for aggregate in AGGREGATES for each in aggregate.catalogue
}


class Kind(NamedTuple):
    """What all events of a topic have in common; or what a command was that was refused."""

    action: str
    outcome: str
    resource: str | None
    category: str
    severity: str


class Entry(NamedTuple):
    """What there is to say of an event beside what it says of itself. `metadata`: {before, after, changes} of what was changed,
    or {refusal}; {request} joins it where there was one."""

    record: RecordedEvent
    kind: Kind
    resource_id: UUID | None
    resource_version: int | None
    description: str
    tags: tuple[str, ...]
    metadata: dict[str, Json]

    def row(self) -> Row:
        record = self.record
        address = as_address(record.envelope.ip)
        own = event_id(record.tenant_id, record.position), address, self.about(), payload(record), list(self.tags)
        return dict(zip(TABLE.columns, self.values(*own), strict=True))

    def about(self) -> dict[str, Json]:
        """The metadata, with the request."""
        request_id = self.record.envelope.request_id
        return self.metadata if request_id is None else {**self.metadata, "request": {"id": request_id}}

    def values(self, event_id: Any, address: Any, metadata: Any, payload: Any, tags: Any) -> tuple[Any, ...]:
        """The row in the order of its columns. What is given has one form in memory and another on the wire."""
        (tenant_id, position, _, version, _, _, occurred_at, recorded_at, command_id, envelope, _) = self.record
        kind = self.kind
        return (
            tenant_id,
            position,
            event_id,
            envelope.user_id,
            envelope.actor_type,
            envelope.actor_id,
            envelope.on_behalf_of,
            kind.action,
            kind.outcome,
            kind.resource,
            self.resource_id,
            self.resource_version,
            self.description,
            kind.category,
            kind.severity,
            address,
            envelope.user_agent,
            metadata,
            payload,
            tags,
            command_id,
            envelope.correlation_id,
            envelope.causation_id,
            envelope.reason,
            occurred_at,
            recorded_at,
            version,
            recorded_at,
            recorded_at,
        )


@cache
def kind_of(topic: str, aggregate: Aggregate[Any], severity: str) -> Kind:
    return Kind(topic.rsplit(".", 1)[0], "accepted", aggregate.name, aggregate.category, severity)


def happened(rows: Rows, record: RecordedEvent, event: Event) -> None:
    aggregate, known = CATALOGUE[type(event)]
    subject = RowSubject(rows, record, aggregate.name)
    changes = known.changes(event)
    metadata = subject.before_after(changes) if changes else {}
    kind, whom = kind_of(record.topic, aggregate, known.severity), _whom(rows, record)
    rows.add(NAME, Entry(record, kind, *whom, known.describe(event, subject), known.tags(event, subject), metadata))


def _whom(rows: Rows, record: RecordedEvent) -> tuple[UUID, int | None]:
    """What happens to an item of a foreach happens to its execution."""
    if isinstance(record.event, ItemStarted):
        return record.event.execution_id, None
    item = item_of(rows, record)
    return (record.stream_id, record.version) if item is None else (item["execution_id"], None)


def refused(rows: Rows, record: RecordedEvent, event: CommandRefused) -> None:
    _, known = CATALOGUE[CommandRefused]
    category = CATEGORIES.get(event.resource or "", REFUSAL.category)
    kind = Kind(event.command, "refused", event.resource, category, known.severity)
    described = known.describe(event, RowSubject(rows, record, REFUSAL.name))
    metadata = {"refusal": {"code": event.code, "message": event.message, "path": event.path}}
    rows.add(NAME, Entry(record, kind, as_uuid(event.resource_id), None, described, (), metadata))


def event_id(tenant_id: UUID, position: int) -> UUID:
    return UUID(bytes=event_id_bytes(tenant_id.bytes, position))


def event_id_bytes(tenant_id: bytes, position: int) -> bytes:
    """As `uuid5` makes it."""
    made = sha1(tenant_id + b"%d" % position, usedforsecurity=False).digest()
    return b"%b%c%c%c%b" % (made[:6], made[6] & 0x0F | 0x50, made[7], made[8] & 0x3F | 0x80, made[9:16])


def payload(record: RecordedEvent) -> dict[str, Json]:
    """The event as it was written, so that a later release does not change what the log says of it; without its secrets."""
    return {name: REDACTED if name in SECRETS else value for name, value in from_json(record.payload).items()}


def payload_bytes(record: RecordedEvent) -> bytes:
    """The same as JSON. What cannot hold a secret is passed on as it stands."""
    return to_json(payload(record)) if MAY_HOLD_SECRETS(record.payload) else record.payload


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

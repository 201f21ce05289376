"""What happened, as it is read from the ledger."""

from typing import get_args

from api.schemas.columns import fields
from api.schemas.schema import ANYTHING, BIG, OBJECT, TEXT, UUID, ObjectSchema, many, one_of, or_null, ref, said
from domain.envelope import ActorType

ACTOR = ObjectSchema(
    "Actor",
    "Who did it. `user_id`: the person, by their own key or because it was done for them.",
    {
        "type": one_of(*get_args(ActorType)),
        "id": said(or_null(TEXT), "Which one of them."),
        "user_id": or_null(UUID),
        "on_behalf_of": or_null(UUID),
    },
)
TOPIC = said(TEXT, "What kind of event it is, e.g. execution.started.v1.")
WHEN = fields("audit_logs", "occurred_at", "recorded_at")
DATA = said(OBJECT, "Its fields as they were written, without secrets; docs/reference/topics.md has them by topic.")
UNREAD = said(
    TEXT,
    "Only where this release cannot read the event: why. A newer one wrote it, or it is damaged; its data are as written.",
)

STATE_CHANGE = ObjectSchema(
    "StateChange",
    "A part of a thing's state that an event changed.",
    {
        "path": TEXT,
        "before": said(ANYTHING, "Null: it was not there."),
        "after": said(ANYTHING, "Null: it is not there any more."),
    },
)
EVENT = ObjectSchema(
    "Event",
    "An event of the ledger.",
    {
        "topic": TOPIC,
        **fields("audit_logs", "position"),
        "stream_id": said(UUID, "The thing that it happened to."),
        "version": said(BIG, "That thing's version after it."),
        **WHEN,
        **fields("audit_logs", "command_id"),
        "actor": ref(ACTOR),
        **fields("audit_logs", "correlation_id", "causation_id"),
        "data": DATA,
        "unread": UNREAD,
        "changes": said(many(STATE_CHANGE), "Only with `changes=true`: what it changed in the thing's state."),
    },
    optional=frozenset({"unread", "changes"}),
)
STEP = ObjectSchema(
    "HistoryItem",
    "One step of an execution; the node and its visit where it is about one.",
    {
        "topic": TOPIC,
        **fields("audit_logs", "position"),
        "node_id": TEXT,
        "activation_id": UUID,
        **WHEN,
        "actor": ref(ACTOR),
        "data": DATA,
        "unread": UNREAD,
    },
    optional=frozenset({"node_id", "activation_id", "unread"}),
)

"""Events that are not in the tables."""

from api.schemas.events import ACTOR, EVENT
from api.schemas.schema import BIG, BOOLEAN, INTEGER, TEXT, TIME, ObjectSchema, many, or_null, ref, said

HELD_UP = ObjectSchema(
    "ProjectionFault",
    "An event that cannot be applied: the tables stand still before it.",
    {
        "position": said(BIG, "Its position in the ledger."),
        "event": said(or_null(ref(EVENT)), "Null: there is none at this position, though there are later ones."),
        "error": TEXT,
        "attempts": INTEGER,
        "first_failed_at": said(TIME, "Since when the tables have stood still."),
        "failed_at": said(TIME, "When it was tried last."),
        "needs_release": said(BOOLEAN, "Whether a newer release wrote it: one that knows its topic goes on by itself."),
        "retry_at": said(or_null(TIME), "When it is tried again; null: by a release that knows its topic."),
    },
)
SKIPPED = ObjectSchema(
    "SkippedEvent",
    "An event that an operator left out of the tables, or a gap.",
    {
        "position": BIG,
        "up_to": said(BIG, "The same, or the last position of a gap."),
        "topic": said(or_null(TEXT), "What kind of event it is; null: there is none."),
        "error": said(TEXT, "Why it could not be applied."),
        "reason": said(TEXT, "Why it was left out."),
        "skipped_at": TIME,
        "actor": said(or_null(ref(ACTOR)), "Who did it; null: a release that kept no record."),
        "recorded_position": said(or_null(BIG), "Position of the event that says so."),
    },
)
FAULTS = ObjectSchema(
    "ProjectionFaults",
    "What the tables do not show, because it cannot be applied or was left out.",
    {
        "position": said(BIG, "Up to which event the tables speak."),
        "held_up": said(or_null(ref(HELD_UP)), "Null: nothing holds them up."),
        "items": said(many(SKIPPED), "A page of what was left out, in its order."),
        "next_cursor": said(or_null(TEXT), "For the next page, as `cursor`; null: this is the last one."),
    },
)

"""Rows of the tables as they stood, and what made them so."""

from api.schemas.columns import fields
from api.schemas.events import ACTOR, TOPIC, WHEN
from api.schemas.schema import BIG, OBJECT, TEXT, TIME, UUID, ObjectSchema, one_of, or_null, ref, said

PAST_ROW = ObjectSchema(
    "TableRow",
    "A row of a projected table as it stood.",
    {
        "table": TEXT,
        "id": said(TEXT, "Its key as it was asked for."),
        "position": said(BIG, "Up to where the ledger was read."),
        "as_of": said(TIME, "What time it was then."),
        "row": said(or_null(OBJECT), "All its columns; null: it was not there."),
    },
)
ROW_CHANGE = ObjectSchema(
    "RowChange",
    "An event, and what it changed in a row.",
    {
        **fields("audit_logs", "position"),
        "topic": TOPIC,
        "stream_id": said(UUID, "The thing that it happened to."),
        "version": said(BIG, "That thing's version after it."),
        **WHEN,
        "actor": ref(ACTOR),
        "what": said(one_of("created", "changed", "deleted"), "What became of the row."),
        "changes": said(
            OBJECT, "By column: [before, after]. What is large is cut to {$cut, href}, where the row has it as it stood then."
        ),
    },
)

"""An execution's timeline."""

from api.schemas.schema import BIG, INTEGER, OBJECT, TEXT, TIME, UUID, ObjectSchema, one_of, or_null, said

KINDS = ("activation", "approval", "decision", "ai_task", "ai_turn", "tool_call", "child", "wait", "event")

ENTRY = ObjectSchema(
    "TimelineEntry",
    "Something that happened in an execution, or goes on in it.",
    {
        "kind": said(one_of(*KINDS), "event: something that was done with the execution as a whole."),
        "id": said(TEXT, "The thing's id; of an event its position; of a wait its waiter, kind and id."),
        "at": said(TIME, "When it began."),
        "until": said(or_null(TIME), "When it was over; of a wait, when it will be, where that is known."),
        "duration_ms": said(or_null(BIG), "How long it took, once it is over."),
        "node_id": or_null(TEXT),
        "activation_id": or_null(UUID),
        "item_index": said(or_null(INTEGER), "Of a foreach's item."),
        "status": said(or_null(TEXT), "The thing's own status; of an event its outcome."),
        "user_id": said(or_null(UUID), "Who did it, where it was a person."),
        "details": said(OBJECT, "What else there is to say, by kind."),
    },
)

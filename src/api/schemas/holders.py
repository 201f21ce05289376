"""Who held a permission, and when."""

from api.schemas.events import ACTOR, TOPIC
from api.schemas.schema import BIG, BOOLEAN, TEXT, TEXTS, TIME, UUID, ObjectSchema, many, or_null, ref, said

HOLDER = ObjectSchema(
    "PermissionHolder",
    "A member whose roles give a permission.",
    {
        "user_id": UUID,
        "holds": said(BOOLEAN, "Whether they could use it."),
        "roles": said(TEXTS, "The roles that gave it, by key."),
        "why_not": said(or_null(TEXT), "What kept them from it, e.g. member_suspended, user_deactivated, tenant_suspended."),
    },
)
HOLDING_KEY = ObjectSchema(
    "PermissionKey",
    "An API key by which it could be done.",
    {
        "id": UUID,
        "name": TEXT,
        "user_id": said(or_null(UUID), "Whose key it was; null: a service's."),
        "owner_id": said(or_null(UUID), "To whom the service belonged, who limited it."),
        "on_behalf_of": or_null(UUID),
        "expires_at": or_null(TIME),
    },
)
TURN = ObjectSchema(
    "PermissionEvent",
    "An event that gave or took it.",
    {
        "topic": TOPIC,
        "position": said(or_null(BIG), "In the tenant's ledger; null: it is the platform's."),
        "recorded_at": TIME,
        "stream_id": UUID,
        "actor": said(or_null(ref(ACTOR)), "Null: the platform."),
    },
)
HOLDING_SPAN = ObjectSchema(
    "PermissionSpan",
    "A time in which somebody held it, through the same roles.",
    {"roles": TEXTS, "since": ref(TURN), "until": said(or_null(ref(TURN)), "Null: they still did.")},
)
HOLDERS = ObjectSchema(
    "PermissionHistory",
    "Who held a permission at a moment; or, with `user_id`, when somebody held it.",
    {
        "permission": TEXT,
        "as_of": TIME,
        "position": said(BIG, "Up to where the ledger was read."),
        "items": said(many(HOLDER), "A page of the members whose roles gave it."),
        "keys": said(many(HOLDING_KEY), "On the first page: the API keys by which it could be done."),
        "spans": said(many(HOLDING_SPAN), "With `user_id`."),
        "next_cursor": said(or_null(TEXT), "For the next page, as `cursor`; null: this is the last one."),
    },
)

"""Limits, as they are set and listed."""

from api.schemas.schema import INTEGER, TEXT, TIME, UUID, ObjectSchema, or_null, ref, said

RATE = ObjectSchema("LimitRate", "How many in any span of that length.", {"count": INTEGER, "per": said(TEXT, "ISO 8601: PT1S.")})
OF_LIMIT = {
    "id": UUID,
    "scope": said(
        TEXT,
        "Which of the tenant's jobs: tenant (all), or those of a workflow, node, job_type, key; trigger: requests to a webhook.",
    ),
    "name": said(
        TEXT, "Of which one: the workflow's key, workflow/node, the type, the key, the trigger's id. Empty for the tenant."
    ),
    "concurrency": said(or_null(INTEGER), "How many are leased at a time."),
    "rate": or_null(ref(RATE)),
}
LIMIT = ObjectSchema("Limit", "A limit in force.", {**OF_LIMIT, "set_at": said(TIME, "When it was last changed.")})
LIMIT_RESULT = ObjectSchema("LimitResult", "How a limit stands.", {**OF_LIMIT, "version": INTEGER})

"""How things stand: with the process, with the caller, with a definition that is being written."""

from api.schemas.json_columns import CHANGE_WITH_VALUES
from api.schemas.schema import BIG, BOOLEAN, TEXT, TEXTS, UUID, ObjectSchema, many, one_of, or_null, ref, said

ALIVE = ObjectSchema("Alive", "The process answers.", {"status": one_of("ok")})
LAG = ObjectSchema(
    "Lag",
    "How far the tables are behind their ledgers.",
    {
        "ledgers_behind": said(BIG, "Number of ledgers whose tables are behind."),
        "events_behind": said(BIG, "By how many events, summed."),
        "ledgers_stopped": said(BIG, "Of these, those that come no nearer: an event cannot be applied, or nobody projects them."),
    },
)
WORK = ObjectSchema(
    "Work",
    "Jobs and timers in trouble, of all tenants.",
    {
        "jobs_failing": said(BIG, "Jobs that are put off because handling them failed."),
        "jobs_dead": said(BIG, "Jobs that were given up."),
        "timers_failing": said(BIG, "Timers that are put off because firing them failed."),
    },
)
FAILING_TASK = ObjectSchema(
    "FailingTask",
    "A background task that keeps failing and is restarted each time.",
    {
        "process": said(TEXT, "this, or another process: what kind, on which host, and its number."),
        "task": TEXT,
        "error": said(TEXT, "Its last error."),
        "failures": said(BIG, "How often since it last succeeded."),
    },
)
READY = ObjectSchema(
    "Ready",
    "It can serve.",
    {
        "status": one_of("ok"),
        "database": one_of("ok"),
        "projections": ref(LAG),
        "work": ref(WORK),
        "failing_tasks": said(many(FAILING_TASK), "Of this process, and of others as far as they can say so."),
    },
)
NOT_READY = ObjectSchema(
    "NotReady",
    "It cannot serve now.",
    {
        "status": one_of("unavailable"),
        "database": said(TEXT, "ok, or what was wrong with it."),
        "migrations": said(TEXT, "What is wrong with the schema."),
    },
    optional=frozenset({"migrations"}),
)

KEY = ObjectSchema("Key", "The API key itself.", {"id": UUID, "name": TEXT})
ME = ObjectSchema(
    "Me",
    "Who calls, and what they may do.",
    {
        "tenant_id": said(UUID, "The tenant in which the key speaks."),
        "user_id": said(or_null(UUID), "The person who acts; null: a service."),
        "on_behalf_of": said(or_null(UUID), "On whose behalf."),
        "api_key": ref(KEY),
        "platform": said(BOOLEAN, "True for the platform's keys, which may do everything."),
        "roles": said(TEXTS, "Keys of the roles."),
        "permissions": said(TEXTS, "Keys of the permissions in force."),
    },
)

FINDING = ObjectSchema(
    "Finding",
    "Something about a definition. Errors prevent publishing.",
    {
        "severity": one_of("error", "warning"),
        "node_id": or_null(TEXT),
        "path": said(TEXT, "JSON pointer into the definition."),
        "code": TEXT,
        "message": TEXT,
    },
)
FINDINGS = ObjectSchema("Findings", "What was found in a definition; nothing: it can be published.", {"findings": many(FINDING)})
RENDERED_PROMPT = ObjectSchema(
    "RenderedPrompt",
    "What would be sent.",
    {
        "key": TEXT,
        "prompt_version": said(or_null({"type": "integer", "format": "int32"}), "Null: the draft."),
        "model": said(or_null(TEXT), "The model that it is for, if it says so."),
        "prompt": TEXT,
        "system_prompt": or_null(TEXT),
        "sensitive": said(TEXTS, "Variables whose values are masked here."),
    },
)
PROMPT_DIFFERENCE = ObjectSchema(
    "PromptDifference",
    "In what two versions of a prompt differ.",
    {
        "key": TEXT,
        "from": said(TEXT, "The number of the version before, or draft."),
        "to": said(TEXT, "The number of the version after, or draft."),
        "changes": many(CHANGE_WITH_VALUES),
        "lines": said(
            ref(
                ObjectSchema(
                    "PromptLines",
                    "Unified diffs; null where the texts are equal, or have too many lines.",
                    {"system": or_null(TEXT), "user": or_null(TEXT)},
                )
            ),
            "The texts, line by line.",
        ),
    },
)

"""What commands answer: enough to go on with. The whole of what they changed is read from its own address."""

from api.schemas.columns import fields
from api.schemas.resources import OBSTACLE, OPEN
from api.schemas.schema import (
    BIG,
    BOOLEAN,
    INTEGER,
    OBJECT,
    TEXT,
    TEXTS,
    TIME,
    UUID,
    UUIDS,
    Choice,
    ObjectSchema,
    many,
    one_of,
    or_null,
    ref,
    said,
)

CREATED_TENANT = ObjectSchema("CreatedTenant", "A tenant that was created.", fields("tenants", "id", "slug", "name", "version"))
TENANT_RESULT = ObjectSchema(
    "TenantResult", "A tenant after a change.", fields("tenants", "id", "slug", "name", "is_active", "version")
)
REGISTERED_USER = ObjectSchema(
    "RegisteredUser", "A user who was registered.", fields("users", "id", "email", "display_name", "version")
)
INVITATION = ObjectSchema(
    "InvitationResult",
    "How an invitation stands. Whether the address has a user, it does not say: nobody looked.",
    fields("invitations", "id", "email", "role_ids", "status", "expires_at", "version"),
)
USER_RESULT = ObjectSchema(
    "UserResult", "A user after a change.", fields("users", "id", "email", "display_name", "is_active", "version")
)
MEMBER_RESULT = ObjectSchema(
    "MemberResult",
    "A member after a change.",
    {
        **fields("tenant_users", "user_id", "status"),
        "role_ids": UUIDS,
        **fields("tenant_users", "manager_id", "attributes", "version"),
    },
)
RETENTION_RESULT = ObjectSchema(
    "RetentionResult",
    "A retention policy after a command.",
    fields("retention_policies", "id", "workflow_key", "days", "version"),
)
CALENDAR_RESULT = ObjectSchema(
    "CalendarResult",
    "A business calendar after a change.",
    fields("calendars", "id", "key", "name", "time_zone", "hours", "holidays", "version"),
)
BUDGET_RESULT = ObjectSchema(
    "BudgetResult",
    "A budget as it was set.",
    fields(
        "budgets",
        *("id", "key", "scope", "subject", "period", "time_zone", "limit_cost", "currency", "limit_tokens", "limit_calls"),
        *("limit_tool_calls", "soft", "hard", "unknown", "version"),
    ),
)
BUDGET_REMOVED = ObjectSchema("BudgetRemoved", "A budget that was removed.", fields("budgets", "id", "key", "version"))
DELEGATION_RESULT = ObjectSchema(
    "DelegationResult",
    "A delegation that was given or has ended. `version`: of all that its member has given.",
    fields("delegations", "id", "from_user_id", "to_user_id", "status", "version"),
)
ROLE_RESULT = ObjectSchema(
    "RoleResult",
    "A role after a change, or as it was when it was deleted.",
    {**fields("roles", "id", "key", "name", "description"), "permissions": TEXTS, **fields("roles", "version")},
)
CREATED_API_KEY = ObjectSchema(
    "CreatedApiKey",
    "A key that was created.",
    {
        **fields("api_keys", "id", "name", "user_id", "on_behalf_of", "owner_id", "permissions", "expires_at", "version"),
        "token": said(TEXT, "What the client presents. Shown only once: a repeated answer does not have it."),
    },
    optional=frozenset({"token"}),
)
REVOKED_API_KEY = ObjectSchema(
    "RevokedApiKey",
    "A key that was revoked.",
    {**fields("api_keys", "id"), "revoked": {**BOOLEAN, "const": True}, **fields("api_keys", "version")},
)
HANDED_OVER_API_KEY = ObjectSchema(
    "HandedOverApiKey", "A key with another owner.", fields("api_keys", "id", "owner_id", "version")
)
SECRET_RESULT = ObjectSchema(
    "SecretResult",
    "How a secret stands, or stood when it was deleted. Never its value.",
    fields("secrets", "id", "name", "description", "hosts", "number", "version"),
)
WORKFLOW_RESULT = ObjectSchema(
    "WorkflowResult", "A workflow after a change.", fields("workflows", "id", "key", "status", "published_version", "version")
)
WARNING = ObjectSchema("PublishingWarning", "What may not work as it is drawn.", {"path": TEXT, "code": TEXT, "message": TEXT})
PUBLISHED = ObjectSchema(
    "PublishedWorkflow",
    "How a workflow stands after it was published, and what an author should know.",
    {
        **fields("workflows", "id", "key", "status", "published_version", "version"),
        "warnings": said(many(WARNING), "The first hundred."),
    },
)
OF_PROMPT = ("id", "key", "status", "current_version", "latest_version", "version")
PROMPT_RESULT = ObjectSchema("PromptResult", "How a prompt stands.", fields("prompts", *OF_PROMPT))
PUBLISHED_PROMPT = ObjectSchema(
    "PublishedPrompt",
    "How a prompt stands after it was published, and what its author should know.",
    {**fields("prompts", *OF_PROMPT), "warnings": many(WARNING)},
)
EXECUTION_RESULT = ObjectSchema(
    "ExecutionResult",
    "An execution right after a command.",
    {**fields("workflow_executions", "id", "status", "version"), "open": OPEN},
)
MOVED = ObjectSchema(
    "MigratedPlace",
    "A visit that runs, or a token that waits, and what a migration makes of it.",
    {
        "kind": one_of("visit", "token"),
        "activation_id": said(or_null(UUID), "Of a visit."),
        "token": said(or_null(INTEGER), "Of a token: its number in the execution."),
        "node_id": said(TEXT, "The node where it is, or to which it is on its way, in the present version."),
        "to": said(or_null(TEXT), "That node in the other version; null: it has none."),
        "kept": said(
            many(ObjectSchema("KeptWait", "What a visit waits for.", {"kind": TEXT, "id": UUID, "about": TEXT})),
            "What it waits for, and goes on waiting for as it was asked.",
        ),
        "obstacles": many(OBSTACLE),
    },
)
MIGRATION_PREVIEW = ObjectSchema(
    "MigrationPreview",
    "What a migration would come to. Of each list the first two hundred, what cannot be moved first.",
    {
        **fields("workflow_executions", "id"),
        "dry_run": {**BOOLEAN, "const": True},
        "possible": BOOLEAN,
        "from_version": INTEGER,
        "to_version": INTEGER,
        **fields("workflow_executions", "version"),
        "moved": many(MOVED),
        "more_moved": said(INTEGER, "Beside those."),
        "forgotten": said(TEXTS, "Nodes that were visited and have no counterpart: what they came to cannot be read any more."),
        "cancelled": said(
            many(ObjectSchema("CancelledVisit", "A visit that would be given up.", {"activation_id": UUID, "node_id": TEXT})),
            "By joins that close at once by the rules of the other version.",
        ),
        "status": said(or_null(TEXT), "Of the execution right after it; null where it is not possible."),
        "open": said(or_null(OPEN), "What it would wait for then; null where it is not possible."),
        "obstacles": said(many(OBSTACLE), "Why it is not possible."),
        "more_obstacles": said(INTEGER, "Beside those."),
    },
)
MIGRATION = Choice(
    "Migration", "How an execution stands after a migration, or what one would come to.", (EXECUTION_RESULT, MIGRATION_PREVIEW)
)
STARTED_EXECUTION = ObjectSchema(
    "StartedExecution",
    "How an execution stands right after its start.",
    {
        **fields("workflow_executions", "id", "status", "version"),
        "open": OPEN,
        "existing": said({**BOOLEAN, "const": True}, "It runs already under this business key: nothing was started."),
    },
    optional=frozenset({"existing"}),
)
OF_EVALUATION = ("id", "name", "status", "planned", "recorded", "version")
EVALUATION_RESULT = ObjectSchema("EvaluationResult", "How an evaluation stands.", fields("evaluations", *OF_EVALUATION))
RUN_UNDER_WAY = ObjectSchema(
    "EvaluationRunState",
    "How a run stands.",
    {
        "state": said(one_of("running", "judging", "recorded"), "recorded: it is over, and counts."),
        "task_id": UUID,
        "waits_for": said(UUIDS, "The AI tasks whose end comes first: its own, or its judges'."),
        "passed": said(or_null(BOOLEAN), "Null until it is recorded."),
    },
)
EVALUATION_RUN_RESULT = ObjectSchema(
    "EvaluationRunResult",
    "How an evaluation stands, and one run of it.",
    {**fields("evaluations", *OF_EVALUATION), "run": ref(RUN_UNDER_WAY)},
)
BULK_OPERATION_RESULT = ObjectSchema(
    "BulkOperationResult",
    "How a bulk operation stands.",
    fields("bulk_operations", "id", "action", "status", "matched", "done", "failed", "skipped", "version"),
)
TRIGGER_RESULT = ObjectSchema(
    "TriggerResult", "How a trigger stands.", fields("workflow_triggers", "id", "key", "type", "status", "version")
)
ROTATED_TRIGGER = ObjectSchema(
    "RotatedTrigger",
    "A webhook with another address.",
    {
        **fields("workflow_triggers", "id", "key", "type", "status", "version"),
        "address": said(TEXT, "The path to send requests to. Told this once: not where the answer is a repetition."),
    },
    optional=frozenset({"address"}),
)
HOOK_RESULT = ObjectSchema(
    "HookResult",
    "What came of a request to a webhook.",
    {
        "outcome": said(
            one_of("started", "duplicate", "ignored", "skipped"),
            "duplicate: it came before, and started this execution. ignored: it is not wanted. skipped: an execution with its "
            "business key is not over.",
        ),
        "execution_id": or_null(UUID),
    },
)
BACKFILL_RESULT = ObjectSchema(
    "BackfillResult",
    "How a trigger stands, and how many of its times are made up for.",
    {**fields("workflow_triggers", "id", "key", "type", "status", "version"), "times": said(INTEGER, "Times that wait now.")},
)
EVENT_RESULT = ObjectSchema(
    "EventResult",
    "An event, received now or before.",
    {
        "id": UUID,
        "event_id": TEXT,
        "source": TEXT,
        "type": TEXT,
        "status": said(one_of("received", "duplicate"), "duplicate: it was received before, and nothing is done again."),
        "version": BIG,
    },
)
APPROVAL_RESULT = ObjectSchema(
    "ApprovalResult",
    "An approval request after a decision.",
    fields("approval_requests", "id", "status", "outcome", "outcome_kind", "version"),
)
APPROVAL_LINK_RESULT = ObjectSchema(
    "ApprovalLinkResult",
    "A link to decide by that was made.",
    {
        **fields("approval_links", "id", "request_id", "user_id", "step", "outcome", "expires_at", "version"),
        "address": said(TEXT, "Its path: whoever has it can decide. Told this once: not where the answer is a repetition."),
    },
    optional=frozenset({"address"}),
)
REVOKED_APPROVAL_LINK = ObjectSchema(
    "RevokedApprovalLink",
    "A link that works no more.",
    {**fields("approval_links", "id"), "revoked": {**BOOLEAN, "const": True}, **fields("approval_links", "version")},
)
TOTP_RESULT = ObjectSchema(
    "OneTimePasswordsResult",
    "How a member's one-time passwords stand.",
    {
        "user_id": UUID,
        "status": said(one_of("none", "pending", "enabled"), "pending: to be confirmed by a code."),
        "version": BIG,
    },
)
ENROLLED_TOTP = ObjectSchema(
    "EnrolledOneTimePasswords",
    "One-time passwords to be confirmed by a code.",
    {
        "user_id": UUID,
        "status": said(one_of("none", "pending", "enabled"), "pending: to be confirmed by a code."),
        "version": BIG,
        "secret": said(TEXT, "What an authenticator computes them of, in base32. Told this once."),
        "uri": said(TEXT, "The same for an authenticator to read, also as a QR code. Told this once."),
    },
    optional=frozenset({"secret", "uri"}),
)
DECIDED = ObjectSchema(
    "Decided",
    "What a decision led to.",
    {
        "approval": ref(APPROVAL_RESULT),
        "execution": said(or_null(ref(EXECUTION_RESULT)), "The one that asks; null where none does."),
    },
)
SAID = ObjectSchema(
    "Said",
    "What was said about an approval request. `id`: of the question, the answer or the comment; `version`: the request's.",
    {"id": UUID, "approval_id": UUID, "version": BIG},
)
WATCHING = ObjectSchema(
    "Watching",
    "Whether somebody watches an approval request, whose `id` and `version` these are.",
    {"id": UUID, "user_id": UUID, "watching": BOOLEAN, "version": BIG},
)
DRAFT = ObjectSchema(
    "Draft",
    "A draft of the caller's answer.",
    {"step": said(or_null(TEXT), "Of a request that asks in steps."), "draft": OBJECT, "saved_at": TIME},
)
DROPPED_DRAFT = ObjectSchema("DroppedDraft", "There is no draft any more.", {"dropped": BOOLEAN})
AI_TASK_RESULT = ObjectSchema("AiTaskResult", "An AI task after a command.", fields("ai_agent_tasks", "id", "status", "version"))
CANCELLED_AI_TASK = ObjectSchema(
    "CancelledAiTask",
    "What cancelling an AI task led to.",
    {
        "ai_task": ref(AI_TASK_RESULT),
        "execution": said(or_null(ref(EXECUTION_RESULT)), "The one whose node asked; null where none did."),
    },
)
REPORTED_AI_TASK = ObjectSchema(
    "ReportedAiTask",
    "An AI task of an agent elsewhere, after what it reported.",
    {**fields("ai_agent_tasks", "id", "status", "version"), "turns": said(INTEGER, "That were answered, in all.")},
)
AI_STREAM_PIECE = ObjectSchema(
    "AiStreamPiece",
    "What a model said.",
    {"attempt_id": UUID, "offset": said(BIG, "Characters of the task's stream before it."), "text": TEXT},
)
AI_TASK_STREAM = ObjectSchema(
    "AiTaskStream",
    "What was said after an offset.",
    {
        **fields("ai_agent_tasks", "status"),
        "items": many(AI_STREAM_PIECE),
        "next_offset": said(BIG, "To go on from."),
    },
)
RETRIED_AI_TASK = ObjectSchema("RetriedAiTask", "An AI task that is tried again now.", fields("ai_agent_tasks", "id", "status"))
OF_ENDPOINT = (
    *("id", "url", "events", "workflow_key", "description", "format"),
    *("mail_from", "mail_username", "mail_password_secret", "status", "version"),
)
NOTIFICATION_ENDPOINT_RESULT = ObjectSchema(
    "NotificationEndpointResult",
    "How a notification endpoint stands, or stood when it was deleted.",
    fields("notification_endpoints", *OF_ENDPOINT),
)
NOTIFICATION_ENDPOINT_WITH_SECRET = ObjectSchema(
    "NotificationEndpointWithSecret",
    "A notification endpoint with a new signing secret.",
    {
        **fields("notification_endpoints", *OF_ENDPOINT),
        "secret": said(TEXT, "What deliveries are signed with; of a chat, its address. Told once: not in a repeated answer."),
    },
    optional=frozenset({"secret"}),
)
DIGEST = ObjectSchema(
    "Digest",
    "How often somebody is mailed what waits for them.",
    {
        "every": said(TEXT, "never, hour, or day."),
        "at": said(TEXT, "Of a day: when, by the clocks of the time zone."),
        "time_zone": said(TEXT, "As Europe/Berlin."),
    },
)
PREFERENCES = {
    "mail": said(or_null(TEXTS), "The kinds of mail that are wished for; null: nothing is said of it."),
    "digest": said(or_null(ref(DIGEST)), "Null: nothing is said of it."),
    "next_digest_at": said(or_null(TIME), "When the next digest of these preferences is."),
    "version": INTEGER,
}
NOTIFICATION_PREFERENCES_RESULT = ObjectSchema("NotificationPreferencesResult", "Preferences after a change.", PREFERENCES)
NOTIFICATION_PREFERENCES = ObjectSchema(
    "NotificationPreferences",
    "What somebody wishes to be told by mail.",
    {
        **PREFERENCES,
        "effective": said(
            ref(ObjectSchema("EffectivePreferences", "What holds.", {"mail": TEXTS, "digest": ref(DIGEST)})),
            "What holds: what is not said here, the tenant's default says; where that says nothing, all mail and no digest.",
        ),
    },
)
DELIVERY_RESULT = ObjectSchema(
    "DeliveryResult", "How a delivery stands.", fields("notification_deliveries", "id", "status", "version")
)
FEED = ObjectSchema(
    "EventFeed",
    "How far an endpoint has got that is sent the ledger.",
    {
        "position": said(BIG, "Up to where it has accepted what it wishes for."),
        "behind": said(BIG, "How many events there are behind that, whether it wishes for them or not."),
        "failing_since": said(or_null(TIME), "Since when it has accepted nothing, though asked to; null: it has."),
        "failures": said(INTEGER, "Attempts that have failed since."),
        "last_error": said(or_null(TEXT), "What came of the last of them."),
        "next_attempt_at": said(or_null(TIME), "Not before this moment; null: as soon as there is something."),
        "delivered_at": said(or_null(TIME), "When it accepted something last."),
    },
)
REPLAYED = ObjectSchema(
    "Replayed",
    "What of a time is delivered to an endpoint that was not.",
    {
        "sent": said(INTEGER, "Deliveries that are sent, for the first time or again."),
        "kept": said(INTEGER, "Those that were delivered before, or are under way: they stay as they are."),
        "continue_after": said(or_null(BIG), "Where there is more: behind which position to go on."),
    },
)

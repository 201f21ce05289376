"""Resources as they are read: the columns of their tables, and what is put beside them.

Lists leave out what is long, and what is looked up for each row: an item of a list is a shape of its own, a summary.
"""

from typing import get_args

from api.schemas.columns import fields, row, summary
from api.schemas.json_columns import CHANGE_WITH_VALUES
from api.schemas.schema import (
    BIG,
    BOOLEAN,
    INTEGER,
    TEXT,
    TEXTS,
    TIME,
    UUID,
    UUIDS,
    ObjectSchema,
    many,
    one_of,
    or_null,
    ref,
    said,
)
from domain.execution import WaitKind
from engine.executions import OPEN_KINDS

TENANT = ObjectSchema("Tenant", "An organisation that shares this installation.", row("tenants", without=()))
TENANT_SUMMARY = ObjectSchema("TenantSummary", "An organisation, without its settings.", summary("tenants"))
USER = ObjectSchema(
    "User",
    "Who acts, in one tenant or in many. What is theirs alone is told to themselves and to the platform.",
    row("users", without=()),
    optional=frozenset({"preferences", "last_login_at"}),
)
USER_SUMMARY = ObjectSchema(
    "UserSummary", "A user, without their preferences.", summary("users"), optional=frozenset({"last_login_at"})
)
MEMBER = ObjectSchema(
    "Member", "A user in a tenant.", {**row("tenant_users"), "role_ids": said(UUIDS, "The roles that the member has.")}
)
MEMBER_SUMMARY = ObjectSchema(
    "MemberSummary",
    "A user in a tenant, without their attributes.",
    {**summary("tenant_users"), "role_ids": said(UUIDS, "The roles that the member has.")},
)
CALENDAR = ObjectSchema("Calendar", "When people work.", row("calendars"))
CALENDAR_SUMMARY = ObjectSchema("CalendarSummary", "A business calendar, without its hours and holidays.", summary("calendars"))
RETENTION_POLICY = ObjectSchema(
    "RetentionPolicy", "After how many days finished executions are archived.", row("retention_policies")
)
ARCHIVED_EXECUTION = ObjectSchema("ArchivedExecution", "A finished execution that is in the archive.", row("archived_executions"))
OF_NO_PART = ("tenant_id", "execution_id", "month", "version", "created_at", "updated_at")
ARCHIVED_ROWS = ObjectSchema(
    "ArchivedRows", "Rows of one table that belonged to an archived execution.", row("archived_rows", without=OF_NO_PART[:3])
)
ARCHIVED_PART = ObjectSchema("ArchivedPart", "How many rows such a part has.", summary("archived_rows", without=OF_NO_PART))
DELEGATION = ObjectSchema("Delegation", "Who may decide in whose place, from when to when, and for what.", row("delegations"))
BUDGET_PERIOD = ObjectSchema(
    "BudgetPeriod",
    "What a budget has counted for one subject in one period.",
    row("budget_periods", without=("tenant_id", "budget_id")),
)
BUDGET = ObjectSchema(
    "Budget",
    "How much AI tasks may use.",
    {
        **row("budgets", without=("tenant_id", "status", "removed_at")),
        "running": said(
            or_null(ref(BUDGET_PERIOD)),
            "The period that runs; null: nothing has been counted in it yet, or the budget is of each workflow, prompt, "
            "execution or task: those are in its list of periods.",
        ),
    },
)
INVITATION = ObjectSchema("Invitation", "An address that was invited to become a member.", row("invitations"))
ROLE = ObjectSchema(
    "Role", "A named set of permissions.", {**row("roles"), "permissions": said(TEXTS, "Keys of the permissions that it gives.")}
)
PERMISSION = ObjectSchema("Permission", "What can be permitted.", row("permissions", without=()))
API_KEY = ObjectSchema("ApiKey", "What a client presents; its token is shown only once.", row("api_keys"))
SECRET = ObjectSchema("Secret", "A credential that nodes refer to by its name. Its value is told to nobody.", row("secrets"))

WORKFLOW = ObjectSchema("Workflow", "A draft, and the definition published last.", row("workflows"))
WORKFLOW_SUMMARY = ObjectSchema(
    "WorkflowSummary",
    "A workflow without its definitions.",
    summary("workflows"),
)
WORKFLOW_VERSION = ObjectSchema(
    "WorkflowVersion", "What was published under a number.", row("workflow_versions", without=("tenant_id", "workflow_id"))
)
WORKFLOW_VERSION_SUMMARY = ObjectSchema(
    "WorkflowVersionSummary",
    "A published version without its definition.",
    summary("workflow_versions", without=("tenant_id", "workflow_id")),
)

TRIGGER_SUMMARY = ObjectSchema(
    "TriggerSummary", "What starts executions by itself, without its configuration.", summary("workflow_triggers")
)
TRIGGER = ObjectSchema(
    "Trigger",
    "What starts executions of a workflow by itself.",
    {
        **row("workflow_triggers"),
        "next_times": said({"type": "array", "items": TIME}, "The next ten times of a schedule that is not paused."),
    },
)
TRIGGER_RUN = ObjectSchema(
    "TriggerRun",
    "A time that a trigger was to start an execution, and what came of it.",
    summary("trigger_runs", without=("tenant_id", "trigger_id")),
)

ITEM_INDEX = {"type": "integer", "minimum": 0, "description": "Of the foreach's item, where it is in one."}
OPEN_ITEM = ObjectSchema(
    "OpenItem",
    "What an execution waits for. `id`: of the approval request, of the AI task, of the task's job, of what else it is.",
    {"kind": one_of(*OPEN_KINDS), "id": UUID, "node_id": TEXT, "activation_id": UUID, "item_index": ITEM_INDEX},
    optional=frozenset({"item_index"}),
)
OPEN = said(many(OPEN_ITEM), "What it waits for now.")
WAIT = ObjectSchema(
    "Wait",
    "Something that an execution waits for.",
    {
        "kind": one_of(*get_args(WaitKind)),
        "id": said(UUID, "Of the approval request, the AI task, the job, the timer, the subscription."),
        "about": said(TEXT, "A job's type, what a timer is for, an event's type, a child's workflow."),
        "node_id": said(or_null(TEXT), "Null of the time that the execution itself may take."),
        "activation_id": said(or_null(UUID), "Null of the time that the execution itself may take."),
        "item_index": ITEM_INDEX,
        "since": TIME,
        "until": said(or_null(TIME), "When a timer fires; null while it is paused, and of all else."),
        "moved_on_by": said(TEXT, "Who or what can move it on, in words."),
        "by": {
            "type": ["object", "null"],
            "description": "Who or what can move it on: {users, roles}, {job_type}, {model}, {workflow_key} or {event_type}; "
            "null: time alone, or the items of a foreach.",
        },
    },
    optional=frozenset({"item_index"}),
)
WAITS = ObjectSchema(
    "Waits", "What an execution waits for now, the oldest first.", {"id": UUID, "version": BIG, "items": many(WAIT)}
)
EXECUTION_SUMMARY = ObjectSchema(
    "ExecutionSummary", "A run of a workflow, without what went in and came out.", summary("workflow_executions")
)
EXECUTION = ObjectSchema(
    "Execution",
    "A run of a workflow.",
    {
        **row("workflow_executions"),
        "open": OPEN,
        "attributes": {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
            "description": "Its search attributes, by name.",
        },
    },
)

APPROVAL_DECISION = ObjectSchema(
    "ApprovalDecision",
    "What one person decided.",
    row("approval_decisions", without=("tenant_id", "request_id", "version", "created_at", "updated_at")),
)
APPROVAL_SUMMARY = ObjectSchema(
    "ApprovalSummary", "What people are, or were, asked to decide, without what they are shown.", summary("approval_requests")
)
APPROVAL_STEP = ObjectSchema(
    "ApprovalStep",
    "A step of a request that asks in steps.",
    row("approval_steps", without=("tenant_id", "request_id", "version", "created_at", "updated_at")),
)
APPROVAL = ObjectSchema(
    "Approval",
    "What people are, or were, asked to decide.",
    {
        **row("approval_requests"),
        "decisions": said(many(APPROVAL_DECISION), "In the order in which they were made."),
        "steps": said(many(APPROVAL_STEP), "In their order; none where it does not ask in steps."),
        "watchers": said(UUIDS, "Who watches it."),
    },
)
APPROVAL_LINK = ObjectSchema(
    "ApprovalLink", "A link by which one person chooses one outcome, once. Its address is told to nobody.", row("approval_links")
)
APPROVAL_VERSION_SUMMARY = ObjectSchema(
    "ApprovalVersionSummary",
    "What was asked under a number, without what was shown.",
    summary("approval_versions", without=("tenant_id", "request_id")),
)
APPROVAL_VERSION = ObjectSchema(
    "ApprovalVersion",
    "What was asked under a number.",
    {
        **row("approval_versions", without=("tenant_id", "request_id")),
        "changes": said(many(CHANGE_WITH_VALUES), "In what it differs from the version before."),
    },
)
APPROVAL_COMMENT = ObjectSchema(
    "ApprovalComment",
    "What somebody said about an approval request.",
    {
        **row("approval_comments", without=("tenant_id", "request_id")),
        "user_id": said(or_null(UUID), "Who said it; null where those who see the request do not see each other's names."),
    },
)
INBOX_ITEM = ObjectSchema(
    "InboxItem",
    "A step of an approval request that waits for the caller to decide. `id`: of the request; `due_at`: of the step.",
    {
        **summary("approval_requests"),
        "step": said(INTEGER, "The step's number; 1 where it does not ask in steps."),
        "step_name": said(or_null(TEXT), "Its name, for `step` of a decision; null where it does not ask in steps."),
        "overdue": said(BOOLEAN, "Whether it was due before now."),
        "standing_in_for": said(
            or_null(UUID), "In whose place the caller decides, for `on_behalf_of` of a decision; null: for themselves."
        ),
    },
)
NUMBERS = {"type": "object", "additionalProperties": BIG}
INBOX_COUNTS = ObjectSchema(
    "InboxCounts",
    "How much waits for the caller to decide.",
    {
        "total": BIG,
        "overdue": said(BIG, "Of these, due before now."),
        "claimed": said(
            BIG, "Of these, claimed: by the caller, by whom they stand in for or, where the filter says so, by others."
        ),
        "by_priority": said(NUMBERS, "How many, by priority."),
        "by_workflow": said(NUMBERS, "How many, by the workflow's key."),
        "by_step": said(NUMBERS, "How many, by the step's name; of requests that ask in steps."),
        "by_requester": said(NUMBERS, "How many, by the id of the user on whose behalf it is asked."),
        "standing_in_for": said(NUMBERS, "How many of these are decided in somebody else's place, by whose."),
        "more": said(BOOLEAN, "Whether there are more, which are not counted."),
    },
)
SAVED_FILTER = ObjectSchema(
    "KeptFilter",
    "A query of the inbox that a user has given a name.",
    {
        "name": TEXT,
        "filter": {"type": "object", "additionalProperties": TEXT, "description": "Filters of GET /inbox, by name."},
        "order": or_null(TEXT),
    },
)
SAVED_FILTERS = ObjectSchema("KeptFilters", "A user's saved filters, in their order.", {"items": many(SAVED_FILTER)})

AI_ATTEMPT = ObjectSchema(
    "AiAttempt",
    "One call of a model.",
    row("ai_agent_attempts", without=("tenant_id", "task_id", "version", "created_at", "updated_at")),
)
AI_TURN = ObjectSchema(
    "AiTurn",
    "What a model answered in one turn.",
    row("ai_agent_turns", without=("tenant_id", "task_id", "version", "created_at", "updated_at")),
)
AI_TOOL_CALL = ObjectSchema(
    "AiToolCall",
    "A call of a tool that a model asked for.",
    row("ai_agent_tool_calls", without=("tenant_id", "task_id", "version", "created_at", "updated_at")),
)
AI_TASK_SUMMARY = ObjectSchema(
    "AiTaskSummary",
    "What a model is asked, without what was said at length.",
    summary("ai_agent_tasks"),
)
AI_TASK = ObjectSchema(
    "AiTask",
    "What a model is asked, what it answered and asked of tools and people, used and cost.",
    {
        **row("ai_agent_tasks"),
        "attempts": said(many(AI_ATTEMPT), "In their order."),
        "answers": said(many(AI_TURN), "In the order of their turns."),
        "calls": said(many(AI_TOOL_CALL), "In the order in which they were asked for."),
    },
)

OF_NO_ROW = ("tenant_id", "prompt_id", "version", "created_at", "updated_at")
PROMPT_SUMMARY = ObjectSchema("PromptSummary", "A prompt, without its draft and versions.", summary("prompts"))
CURRENT_PROMPT_VERSION = ObjectSchema(
    "CurrentPromptVersion", "The version that tasks get which name none.", row("prompt_versions", without=OF_NO_ROW)
)
PROMPT = ObjectSchema(
    "Prompt",
    "What models are told, by name: a draft, and the version that is current.",
    {**row("prompts"), "current": said(or_null(ref(CURRENT_PROMPT_VERSION)), "Null where nothing is published.")},
)
PROMPT_VERSION = ObjectSchema(
    "PromptVersion",
    "What was published of a prompt under a number.",
    row("prompt_versions", without=("tenant_id", "prompt_id")),
)
PROMPT_VERSION_SUMMARY = ObjectSchema(
    "PromptVersionSummary",
    "A published version of a prompt, without what it says.",
    summary("prompt_versions", without=("tenant_id", "prompt_id")),
)

EVALUATION_SUMMARY = ObjectSchema(
    "EvaluationSummary", "An evaluation, without its suite and what its variants came to.", summary("evaluations")
)
EVALUATION = ObjectSchema("Evaluation", "Prompts, models or settings on the same cases, side by side.", row("evaluations"))
EVALUATION_RUN = ObjectSchema("EvaluationRun", "What came of one case given to one variant, once.", summary("evaluation_results"))

BULK_OPERATION_SUMMARY = ObjectSchema(
    "BulkOperationSummary", "One action on many executions, and how far it has come.", summary("bulk_operations")
)
BULK_OPERATION = ObjectSchema(
    "BulkOperation", "One action on many executions, how far it has come, and what could not be acted on.", row("bulk_operations")
)
OBSTACLE = ObjectSchema(
    "MigrationObstacle", "Why an execution cannot be migrated.", {"path": TEXT, "code": TEXT, "message": TEXT}
)
BULK_FORECAST = ObjectSchema(
    "BulkForecast",
    "What would become of one execution now.",
    {
        "execution_id": UUID,
        "outcome": said(one_of("done", "failed", "skipped"), "As which it would be counted."),
        "code": said(or_null(TEXT), "Of one that could not be acted on, as in `failures`."),
        "message": or_null(TEXT),
        "obstacles": said(many(OBSTACLE), "All that stands in its way."),
    },
)
BULK_PREVIEW = ObjectSchema(
    "BulkPreview",
    "What a bulk operation would act on.",
    {
        "dry_run": {**BOOLEAN, "const": True},
        "matched": said(INTEGER, "How many it would act on."),
        "too_many": said(BOOLEAN, "There are more than one operation may have: `matched` are as many as it may."),
        "sample": said(
            many(EXECUTION_SUMMARY), "The first ten of them, the oldest first; none where they are named, or to be started."
        ),
        "forecasts": said(many(BULK_FORECAST), "Of a migration: what would become of each of the first ten, named ones too."),
    },
    optional=frozenset({"forecasts"}),
)
NOTIFICATION_ENDPOINT = ObjectSchema(
    "NotificationEndpoint",
    "Where events are delivered to. Its signing secret is told to nobody.",
    row("notification_endpoints"),
)
NOTIFICATION_ATTEMPT = ObjectSchema(
    "NotificationAttempt",
    "Once that a delivery was sent, and what came of it.",
    row("notification_attempts", without=("tenant_id", "delivery_id", "version", "created_at", "updated_at")),
)
DELIVERY_SUMMARY = ObjectSchema(
    "DeliverySummary", "An event on its way to an endpoint, without the attempts.", summary("notification_deliveries")
)
DELIVERY = ObjectSchema(
    "Delivery",
    "An event on its way to an endpoint.",
    {**row("notification_deliveries"), "attempt_log": said(many(NOTIFICATION_ATTEMPT), "In their order.")},
)

AUDIT_LOG = ObjectSchema("AuditLog", "One event of the ledger, as the audit log tells it.", row("audit_logs"))

DEAD_JOB = ObjectSchema(
    "DeadJob",
    "A job that was given up.",
    fields(
        "queue",
        *("id", "type", "state", "attempt", "max_attempts", "priority", "execution_id", "activation_id", "task_id"),
        *("input", "error", "created_at", "updated_at"),
    ),
)

JOB_SUMMARY = ObjectSchema(
    "EnqueuedJobSummary", "A job of its own, without what it was given and what it came to.", summary("jobs")
)

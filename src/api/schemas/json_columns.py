"""What is in columns of JSON, where Gesta itself says so. What clients and workflows put there is anything, or any object."""

from collections.abc import Mapping
from typing import get_args

from api.schemas.schema import (
    ANYTHING,
    BIG,
    BOOLEAN,
    INTEGER,
    OBJECT,
    TEXT,
    TEXTS,
    UUID,
    UUIDS,
    ObjectSchema,
    Schema,
    many,
    one_of,
    or_null,
    ref,
    said,
)
from domain.ai_task import Purpose
from domain.approval import OutcomeKind
from domain.working_time import WEEKDAYS

NOT_UNDONE = ObjectSchema(
    "CompensationFailure",
    "A completed visit (`activation_id` of `node_id`) that the node `compensate` could not undo.",
    {
        "node_id": TEXT,
        "activation_id": UUID,
        "compensate": TEXT,
        "error": {
            "type": "object",
            "properties": {"type": TEXT, "message": TEXT, "attempts": INTEGER},
            "required": ["type", "message", "attempts"],
        },
    },
)
COMPENSATION = ObjectSchema(
    "Compensation",
    "How many completed visits were undone, could not be, and are left because the execution was terminated. "
    "`failures`: the first hundred.",
    {**dict.fromkeys(("undone", "failed", "left"), INTEGER), "failures": many(NOT_UNDONE)},
)
FAILURE = ObjectSchema(
    "ExecutionFailure",
    "Why an execution failed. `code`: the `fail` node's, or the type of the error that nothing handled; of a cancelled execution "
    "`compensation_failed`. `compensation`: there where something could not be undone.",
    {"code": TEXT, "message": TEXT, "node_id": or_null(TEXT), "compensation": ref(COMPENSATION)},
    optional=frozenset({"compensation"}),
)
JOB_FAILURE = ObjectSchema("JobFailure", "Why an attempt at a job failed, or the job.", {"type": TEXT, "message": TEXT})
METRICS = ObjectSchema(
    "ExecutionMetrics",
    "How many nodes were visited, with which end, and milliseconds: `waiting_ms` of visits without work, `running_ms` in all.",
    {
        **dict.fromkeys(("total", "completed", "failed", "skipped"), INTEGER),
        "waiting_ms": BIG,
        "running_ms": or_null(BIG),
    },
)
ASSIGNED = ObjectSchema(
    "Assigned",
    "Users by id and roles by key; all empty: every member who may decide.",
    {
        "users": UUIDS,
        "roles": TEXTS,
        "hidden": said(INTEGER, "How many more users there are whose names are not shown; not there where there are none."),
    },
    optional=frozenset({"hidden"}),
)
OUTCOME = ObjectSchema(
    "OfferedOutcome",
    "One way to answer, and who may choose it.",
    {
        "name": TEXT,
        "kind": one_of(*get_args(OutcomeKind)),
        "by": ref(ASSIGNED),
        "exclude": said(UUIDS, "Users who may not, whatever `by` says; not there where it is nobody."),
        "comment": said(one_of("required"), "Whether it needs a comment; not there where it does not."),
        "reasons": said(TEXTS, "The codes of which it needs one; not there where it takes none."),
        "step": said(TEXT, "Of a request in steps: the one that offers it."),
        "form": said(one_of("required"), "Whether it needs the form, whatever its kind; not there where that goes by its kind."),
        "fallback": said({**BOOLEAN, "const": True}, "Those are asked who are where nobody else is there; not there otherwise."),
        "proof": said(one_of("key", "totp"), "What who chooses it shows anew of who they are; not there where it is nothing."),
        "means": said(TEXT, "What signing by it means, where that is said."),
    },
    optional=frozenset({"exclude", "step", "comment", "reasons", "form", "fallback", "proof", "means"}),
)
DEPENDS_ON = said(TEXTS, "What it looks at, as it is written: JSON pointers and expressions; not there: everything.")
UI_SCHEMA = said(ANYTHING, "How the form is shown, as it is written; not there where nothing is.")
PLANNED = ObjectSchema(
    "PlannedStep",
    "A step. `distinct`: steps in none of which somebody decides who decides in this one. `form`: once it is asked.",
    {
        "name": TEXT,
        "stage": INTEGER,
        "distinct": TEXTS,
        "ad_hoc": BOOLEAN,
        "form": ANYTHING,
        "ui_schema": UI_SCHEMA,
        "depends_on": DEPENDS_ON,
    },
    optional=frozenset({"ui_schema", "depends_on"}),
)
ATTACHMENT = ObjectSchema(
    "Attachment",
    "A file that is kept elsewhere: where, and what it must be to be that file. `size`: in bytes.",
    {"name": TEXT, "reference": TEXT, "sha256": TEXT, "media_type": or_null(TEXT), "size": or_null(BIG)},
)
PLACE = {"path": said(TEXT, "JSON pointer into the version."), "how": one_of("added", "removed", "changed")}
CHANGE = ObjectSchema("VersionChange", "A place in which a version differs from the one before.", PLACE)
CHANGE_WITH_VALUES = ObjectSchema(
    "VersionChangeWithValues",
    "The same, with what stood there before and what does now; not there where nothing did, or does.",
    {**PLACE, "before": ANYTHING, "after": ANYTHING},
    optional=frozenset({"before", "after"}),
)
ASKED_BY_AI: Schema = {
    "type": "object",
    "properties": {"purpose": one_of(*get_args(Purpose)), "call_id": or_null(UUID)},
    "required": ["purpose", "call_id"],
    "additionalProperties": False,
}
REQUEST_DATA = ObjectSchema(
    "ApprovalRequestData",
    "What the deciders get. `form`: JSON Schema of the form data.",
    {
        "context": ANYTHING,
        "form": ANYTHING,
        "outcomes": said(many(OUTCOME), "Of a request in steps: of those that are asked now."),
        "rule": OBJECT,
        "steps": said(many(PLANNED), "How it asks, in their order; not there where it does not ask in steps."),
        "ui_schema": UI_SCHEMA,
        "depends_on": DEPENDS_ON,
        "editable": said(
            TEXTS,
            "JSON pointers to what may be changed when it is resubmitted. Not there: all, of a request of its own.",
        ),
        "ai": said(ASKED_BY_AI, "What an AI task asks for, and of which call of a tool. Not there where no AI task asks."),
    },
    optional=frozenset({"steps", "ui_schema", "depends_on", "editable", "ai"}),
)
AI_FAILURE = ObjectSchema("AiFailure", "Why a model's answer is missing.", {"type": TEXT, "message": TEXT, "retryable": BOOLEAN})
TOKENS = dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"), BIG)
TASK_USAGE = ObjectSchema(
    "AiTaskUsage",
    "What all attempts that ended used. `unpriced`: how many of them are not in `actual_cost`.",
    {"attempts": INTEGER, **TOKENS, "reasoning_tokens": BIG, "unpriced": INTEGER},
    optional=frozenset({"reasoning_tokens"}),
)
ATTEMPT_USAGE = ObjectSchema(
    "AiAttemptUsage",
    "What one attempt used. `details`: as the provider says.",
    {**TOKENS, "details": or_null({"type": "object", "additionalProperties": BIG}), "reasoning_tokens": BIG},
    optional=frozenset({"reasoning_tokens"}),
)
CONFIGURATION = ObjectSchema(
    "AiConfiguration",
    "What the model is told beside the words; null: the provider's default.",
    {
        "max_output_tokens": or_null(BIG),
        "temperature": or_null({"type": "number"}),
        "top_p": or_null({"type": "number"}),
        "seed": or_null(BIG),
        "output_schema": ANYTHING,
        "retry": ANYTHING,
    },
)
TEMPLATE = ObjectSchema(
    "PromptTemplate",
    "The texts, with places for values: `{{ name }}`, or `{{ name.field }}`.",
    {"system": or_null(TEXT), "user": TEXT},
)
VARIABLE = ObjectSchema(
    "PromptVariable",
    "What a template has a place for. `schema`: JSON Schema of its values. `sensitive`: they are kept out of what is recorded.",
    {"description": TEXT, "schema": ANYTHING, "required": BOOLEAN, "default": ANYTHING, "sensitive": BOOLEAN},
    optional=frozenset({"description", "schema", "default"}),
)
VARIABLES = {"type": "object", "additionalProperties": VARIABLE.schema}
DEFAULTS = ObjectSchema(
    "PromptDefaults",
    "What the model is told beside the words, where whoever uses the prompt says nothing of it.",
    {"max_output_tokens": BIG, "temperature": {"type": "number"}, "top_p": {"type": "number"}, "seed": BIG},
    optional=frozenset({"max_output_tokens", "temperature", "top_p", "seed"}),
)
PROMPT_DRAFT = ObjectSchema(
    "PromptDraft",
    "What is being worked on.",
    {
        "template": ref(TEMPLATE),
        "variables": VARIABLES,
        "model": or_null(TEXT),
        "defaults": ref(DEFAULTS),
        "output_schema": ANYTHING,
    },
)
BULK_FAILURE = ObjectSchema(
    "BulkFailure",
    "What a bulk operation could not act on. `index`: its place in what was matched, from 0. `execution_id`: null where an "
    "execution was to be started. `code`, `message`: as the single command is refused.",
    {"index": INTEGER, "execution_id": or_null(UUID), "code": TEXT, "message": TEXT},
)

EVALUATION_VERDICT = ObjectSchema(
    "EvaluationVerdict",
    "What a check says of a run. `unjudged`: the judge gave no verdict. `task_id`: the judge's.",
    {
        "check": TEXT,
        "type": one_of("schema", "cel", "forbidden_tools", "judge"),
        "verdict": one_of("pass", "fail", "unjudged"),
        "why": or_null(TEXT),
        "score": or_null({"type": "number"}),
        "task_id": or_null(UUID),
    },
)
EVALUATION_THRESHOLD = ObjectSchema(
    "EvaluationThreshold",
    "What was wanted of a variant. `found`: null where it is not known, and so does not hold.",
    {
        "name": one_of("pass_rate", "mean_cost", "p95_latency_ms"),
        "wanted": TEXT,
        "found": or_null(TEXT),
        "holds": BOOLEAN,
    },
)
EVALUATION_CHECK = ObjectSchema(
    "EvaluationCheck", "Of how many runs a check failed.", {"check": TEXT, "failed": INTEGER, "unjudged": INTEGER}
)
EVALUATION_VARIANT = ObjectSchema(
    "EvaluationVariant",
    "What the runs of a variant come to. Costs are exact, as text; `unpriced` calls of models are not in them.",
    {
        "variant": TEXT,
        **dict.fromkeys(("runs", "passed", "unjudged", "unpriced"), INTEGER),
        **dict.fromkeys(("cost", "currency", "judge_cost", "judge_currency"), or_null(TEXT)),
        **dict.fromkeys(("input_tokens", "output_tokens"), BIG),
        **dict.fromkeys(("median_latency_ms", "p95_latency_ms"), or_null(BIG)),
        "checks": many(EVALUATION_CHECK),
        "thresholds": many(EVALUATION_THRESHOLD),
        "holds": BOOLEAN,
    },
)

SPAN = ObjectSchema("Span", "Of a day, by the clock on the wall: `09:00`; `24:00` is its end.", {"from": TEXT, "to": TEXT})
HOURS = ObjectSchema("WorkingHours", "By weekday.", dict.fromkeys(WEEKDAYS, many(SPAN)), optional=frozenset(WEEKDAYS))

AI_LIMITS = ObjectSchema(
    "AiLimits",
    "How much of a provider may be used; null: no limit of ours.",
    dict.fromkeys(("concurrency", "requests_per_minute", "tokens_per_minute"), or_null(INTEGER)),
)
AI_PRICES: Schema = {
    "type": "object",
    "description": "By model: {input, output, cached_input?, currency}, for a million tokens each, exact.",
    "additionalProperties": {"type": "object", "additionalProperties": TEXT},
}
AI_DEFAULTS = ObjectSchema(
    "AiModelDefaults",
    "Where a task does not say.",
    {"max_output_tokens": or_null(INTEGER), **dict.fromkeys(("temperature", "timeout_seconds"), or_null({"type": "number"}))},
)

JSON_COLUMNS: Mapping[tuple[str, str], Schema] = {
    ("tenants", "settings"): OBJECT,
    ("users", "preferences"): OBJECT,
    ("tenant_users", "attributes"): OBJECT,
    ("calendars", "hours"): ref(HOURS),
    ("archived_executions", "labels"): {"type": "object", "additionalProperties": TEXT},
    ("archived_executions", "row_counts"): {"type": "object", "additionalProperties": INTEGER},
    ("archived_rows", "rows"): {"type": "array", "items": OBJECT},
    ("ai_providers", "limits"): ref(AI_LIMITS),
    ("ai_providers", "prices"): AI_PRICES,
    ("ai_models", "defaults"): ref(AI_DEFAULTS),
    ("workflows", "draft"): OBJECT,
    ("workflows", "definition"): OBJECT,
    ("workflow_versions", "definition"): OBJECT,
    ("workflow_executions", "variables"): OBJECT,
    ("workflow_executions", "labels"): {"type": "object", "additionalProperties": TEXT},
    ("workflow_executions", "error_details"): ref(FAILURE),
    ("workflow_executions", "metrics"): ref(METRICS),
    ("approval_requests", "request_data"): ref(REQUEST_DATA),
    ("approval_requests", "assigned_to"): ref(ASSIGNED),
    **{(f"approval_{of}", "attachments"): many(ATTACHMENT) for of in ("requests", "decisions", "comments", "versions")},
    ("approval_versions", "changes"): many(CHANGE),
    ("approval_versions", "asked_again"): {"type": "array", "items": INTEGER},
    ("jobs", "error"): ref(JOB_FAILURE),
    ("ai_agent_tasks", "configuration"): ref(CONFIGURATION),
    ("ai_agent_tasks", "usage"): ref(TASK_USAGE),
    ("ai_agent_tasks", "error_details"): ref(AI_FAILURE),
    ("ai_agent_tasks", "bounds"): OBJECT,
    ("ai_agent_tasks", "tools"): {"type": "array", "items": OBJECT},
    ("ai_agent_tool_calls", "arguments"): OBJECT,
    ("ai_agent_tool_calls", "called_with"): OBJECT,
    ("ai_agent_tool_calls", "error_details"): ref(AI_FAILURE),
    ("ai_agent_attempts", "usage"): ref(ATTEMPT_USAGE),
    ("ai_agent_attempts", "error_details"): ref(AI_FAILURE),
    ("prompts", "draft"): ref(PROMPT_DRAFT),
    ("prompt_versions", "template"): ref(TEMPLATE),
    ("prompt_versions", "variables"): VARIABLES,
    ("prompt_versions", "defaults"): ref(DEFAULTS),
    ("evaluations", "suite"): OBJECT,
    ("evaluations", "variants"): many(EVALUATION_VARIANT),
    ("evaluation_results", "verdicts"): many(EVALUATION_VERDICT),
    ("bulk_operations", "filter"): {"type": "object", "additionalProperties": TEXT},
    ("bulk_operations", "options"): OBJECT,
    ("bulk_operations", "failures"): many(BULK_FAILURE),
    ("audit_logs", "metadata"): OBJECT,
    ("audit_logs", "payload"): OBJECT,
}
"""By table and column."""

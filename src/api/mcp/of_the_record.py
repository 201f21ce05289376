"""Tools about what happened, and what models were asked."""

from api.mcp.cutting import picked
from api.mcp.shapes import ANY, ID, MOMENT, PAGE, TEXT, choice, listed, page, said
from api.mcp.tools import OWN, Invocation, Tool
from api.mcp.within import Within
from api.routes import ai_tasks, ledger
from domain.facts import Json
from projections import ai_agent_tasks, audit_logs

AUDIT = Within.of(ledger.routes, ledger.list_audit_logs)
LIST_TASKS, GET_TASK = Within.of(ai_tasks.routes, ai_tasks.list_ai_tasks), Within.of(ai_tasks.routes, ai_tasks.get)

ENTRY = (
    "position",
    "action",
    "outcome",
    "description",
    "resource",
    "resource_id",
    "user_id",
    "actor_type",
    "actor_id",
    "on_behalf_of",
    "category",
    "severity",
    "reason",
    "correlation_id",
    "metadata",
    "recorded_at",
)
TASK_SUMMARY = (
    "id",
    "execution_id",
    "node_id",
    "task_name",
    "provider",
    "model",
    "status",
    "error",
    "input_tokens",
    "output_tokens",
    "actual_cost",
    "currency",
    "retry_count",
    "created_at",
    "completed_at",
)
TASK = (*TASK_SUMMARY, "prompt", "system_prompt", "context", "input", "output", "error_details", "cost_estimate", "latency_ms")
ATTEMPT = ("number", "status", "model", "input_tokens", "output_tokens", "cost", "latency_ms", "finish_reason", "error")


async def read_audit_log(asked: Invocation) -> Json:
    filters = ("resource", "resource_id", "user_id", "action", "category", "severity", "correlation_id", "from", "to", "order")
    return await page(asked, AUDIT, "entries", ENTRY, filters)


async def list_ai_tasks(asked: Invocation) -> Json:
    return await page(asked, LIST_TASKS, "ai_tasks", TASK_SUMMARY, ("status", "model", "execution_id"))


async def get_ai_task(asked: Invocation) -> Json:
    row = await asked.read(GET_TASK, {"id": str(asked.given["id"])})
    return {**picked(row, TASK), "attempts": [picked(each, ATTEMPT, listed=True) for each in row["attempts"][-20:]]}


TOOLS = (
    Tool(
        f"{OWN}read_audit_log",
        "Read the audit log",
        "What happened, the latest first: who did what to which thing, and what was refused. Every change is there.",
        {
            "resource": said(TEXT, "The kind of thing, as execution, approval, workflow, member."),
            "resource_id": ID,
            "user_id": said(ID, "Who acted."),
            "action": said(TEXT, "As approval.decided."),
            "category": choice(*audit_logs.TABLE.columns["category"].choices),
            "severity": choice(*audit_logs.TABLE.columns["severity"].choices),
            "correlation_id": ID,
            "from": MOMENT,
            "to": MOMENT,
            "order": choice("-position", "position", words="The latest first unless given."),
            **PAGE,
        },
        listed("entries", ENTRY),
        "audit:read",
        read_audit_log,
    ),
    Tool(
        f"{OWN}list_ai_tasks",
        "List AI tasks",
        "What models were asked by executions, the newest first, with tokens and cost.",
        {"status": choice(*ai_agent_tasks.TABLE.columns["status"].choices), "model": TEXT, "execution_id": ID, **PAGE},
        listed("ai_tasks", TASK_SUMMARY),
        "ai_tasks:read",
        list_ai_tasks,
    ),
    Tool(
        f"{OWN}get_ai_task",
        "Get an AI task",
        "What a model was asked and answered, and each attempt.",
        {"id": said(ID, "The AI task's id.")},
        {**dict.fromkeys(TASK, ANY), "attempts": {"type": "array", "items": {"type": "object"}}},
        "ai_tasks:read",
        get_ai_task,
        required=("id",),
    ),
)

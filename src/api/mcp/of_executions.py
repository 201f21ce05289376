"""Tools about workflows and their executions."""

from typing import Any

from api.mcp.cutting import picked
from api.mcp.shapes import ANY, ID, MOMENT, PAGE, REPEATED, TEXT, WHOLE, choice, listed, page, said
from api.mcp.tools import OWN, Invocation, Tool
from api.mcp.within import Within
from api.problems import not_found
from api.routes import executions, ledger, workflows
from domain.facts import Json
from projections import workflow_executions

LIST_WORKFLOWS, GET_WORKFLOW = (Within.of(workflows.routes, each) for each in (workflows.list_workflows, workflows.get))
START, LIST, GET, WAITS, CANCEL, SIGNAL = (
    Within.of(executions.routes, each)
    for each in (
        executions.start,
        executions.list_executions,
        executions.get,
        executions.waits,
        executions.cancel,
        executions.signal,
    )
)
HISTORY = Within.of(ledger.routes, ledger.history)

LONGEST_WAIT = 55
"""Seconds: many clients give up after a minute."""
STATUSES = workflow_executions.TABLE.columns["status"].choices
EXECUTION_ID = said(ID, "The execution's id.")
REASON = {"type": "string", "maxLength": 10_000, "description": "For the record."}
WORKFLOW = ("key", "name", "description", "status", "published_version")
SUMMARY = (
    "id",
    "workflow_key",
    "business_key",
    "status",
    "current_nodes",
    "error",
    "priority",
    "labels",
    "created_at",
    "completed_at",
)
EXECUTION = (
    *SUMMARY,
    "workflow_version",
    "trigger_type",
    "input",
    "output",
    "error_details",
    "attributes",
    "parent_execution_id",
    "correlation_id",
)
WAIT = ("kind", "id", "node_id", "about", "since", "until", "moved_on_by", "by", "item_index")
STEP = ("position", "topic", "node_id", "activation_id", "occurred_at", "actor", "data")
STANDING = {"id": EXECUTION_ID, "status": TEXT, "version": WHOLE}


async def list_workflows(asked: Invocation) -> Json:
    return await page(asked, LIST_WORKFLOWS, "workflows", WORKFLOW, ("status",), status="active", order="key")


async def get_workflow(asked: Invocation) -> Json:
    found = (await asked.read(LIST_WORKFLOWS, key=asked.given["key"]))["items"]
    if not found:
        raise not_found()
    row = await asked.read(GET_WORKFLOW, {"id": found[0]["id"]})
    definition = row["definition"] or row["draft"] or {}
    about = {"output_schema": definition.get("output_schema"), "nodes": [_node(each) for each in definition.get("nodes", [])]}
    return picked({**row, **about}, (*WORKFLOW, "input_schema", "output_schema", "nodes"))


def _node(node: Any) -> Json:
    return {name: node[name] for name in ("id", "type", "name") if name in node}


async def start(asked: Invocation) -> Json:
    body = asked.only("workflow_key", "input", "business_key", "labels", "on_conflict")
    return picked(await asked.do(START, body), ("id", "status", "version", "existing", "open"))


async def list_executions(asked: Invocation) -> Json:
    filters = ("status", "workflow_key", "business_key", "node_id", "created_from", "created_to")
    return await page(asked, LIST, "executions", SUMMARY, filters)


async def get_execution(asked: Invocation) -> Json:
    id = {"id": str(asked.given["id"])}
    row = await asked.read(GET, id, **asked.only("wait"))
    found = picked(row, EXECUTION)
    if row["status"] in ("running", "paused"):
        waits = (await asked.read(WAITS, id))["items"]
        found["waits_for"] = [picked(each, WAIT, listed=True) for each in waits[:50]]
    return found


async def get_history(asked: Invocation) -> Json:
    return await page(asked, HISTORY, "steps", STEP, path={"id": str(asked.given["id"])})


async def cancel(asked: Invocation) -> Json:
    return await _steered(asked, CANCEL, "reason")


async def signal(asked: Invocation) -> Json:
    return await _steered(asked, SIGNAL, "name", "payload")


async def _steered(asked: Invocation, route: Within, *names: str) -> Json:
    return picked(await asked.do(route, asked.only(*names), id=str(asked.given["id"])), STANDING)


TOOLS = (
    Tool(
        f"{OWN}list_workflows",
        "List workflows",
        "The workflows that can be started, by key. gesta_get_workflow tells what one takes.",
        {"status": choice("active", "draft", "archived", words="`active` unless given."), **PAGE},
        listed("workflows", WORKFLOW),
        "workflows:read",
        list_workflows,
    ),
    Tool(
        f"{OWN}get_workflow",
        "Get a workflow",
        "What a workflow is for, the JSON Schema of its input, and its nodes.",
        {"key": said(TEXT, "The workflow's key.")},
        {**dict.fromkeys(WORKFLOW, ANY), "input_schema": ANY, "output_schema": ANY, "nodes": ANY},
        "workflows:read",
        get_workflow,
        required=("key",),
    ),
    Tool(
        f"{OWN}start_execution",
        "Start a workflow",
        "Start an execution of a workflow. It goes on by itself, and may wait for people; see gesta_get_execution.",
        {
            "workflow_key": said(TEXT, "Which workflow."),
            "input": said({"type": "object"}, "As its input schema wants it."),
            "business_key": said(TEXT, "Your name for what it is about, as an order's number. One runs at a time for each."),
            "on_conflict": choice("reject", "return", words="Where one with this business key runs: an error, or that one."),
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            **REPEATED,
        },
        {**STANDING, "existing": {"type": "boolean"}, "open": said(ANY, "What it waits for.")},
        "executions:start",
        start,
        required=("workflow_key",),
        reads=False,
    ),
    Tool(
        f"{OWN}list_executions",
        "List executions",
        "Executions, the newest first.",
        {
            "status": choice(*STATUSES),
            "workflow_key": TEXT,
            "business_key": TEXT,
            "node_id": said(TEXT, "Only those that are at this node."),
            "created_from": MOMENT,
            "created_to": MOMENT,
            **PAGE,
        },
        listed("executions", SUMMARY),
        "executions:read",
        list_executions,
    ),
    Tool(
        f"{OWN}get_execution",
        "Get an execution",
        "How an execution stands: its input, its output or error, and what it waits for (people, jobs, models, moments).",
        {
            "id": EXECUTION_ID,
            "wait": {"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT, "description": "Seconds to wait for its end."},
        },
        {**dict.fromkeys(EXECUTION, ANY), "waits_for": {"type": "array", "items": {"type": "object"}}},
        "executions:read",
        get_execution,
        required=("id",),
    ),
    Tool(
        f"{OWN}get_history",
        "Read an execution's history",
        "All that happened to an execution, in order: its nodes, decisions, errors, and who did what.",
        {"id": EXECUTION_ID, **PAGE},
        listed("steps", STEP),
        "executions:read",
        get_history,
        required=("id",),
    ),
    Tool(
        f"{OWN}cancel_execution",
        "Cancel an execution",
        "Give up what runs, undo what can be undone, and end the execution. This cannot be taken back.",
        {"id": EXECUTION_ID, "reason": REASON, **REPEATED},
        STANDING,
        "executions:control",
        cancel,
        required=("id",),
        reads=False,
        destroys=True,
        repeatable=True,
    ),
    Tool(
        f"{OWN}send_signal",
        "Send a signal to an execution",
        "Tell a running execution something that a node of it waits for, by the signal's name.",
        {"id": EXECUTION_ID, "name": said(TEXT, "The signal's name."), "payload": said(ANY, "What it carries."), **REPEATED},
        STANDING,
        "executions:control",
        signal,
        required=("id", "name"),
        reads=False,
    ),
)

"""Tools about what people are asked to decide. They are for people's own keys: nobody else decides."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from api.mcp.cutting import cut, picked
from api.mcp.shapes import ANY, ID, PAGE, REPEATED, TEXT, WHOLE, choice, listed, page, said
from api.mcp.tools import OWN, Invocation, Tool
from api.mcp.within import Within
from api.routes import approvals, inbox
from api.routes.approvals import NobodyDecides
from api.substitutes import substitutes
from domain.facts import Json
from engine.eligible import choices

INBOX, COUNTS = Within.of(inbox.routes, inbox.inbox), Within.of(inbox.routes, inbox.counts)
GET, DECIDE = Within.of(approvals.routes, approvals.get), Within.of(approvals.routes, approvals.decide)

MOST_FORM = 32_000
"""Characters of a form: without all of it nobody can fill it in."""
REQUEST_ID = said(ID, "The approval request's id.")
ITEM = (
    "id",
    "title",
    "description",
    "priority",
    "workflow_key",
    "execution_id",
    "node_id",
    "step_name",
    "requested_by",
    "due_at",
    "overdue",
    "claimed_by",
    "standing_in_for",
    "created_at",
)
COUNTED = ("total", "overdue", "claimed", "by_priority", "by_workflow", "by_step", "more")
REQUEST = (
    "id",
    "title",
    "description",
    "status",
    "outcome",
    "priority",
    "workflow_key",
    "execution_id",
    "node_id",
    "approval_type",
    "required_approvals",
    "received_approvals",
    "received_rejections",
    "assigned_to",
    "requested_by",
    "claimed_by",
    "decided_by",
    "due_at",
    "expires_at",
    "created_at",
    "responded_at",
    "attachments",
    "open_questions",
    "current_version",
)
OUTCOME = ("name", "kind", "step", "comment", "form", "reasons", "proof", "means")
STEP = ("step", "name", "status", "outcome", "due_at", "decided_by", "claimed_by")
DECISION = ("user_id", "on_behalf_of", "outcome", "step", "role", "comment", "reason", "decided_at", "revoked_at")


async def my_inbox(asked: Invocation) -> Json:
    """How much it is stands with the first page."""
    filters = ("workflow_key", "role", "overdue", "claimed_by", "order")
    found = await page(asked, INBOX, "items", ITEM, filters)
    if "cursor" not in asked.given:
        counted = await asked.read(COUNTS, **asked.only(*filters[:-1]))
        found["counts"] = picked(counted, COUNTED, listed=True)
    return found


async def get_approval(asked: Invocation) -> Json:
    row = await asked.read(GET, {"id": str(asked.given["id"])})
    data = row["request_data"]
    found = picked(row, REQUEST)
    found |= picked(data, ("context",))
    found |= _form(data["form"])
    found["outcomes"] = [picked(each, OUTCOME, listed=True) for each in data["outcomes"]]
    if "steps" in data:
        forms = {each["name"]: each.get("form") for each in data["steps"]}
        found["steps"] = [_step(each, forms) for each in row["steps"]]
    found["decisions"] = [picked(each, DECISION, listed=True) for each in row["decisions"][-50:]]
    return {**found, **await _choices(asked, UUID(row["id"]), {each["step"]: each["name"] for each in row["steps"]})}


def _step(step: Json, forms: Mapping[str, Json]) -> dict[str, Json]:
    """With its form where it is to be filled in now."""
    return {**picked(step, STEP, listed=True), **(_form(forms.get(step["name"])) if step["status"] == "open" else {})}


def _form(form: Json) -> dict[str, Json]:
    return {} if form is None else {"form": cut(form, most_value=MOST_FORM)}


async def _choices(asked: Invocation, id: UUID, names: Mapping[int, str]) -> dict[str, Any]:
    """What this caller may choose, for themselves and for those for whom they stand in; or why nothing. `names`: of steps."""
    call = asked.call
    who = call.session.rights
    if who.user_id is None:
        nobody = NobodyDecides()
        return {"you_may": [], "why_not": {"code": nobody.code, "message": nobody.message}}
    standing = await substitutes(call, None)
    givers = [person.id for person in standing.people]
    judged = await standing.looking.ask(lambda view, platform: choices(view, call.services.engine, platform, id, who, givers))
    ways = [
        picked({"outcome": way.outcome, "step": names.get(way.step), "role": way.role, "on_behalf_of": way.on_behalf_of}, WAY)
        for way in judged.ways
    ]
    refusal = judged.why_not
    why = {} if refusal is None else {"why_not": {"code": refusal.code, "message": refusal.message}}
    return {"you_may": ways, **why}


async def decide(asked: Invocation) -> Json:
    body = asked.only("outcome", "comment", "form", "role", "reason", "step", "on_behalf_of")
    done = await asked.do(DECIDE, body, id=str(asked.given["id"]))
    return {name: picked(value, done[name]) for name, value in done.items() if isinstance(value, dict)}


WAY = ("outcome", "step", "role", "on_behalf_of")
WHY = ("code", "message")
TOOLS = (
    Tool(
        f"{OWN}inbox",
        "My inbox",
        "What waits for you to decide, due soonest first, and how much it is. gesta_get_approval shows one before you decide.",
        {
            "workflow_key": TEXT,
            "role": said(TEXT, "Only what is asked of this role."),
            "overdue": said({"type": "boolean", "const": True}, "Only what is overdue."),
            "claimed_by": choice("me", "nobody", "others"),
            "order": choice("due_at", "-due_at", "-priority", "priority", "created_at", "-created_at"),
            **PAGE,
        },
        {**listed("items", ITEM), "counts": {"type": "object", "properties": dict.fromkeys(COUNTED, ANY)}},
        "approvals:decide",
        my_inbox,
        person=True,
    ),
    Tool(
        f"{OWN}get_approval",
        "Get an approval request",
        "What is asked: the context, the form to fill in (a JSON Schema), the outcomes, the decisions so far, and which outcomes "
        "you may choose (`you_may`).",
        {"id": REQUEST_ID},
        {
            **dict.fromkeys(REQUEST, ANY),
            "context": ANY,
            "form": ANY,
            "outcomes": {"type": "array", "items": {"type": "object", "properties": dict.fromkeys(OUTCOME, ANY)}},
            "steps": {"type": "array", "items": {"type": "object"}},
            "decisions": {"type": "array", "items": {"type": "object"}},
            "you_may": {"type": "array", "items": {"type": "object", "properties": dict.fromkeys(WAY, ANY)}},
            "why_not": {"type": "object", "properties": dict.fromkeys(WHY, TEXT)},
        },
        "approvals:read",
        get_approval,
        required=("id",),
    ),
    Tool(
        f"{OWN}decide_approval",
        "Decide an approval request",
        "Choose an outcome. It counts as the decision of the person whose key this is, and is on record. `you_may` of "
        "gesta_get_approval says what there is to choose. Only decide what the person you work for has told you to.",
        {
            "id": REQUEST_ID,
            "outcome": said(TEXT, "One of the outcomes in `you_may`."),
            "comment": {"type": "string", "maxLength": 10_000, "description": "Some outcomes require one."},
            "form": said(ANY, "As the request's form wants it."),
            "role": said(TEXT, "In which role, where you are asked in several."),
            "reason": said(TEXT, "One of the outcome's `reasons`, where it has some."),
            "step": said(TEXT, "The step's name, where several are open."),
            "on_behalf_of": said(ID, "For whom you stand in, where it is not for yourself."),
            **REPEATED,
        },
        {
            "approval": {"type": "object", "properties": {"id": REQUEST_ID, "status": TEXT, "version": WHOLE}},
            "execution": {"type": ["object", "null"]},
        },
        "approvals:decide",
        decide,
        required=("id", "outcome"),
        person=True,
        reads=False,
        destroys=True,
    ),
)

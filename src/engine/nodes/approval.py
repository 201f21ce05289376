"""approval {title, description?, outcomes?, by?, exclude?, rule?, form?, context?, priority?, due_in?, …}: asks people and waits
for their answer.

The token leaves by the outcome's name; output {outcome, kind, user_id, role, comment, reason, form}, and `overridden` where
somebody did that. At the node's timeout it leaves by `timeout`, and the request is expired.

`outcomes[].by` says who may choose an outcome: `users` (ids), `roles` (keys), and `expr`, a CEL formula that yields a user id, a
role key, or a list of them. They add up. Without `by`, everybody may who may decide approvals at all; a `by` that comes to nobody
is the node's error `invalid_value`, for it would otherwise open the outcome to all.

`outcomes[].interrupts` names nodes whose visits beside this one are cancelled when that outcome is chosen (`engine.interrupts`).

`outcomes[].exclude` says who may not, whatever `by` says: user ids, and `requester`: who started the execution, and who did so on
their behalf. It holds for who acts on behalf of others, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

from domain.approval import APPROVAL as REQUEST
from domain.approval import (
    ApprovalCancelled,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalOverridden,
    ApprovalRequested,
    ApprovalResolved,
    content,
    evolve,
)
from domain.approval.content import MOST_ATTACHMENTS
from domain.execution import TIMED, Activation, Wait
from domain.facts import Due, Event, Fact, Json, View
from engine.asked_people import BY, EXPRESSION, NAMES, POLICY, RULE, VISIBILITY
from engine.asking import quota_of
from engine.calendars import DUE_IN, due_of
from engine.definition import Node
from engine.expressions import resolve
from engine.happenings import ChildEnded
from engine.lints.approvals import MOST_STEPS, REQUESTED, formulas, lint, steps_schema
from engine.moments import FIELDS as MOMENTS
from engine.moments import REMIND, escalate_schema, times_of
from engine.nodes import kind
from engine.nodes.kind import Handles, InvalidValue, NodeType, Visit, object_schema
from engine.stepping import (
    all_outcomes,
    begin,
    content_of,
    has_moments,
    looks_at,
    outcome_of,
    plans_of,
    request_json,
    what_is_asked,
)

KINDS = ["approve", "reject", "changes", "submit", "withdraw", "other"]
REQUIRED = {"enum": ["required"]}
REASON = {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$"}
LONGEST_MEANING = 2000
REASONS = {"type": "array", "items": REASON, "minItems": 1, "maxItems": 100, "uniqueItems": True}
OUTCOMES = {
    "type": "array",
    "minItems": 1,
    "maxItems": 100,
    "items": object_schema(
        {
            "name": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,62}$"},
            "kind": {"enum": KINDS},
            "by": BY,
            "exclude": NAMES,
            "comment": REQUIRED,
            "reasons": REASONS,
            "form": REQUIRED,
            "proof": {"enum": ["key", "totp"]},
            "means": {"type": "string", "minLength": 1, "maxLength": LONGEST_MEANING},
            "interrupts": NAMES | {"maxItems": 100},
        },
        ("name", "kind"),
    ),
}
SCHEMA: Json = {"type": "object"}
MOST_POINTERS = 100
POINTER: Json = {"type": "string", "pattern": f"^{content.POINTER.pattern}$", "maxLength": 1000}
LOOKS_AT: Json = {"type": "array", "items": {"anyOf": [POINTER, EXPRESSION]}, "maxItems": MOST_POINTERS}
STEPS: Json = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_STEPS,
    "items": object_schema(
        {
            "name": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,62}$"},
            "by": BY,
            "exclude": NAMES,
            "fallback": BY,
            "requester": POLICY,
            "rule": RULE,
            "outcomes": OUTCOMES,
            "form": SCHEMA,
            "due_in": DUE_IN,
            "start_in": DUE_IN,
            "remind": REMIND,
            "escalate": escalate_schema(BY),
            "skip_when": {"type": "string", "minLength": 1},
            "parallel_with": {"type": "string"},
            "distinct": {"anyOf": [{"type": "boolean"}, NAMES | {"maxItems": MOST_STEPS}]},
            "ad_hoc": {"type": "boolean"},
            "ui_schema": SCHEMA,
            "depends_on": LOOKS_AT,
        },
        ("name",),
    ),
}
CONFIG = object_schema(
    {
        "title": {"type": "string", "minLength": 1, "maxLength": 2000},
        "description": {"type": "string"},
        "by": BY,
        "exclude": NAMES,
        "fallback": BY,
        "requester": POLICY,
        "rule": RULE,
        "outcomes": OUTCOMES,
        "steps": STEPS,
        "ad_hoc": {"type": "boolean"},
        "form": SCHEMA,
        "context": True,
        "priority": {"anyOf": [{"type": "integer"}, EXPRESSION]},
        "due_in": DUE_IN,
        "visibility": VISIBILITY,
        "start_in": DUE_IN,
        "remind": REMIND,
        "escalate": escalate_schema(BY),
        "attachments": {"anyOf": [{"type": "array", "maxItems": MOST_ATTACHMENTS}, EXPRESSION]},
        "ui_schema": SCHEMA,
        "depends_on": LOOKS_AT,
        "editable": {"type": "array", "items": POINTER, "maxItems": MOST_POINTERS},
    },
    ("title",),
)


def steps(node: Node) -> list[Json]:
    return node.config.get("steps") or []


def handles(node: Node) -> Handles:
    return Handles(tuple(outcome["name"] for outcome in all_outcomes(node.config)), ("error", "timeout"))


def run(visit: Visit) -> kind.RunResult:
    """The request and, where it asks in steps, those that are asked first; none may be left to ask."""
    request_id, requested = visit.view.new_id(), _requested(visit)
    state = evolve(REQUEST.initial, requested)
    events = (requested, *begin(visit, state))
    facts = tuple(Fact(request_id, event) for event in events)
    if isinstance(events[-1], ApprovalResolved):
        return kind.Done(_output(visit, events, outcome_of(reduce(evolve, events[1:], state))), events[-1].outcome, facts)
    about = TIMED if has_moments(visit.node.config) else ""
    return kind.Waiting((Wait("approval", request_id, about),), facts)


def _requested(visit: Visit) -> ApprovalRequested:
    node = visit.node
    config = resolve(
        {key: value for key, value in node.config.items() if key not in APPROVAL.raw}, visit.evaluator, visit.variables
    )
    started, due_in = visit.execution.started, config.get("due_in")
    assert started is not None
    due = due_of(visit.view, due_in)
    asked = content_of(config)
    seeing = replace(visit, variables={**visit.variables, "request": request_json(1, asked)})
    rule, offered, voters = what_is_asked(seeing)
    return ApprovalRequested(
        visit.execution_id,
        visit.activation_id,
        node.id,
        asked.title,
        rule,
        offered,
        quota_of(rule, voters) if offered else len(steps(node)),
        description=asked.description,
        form=node.config.get("form"),
        context=asked.context,
        priority=_priority(config.get("priority", started.priority)),
        requested_by=started.created_by,
        due=due,
        expires=None if node.timeout is None else Due(node.timeout),
        item_id=visit.item_id,
        item_index=visit.item_index,
        voters=voters,
        ad_hoc=node.config.get("ad_hoc", False),
        steps=plans_of(steps(node), node.config.get("depends_on")),
        attachments=asked.attachments,
        ui_schema=node.config.get("ui_schema"),
        depends_on=looks_at(node.config.get("depends_on")),
        editable=tuple(node.config.get("editable", ())),
        visibility=node.config.get("visibility"),
        times=times_of(visit, node.config, due),
    )


def _priority(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**31:
        raise InvalidValue("priority must be a whole number within 32 bits")
    return value


def on_child(visit: Visit, ended: ChildEnded) -> kind.Woken:
    """The request is resolved, whoever brought that about: its outcome is the handle."""
    resolved = ended.events[-1]
    assert isinstance(resolved, ApprovalResolved)
    chosen: Json = next((each for each in all_outcomes(visit.node.config) if each["name"] == resolved.outcome), {})
    output = _output(visit, ended.events, ended.output)
    return kind.Done(output, resolved.outcome, interrupts=tuple(chosen.get("interrupts", ())))


def _output(visit: Visit, events: Sequence[Event], came_to: Json) -> Json:
    """`came_to`: as `engine.stepping.outcome_of` has it."""
    resolved = events[-1]
    assert isinstance(resolved, ApprovalResolved)
    last = next((event for event in reversed(events) if isinstance(event, ApprovalDecided | ApprovalOverridden)), None)
    shown = {name: came_to[name] for name, field in (("steps", "steps"), ("request", "editable")) if field in visit.node.config}
    decided = {"outcome": resolved.outcome, "kind": resolved.kind, "form": resolved.form, **shown}
    match last:
        case ApprovalOverridden():
            nothing = {"role": None, "reason": None}
            return {**decided, **nothing, "user_id": str(last.user_id), "comment": last.reason, "overridden": True}
        case ApprovalDecided():
            return {
                **decided,
                "user_id": str(last.user_id),
                "role": last.role,
                "comment": last.comment,
                "reason": last.reason,
            }
        case _:
            return {**decided, "user_id": None, "role": None, "comment": None, "reason": None}


def mentions(node: Node) -> Iterator[tuple[str, str]]:
    for pointer, config in (("", node.config), *((f"/steps/{number}", step) for number, step in enumerate(steps(node)))):
        for index, outcome in enumerate(config.get("outcomes") or ()):
            for number, name in enumerate(outcome.get("interrupts", ())):
                yield f"{pointer}/outcomes/{index}/interrupts/{number}", name


def output(node: Node) -> Json:
    form, text = node.config.get("form", True), {"type": ["string", "null"]}
    return object_schema(
        {
            "outcome": {"type": "string", "enum": [outcome["name"] for outcome in all_outcomes(node.config)]},
            "kind": {"type": "string", "enum": KINDS},
            "user_id": text if steps(node) or "escalate" in node.config else {"type": "string"},
            "role": text,
            "comment": text,
            "reason": text,
            "form": True if steps(node) else form,
            "overridden": {"type": "boolean"},
            **({"steps": steps_schema(steps(node))} if steps(node) else {}),
            **({"request": REQUESTED} if "editable" in node.config else {}),
        }
    )


def obstacle(view: View, activation: Activation, node: Node) -> str | None:
    """An open request stays as it was asked for, and so must be able to leave by what it offers, and to go on in its steps."""
    requests = [view.read(REQUEST, request) for request in activation.waits_for("approval")]
    known = {outcome["name"] for outcome in all_outcomes(node.config)}
    missing = sorted({outcome.name for request in requests for step in request.begun_steps for outcome in step.outcomes} - known)
    if missing:
        return f"its open request offers {', '.join(missing)}, which is no outcome there."
    planned = [step["name"] for step in steps(node)]
    if any([step.name for step in request.steps if request.in_steps] != planned for request in requests):
        return "its open request does not ask in the steps that are asked there."
    if has_moments(node.config) and set(activation.waits_for("approval")) - set(activation.timed_approvals):
        return "its open request was asked without moments, and there it has some."
    return None


def cancel(activation: Activation, reason: str) -> tuple[Fact, ...]:
    return tuple(Fact(request, ApprovalCancelled(reason)) for request in activation.waits_for("approval"))


def expire(activation: Activation) -> tuple[Fact, ...]:
    return tuple(Fact(request, ApprovalExpired()) for request in activation.waits_for("approval"))


APPROVAL = NodeType(
    "approval",
    CONFIG,
    handles,
    run,
    output,
    lint,
    formulas,
    mentions,
    raw=frozenset(
        {
            *("by", "exclude", "fallback", "requester", "rule", "outcomes", "steps"),
            *("form", "ui_schema", "depends_on", "editable", "visibility"),
            *MOMENTS,
        }
    ),
    later=frozenset({"assigned_to", "delegation"}),
    waits=True,
    cancel=cancel,
    on_child=on_child,
    expire=expire,
    obstacle=obstacle,
)

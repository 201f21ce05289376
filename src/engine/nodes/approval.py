"""approval {title, description?, outcomes?, by?, exclude?, rule?, form?, context?, priority?, due_in?}: asks people and waits for
their answer.

The token leaves by the outcome's name; output {outcome, kind, user_id, role, comment, reason, form}. At the node's timeout it
leaves by `timeout`, and the request is expired.

`outcomes[].by` says who may choose an outcome: `users` (ids), `roles` (keys), and `expr`, a CEL formula that yields a user id, a
role key, or a list of them. They add up. Without `by`, everybody may who may decide approvals at all; a `by` that comes to nobody
is the node's error `invalid_value`, for it would otherwise open the outcome to all.

`outcomes[].interrupts` names nodes whose visits beside this one are cancelled when that outcome is chosen (`engine.interrupts`).

`outcomes[].exclude` says who may not, whatever `by` says: user ids, and `requester`: who started the execution, and who did so on
their behalf. It holds for who acts on behalf of others, too.
"""

from collections.abc import Iterator

from domain import approval as domain
from domain.approval import ApprovalCancelled, ApprovalDecided, ApprovalExpired, ApprovalRequested, ApprovalResolved
from domain.approval.rules import RULES, are_fixed
from domain.execution import Activation, Wait
from domain.facts import Due, Fact, Json, View
from engine.asking import outcomes_of, quota_of, rule_of, voters_of
from engine.definition import Node
from engine.durations import duration
from engine.expressions import is_expression, resolve
from engine.happenings import ChildEnded
from engine.lints.approvals import (
    faults_of_outcomes,
    faults_of_people,
    faults_of_rule,
    formulas_of_people,
    formulas_of_rule,
)
from engine.nodes import kind
from engine.nodes.kind import Fault, Formula, Handles, InvalidValue, NodeType, Visit, object_schema
from engine.schema import SchemaError, check_schema

KINDS = ["approve", "reject", "changes", "submit", "withdraw", "other"]
DEFAULT_OUTCOMES = [{"name": "approved", "kind": "approve"}, {"name": "rejected", "kind": "reject"}]
SINGLE = {"type": "single"}
EXPRESSION = {"type": "string", "pattern": "^=[^=]"}
NAMES = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
BY = object_schema({"users": NAMES, "roles": NAMES, "expr": {"type": "string", "minLength": 1}}) | {"minProperties": 1}
REQUIRED = {"enum": ["required"]}
REASON = {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$"}
REASONS = {"type": "array", "items": REASON, "minItems": 1, "maxItems": 100, "uniqueItems": True}
RULE = object_schema(
    {
        "type": {"enum": list(RULES)},
        "members": {"enum": ["at_start", "at_decision"]},
        **{name: schema for each in RULES.values() for name, schema in each.fields.items()},
    },
    ("type",),
)
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
            "interrupts": NAMES | {"maxItems": 100},
        },
        ("name", "kind"),
    ),
}
CONFIG = object_schema(
    {
        "title": {"type": "string", "minLength": 1, "maxLength": 2000},
        "description": {"type": "string"},
        "by": BY,
        "exclude": NAMES,
        "rule": RULE,
        "outcomes": OUTCOMES,
        "form": {"type": "object"},
        "context": True,
        "priority": {"anyOf": [{"type": "integer"}, EXPRESSION]},
        "due_in": {"type": "string"},
    },
    ("title",),
)


def outcomes(node: Node) -> list[Json]:
    return node.config.get("outcomes") or DEFAULT_OUTCOMES


def rule(node: Node) -> Json:
    return node.config.get("rule", SINGLE)


def handles(node: Node) -> Handles:
    return Handles(tuple(outcome["name"] for outcome in outcomes(node)), ("error", "timeout"))


def run(visit: Visit) -> kind.RunResult:
    plain = {key: value for key, value in visit.node.config.items() if key not in APPROVAL.raw}
    config = resolve(plain, visit.evaluator, visit.variables)
    request_id = visit.view.new_id()
    due_in = config.get("due_in")
    started, plan = visit.execution.started, visit.node.config
    assert started is not None
    asked, by = rule_of(visit, rule(visit.node)), outcomes_of(visit, outcomes(visit.node), plan.get("by"), plan.get("exclude"))
    voters = voters_of(visit.view, asked, by) if are_fixed(asked) else None
    requested = ApprovalRequested(
        visit.execution_id,
        visit.activation_id,
        visit.node.id,
        _text(config, "title"),
        asked,
        by,
        quota_of(asked, voters),
        description=_text(config, "description") if "description" in config else None,
        form=visit.node.config.get("form"),
        context=config.get("context"),
        priority=_priority(config.get("priority", started.priority)),
        requested_by=started.created_by,
        due=None if due_in is None else Due(duration(due_in)),
        expires=None if visit.node.timeout is None else Due(visit.node.timeout),
        item_id=visit.item_id,
        item_index=visit.item_index,
        voters=voters,
    )
    return kind.Waiting((Wait("approval", request_id),), (Fact(request_id, requested),))


def _text(config: Json, field: str) -> str:
    text = config[field]
    if not isinstance(text, str):
        raise InvalidValue(f"{field} must be a text")
    return text


def _priority(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**31:
        raise InvalidValue("priority must be a whole number within 32 bits")
    return value


def on_child(visit: Visit, ended: ChildEnded) -> kind.Woken:
    """The request is resolved, whoever brought that about: its outcome is the handle."""
    resolved = ended.events[-1]
    assert isinstance(resolved, ApprovalResolved)
    last = next((event for event in reversed(ended.events) if isinstance(event, ApprovalDecided)), None)
    output = {
        "outcome": resolved.outcome,
        "kind": resolved.kind,
        "user_id": None if last is None else str(last.user_id),
        "role": None if last is None else last.role,
        "comment": None if last is None else last.comment,
        "reason": None if last is None else last.reason,
        "form": resolved.form,
    }
    chosen: Json = next((each for each in outcomes(visit.node) if each["name"] == resolved.outcome), {})
    return kind.Done(output, resolved.outcome, interrupts=tuple(chosen.get("interrupts", ())))


def mentions(node: Node) -> Iterator[tuple[str, str]]:
    for index, outcome in enumerate(outcomes(node)):
        for number, name in enumerate(outcome.get("interrupts", ())):
            yield f"/outcomes/{index}/interrupts/{number}", name


def output(node: Node) -> Json:
    return object_schema(
        {
            "outcome": {"type": "string", "enum": [outcome["name"] for outcome in outcomes(node)]},
            "kind": {"type": "string", "enum": KINDS},
            "user_id": {"type": "string"},
            "role": {"type": ["string", "null"]},
            "comment": {"type": ["string", "null"]},
            "reason": {"type": ["string", "null"]},
            "form": node.config.get("form", True),
        }
    )


def lint(node: Node) -> Iterator[Fault]:
    config = node.config
    yield from faults_of_outcomes(outcomes(node))
    yield from faults_of_people(config, "")
    yield from faults_of_rule(rule(node), outcomes(node), config.get("by"))
    if "form" in config:
        try:
            check_schema(config["form"])
        except SchemaError as error:
            yield Fault(f"/form{error.pointer}", "invalid_schema", str(error))
    for index, outcome in enumerate(outcomes(node)):
        if "form" in outcome and "form" not in config:
            yield Fault(f"/outcomes/{index}/form", "no_form", "There is no form.")
    if "due_in" in config and not is_expression(config["due_in"]):
        try:
            duration(config["due_in"])
        except InvalidValue as error:
            yield Fault("/due_in", "invalid_value", str(error))


def formulas(node: Node) -> Iterator[Formula]:
    yield from formulas_of_people(node.config, "")
    yield from formulas_of_rule(rule(node))
    for index, outcome in enumerate(outcomes(node)):
        yield from formulas_of_people(outcome, f"/outcomes/{index}")


def obstacle(view: View, activation: Activation, node: Node) -> str | None:
    """An open request stays as it was asked for, and so must be able to leave by what it offers."""
    requests = [view.read(domain.APPROVAL, request) for request in activation.waits_for("approval")]
    known = {outcome["name"] for outcome in outcomes(node)}
    missing = sorted({outcome.name for request in requests for outcome in request.outcomes} - known)
    return f"its open request offers {', '.join(missing)}, which is no outcome there." if missing else None


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
    raw=frozenset({"by", "exclude", "rule", "outcomes", "form"}),
    later=frozenset({"escalation", "reminders", "assigned_to", "attachments", "delegation"}),
    waits=True,
    cancel=cancel,
    on_child=on_child,
    expire=expire,
    obstacle=obstacle,
)

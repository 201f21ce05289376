"""approval {title, description?, outcomes?, rule?, form?, context?, priority?, due_in?}: asks people and waits for their answer.

The token leaves by the outcome's name; output {outcome, kind, user_id, role, comment, form}. At the node's timeout it leaves by
`timeout`, and the request is expired.

`outcomes[].by` says who may choose an outcome: `users` (ids), `roles` (keys), and `expr`, a CEL formula that yields a user id, a
role key, or a list of them. They add up. Without `by`, everybody may who may decide approvals at all; a `by` that comes to nobody
is the node's error `invalid_value`, for it would otherwise open the outcome to all.

`outcomes[].interrupts` names nodes whose visits beside this one are cancelled when that outcome is chosen (`engine.interrupts`).

`outcomes[].exclude` says who may not, whatever `by` says: user ids, and `requester`: who started the execution, and who did so on
their behalf. It holds for who acts on behalf of others, too.
"""

from collections.abc import Iterable, Iterator
from uuid import UUID

from domain.approval import ApprovalCancelled, ApprovalDecided, ApprovalExpired, ApprovalRequested, ApprovalResolved, Outcome
from domain.execution import Activation, Wait
from domain.facts import Due, Fact, Json
from engine.definition import Node
from engine.durations import duration
from engine.expressions import is_expression, resolve
from engine.happenings import ChildEnded
from engine.nodes import kind
from engine.nodes.kind import Fault, Formula, Handles, InvalidValue, NodeType, Visit, object_schema
from engine.schema import SchemaError, check_schema

KINDS = ["approve", "reject", "changes", "submit", "withdraw", "other"]
DEFAULT_OUTCOMES = [{"name": "approved", "kind": "approve"}, {"name": "rejected", "kind": "reject"}]
RESERVED = ("error", "timeout")
REQUESTER = "requester"
EXPRESSION = {"type": "string", "pattern": "^=[^=]"}
LONGEST_ROLE = 63
"""Characters of a role's key: a longer name is nobody's, and the tables could not be searched by it."""
TOO_LONG = f"a role's key may have at most {LONGEST_ROLE} characters"
NAMES = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
CONFIG = object_schema(
    {
        "title": {"type": "string", "minLength": 1, "maxLength": 2000},
        "description": {"type": "string"},
        "rule": {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]},
        "outcomes": {
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": object_schema(
                {
                    "name": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,62}$"},
                    "kind": {"enum": KINDS},
                    "exclude": NAMES,
                    "interrupts": NAMES | {"maxItems": 100},
                    "by": object_schema({"users": NAMES, "roles": NAMES, "expr": {"type": "string", "minLength": 1}})
                    | {"minProperties": 1},
                },
                ("name", "kind"),
            ),
        },
        "form": {"type": "object"},
        "context": True,
        "priority": {"anyOf": [{"type": "integer"}, EXPRESSION]},
        "due_in": {"type": "string"},
    },
    ("title",),
)


def outcomes(node: Node) -> list[Json]:
    return node.config.get("outcomes") or DEFAULT_OUTCOMES


def handles(node: Node) -> Handles:
    return Handles(tuple(outcome["name"] for outcome in outcomes(node)), ("error", "timeout"))


def run(visit: Visit) -> kind.RunResult:
    plain = {key: value for key, value in visit.node.config.items() if key not in APPROVAL.raw}
    config = resolve(plain, visit.evaluator, visit.variables)
    request_id = visit.view.new_id()
    due_in = config.get("due_in")
    started = visit.execution.started
    assert started is not None
    requested = ApprovalRequested(
        visit.execution_id,
        visit.activation_id,
        visit.node.id,
        _text(config, "title"),
        visit.node.config.get("rule", {"type": "single"}),
        tuple(_outcome(visit, outcome) for outcome in outcomes(visit.node)),
        description=_text(config, "description") if "description" in config else None,
        form=visit.node.config.get("form"),
        context=config.get("context"),
        priority=_priority(config.get("priority", started.priority)),
        requested_by=started.created_by,
        due=None if due_in is None else Due(duration(due_in)),
        expires=None if visit.node.timeout is None else Due(visit.node.timeout),
        item_id=visit.item_id,
        item_index=visit.item_index,
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


def _outcome(visit: Visit, outcome: Json) -> Outcome:
    by, exclude = outcome.get("by"), _excluded(visit, outcome)
    if by is None:
        return Outcome(outcome["name"], outcome["kind"], exclude=exclude)
    users = {_user_id(name) for name in _names(resolve(by.get("users", []), visit.evaluator, visit.variables))}
    roles = set(_names(resolve(by.get("roles", []), visit.evaluator, visit.variables)))
    if "expr" in by:
        for name in _names(visit.evaluator.evaluate(by["expr"], visit.variables)):
            if _is_user_id(name):
                users.add(UUID(name))
            else:
                roles.add(name)
    for name in roles:
        if len(name) > LONGEST_ROLE:
            raise InvalidValue(TOO_LONG)
    if not users and not roles:
        raise InvalidValue(f"nobody may choose {outcome['name']}: its `by` names neither users nor roles")
    if not roles and users <= {*exclude}:
        raise InvalidValue(f"nobody may choose {outcome['name']}: everybody whom its `by` names is excluded")
    return Outcome(outcome["name"], outcome["kind"], tuple(sorted(users)), tuple(sorted(roles)), exclude)


def _excluded(visit: Visit, outcome: Json) -> tuple[UUID, ...]:
    started = visit.execution.started
    assert started is not None
    found: set[UUID] = set()
    for name in _names(resolve(outcome.get("exclude", []), visit.evaluator, visit.variables)):
        if name == REQUESTER:
            found.update(one for one in (started.created_by, *(started.behind or ())) if one is not None)
        else:
            found.add(_user_id(name))
    return tuple(sorted(found))


def _names(value: Json) -> Iterable[str]:
    """A text, or lists of texts within lists (an expression in a list may itself give a list)."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)
    else:
        raise InvalidValue("users and roles must be texts")


def _is_user_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name.lower()
    except ValueError:
        return False


def _user_id(name: str) -> UUID:
    if not _is_user_id(name):
        raise InvalidValue(f"{name!r} is not a user's id")
    return UUID(name)


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
            "form": node.config.get("form", True),
        }
    )


def lint(node: Node) -> Iterator[Fault]:
    config = node.config
    if config.get("rule", {"type": "single"}) != {"type": "single"}:
        yield Fault("/rule", "not_supported_yet", 'Only the rule {"type": "single"} is supported yet.')
    seen: set[str] = set()
    for index, outcome in enumerate(outcomes(node)):
        name, by = outcome["name"], outcome.get("by", {})
        if name in RESERVED:
            yield Fault(f"/outcomes/{index}/name", "reserved", f"{name} is the name of another handle.")
        if name in seen:
            yield Fault(f"/outcomes/{index}/name", "duplicate_handle", f"Another outcome is called {name}.")
        seen.add(name)
        for number, user in enumerate(by.get("users", [])):
            if not is_expression(user) and not _is_user_id(user):
                yield Fault(f"/outcomes/{index}/by/users/{number}", "invalid_value", f"{user!r} is not a user's id.")
        for number, role in enumerate(by.get("roles", [])):
            if not is_expression(role) and len(role) > LONGEST_ROLE:
                yield Fault(f"/outcomes/{index}/by/roles/{number}", "invalid_value", TOO_LONG)
        for number, name in enumerate(outcome.get("exclude", [])):
            if not is_expression(name) and name != REQUESTER and not _is_user_id(name):
                told = f"{name!r} is neither a user's id nor {REQUESTER}."
                yield Fault(f"/outcomes/{index}/exclude/{number}", "invalid_value", told)
    if "form" in config:
        try:
            check_schema(config["form"])
        except SchemaError as error:
            yield Fault(f"/form{error.pointer}", "invalid_schema", str(error))
    if "due_in" in config and not is_expression(config["due_in"]):
        try:
            duration(config["due_in"])
        except InvalidValue as error:
            yield Fault("/due_in", "invalid_value", str(error))


def formulas(node: Node) -> Iterator[Formula]:
    for index, outcome in enumerate(outcomes(node)):
        by = outcome.get("by", {})
        if "expr" in by:
            yield Formula(f"/outcomes/{index}/by/expr", by["expr"], want=None)
        named = {"by/users": by.get("users", []), "by/roles": by.get("roles", []), "exclude": outcome.get("exclude", [])}
        for field, names in named.items():
            for number, name in enumerate(names):
                if is_expression(name):
                    yield Formula(f"/outcomes/{index}/{field}/{number}", name[1:], want=None)


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
    raw=frozenset({"rule", "outcomes", "form"}),
    later=frozenset({"escalation", "reminders", "assigned_to", "attachments", "delegation"}),
    waits=True,
    cancel=cancel,
    on_child=on_child,
    expire=expire,
)

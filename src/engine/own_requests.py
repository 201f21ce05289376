"""Approval requests of their own, that no execution asks for: what is checked when one is made, and how it moves and ends.

They have the fields of an approval node, without expressions: there is nothing that these could see.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Protocol
from uuid import UUID

from domain.approval import (
    APPROVAL,
    Approval,
    ApprovalCancelled,
    ApprovalEvent,
    ApprovalExpired,
    ApprovalRequested,
    ApprovalResubmitted,
    Outcome,
    OwnRequest,
    evolve,
)
from domain.approval.content import attachments_of, escaped
from domain.facts import (
    Decided,
    Due,
    Fact,
    FieldError,
    Invalid,
    Json,
    NotForThisRelease,
    Timer,
    View,
    timer_id,
)
from domain.member import MEMBER, may
from domain.role import ROLE_KEY
from domain.storable import require_storable
from engine.asking import anybody, is_user_id, quota_of
from engine.calendars import due_of
from engine.context import Engine
from engine.definition import Node
from engine.escalation import with_timers
from engine.expressions import Budgeted, ExpressionError, is_expression
from engine.invalid import InvalidValue
from engine.moments import FIELDS as MOMENTS
from engine.moments import WHEN, WHEN_ESCALATED, times_of
from engine.nodes import BY_NAME
from engine.own_asker import OwnAsker
from engine.policies import faults as policy_faults
from engine.policies import read_timeout
from engine.schema import faults
from engine.stepping import begin, looks_at, outcomes_in, plans_of, what_is_asked

NODE = BY_NAME["approval"]
"""The type of node that asks for the same."""
DECIDE = "approvals:decide"
TIMEOUT = "timeout"
"""The purpose of its timer."""
EVALUATED = ("by", "exclude", "fallback", "requester", "rule", "priority", "due_in", "skip_when", "depends_on", *MOMENTS)
FORMULAS = ("expr", "skip_when")
"""Fields of an approval node that may have expressions, and those that are nothing else."""
ALL_WHEN = {*WHEN, *WHEN_ESCALATED}
WHOLE = ("by", "exclude", "fallback", "requester", "outcomes", "form", "ui_schema")
"""What steps take from the whole that do not say so themselves."""
Config = Mapping[str, Any]


class DueTimer(Protocol):
    @property
    def id(self) -> UUID: ...
    @property
    def purpose(self) -> str: ...
    @property
    def owner_id(self) -> UUID | None: ...


@dataclass(frozen=True)
class Wanted:
    """What is to be asked, as a client gave it. `definition`: as the configuration of an approval node, not checked yet.

    `callback`: as `domain.callbacks.callback` gives it.
    """

    definition: Mapping[str, Json]
    timeout: str | None = None
    callback: Json = None


def request(view: View, engine: Engine, wanted: Wanted, *, by: UUID | None, behind: tuple[UUID, ...] = ()) -> Decided:
    """Ask. `by`: who asks; `behind`: who does so on their behalf. result {id, status, outcome, outcome_kind, version}.

    Raises Invalid for what is wrong with it, each field named, and where nobody could ever decide.
    """
    require_sound(view, wanted, tuple(one for one in (by, *behind) if one is not None))
    own = OwnRequest(by, behind, dict(wanted.definition), wanted.timeout is not None)
    try:
        events = asked_of(asker_of(view, engine, own), wanted, own)
    except InvalidValue as error:
        raise _nobody(error, error.path or "/by") from None
    id, state = view.new_id(), reduce(evolve, events, APPROVAL.initial)
    _require_answerable(view, state)
    requested = events[0]
    assert isinstance(requested, ApprovalRequested)
    expires = requested.expires if state.status == "pending" else None
    timers = () if expires is None else (Timer(timeout_of(id), expires, TIMEOUT, APPROVAL.name, id),)
    asked = Decided(tuple(Fact(id, event) for event in events), timers=timers, result=summary(id, state, len(events)))
    return with_timers(view, asked)


def require_sound(view: View, wanted: Wanted, asking: Collection[UUID] = ()) -> None:
    """`asking`: who does. Raises Invalid for what is wrong with it, each field named."""
    found = tuple(_faults(view, wanted, asking))
    if found:
        raise Invalid(found[0].message, found[0].path, found)
    require_storable(dict(wanted.definition))


def moved(asker: OwnAsker, request_id: UUID, approval: Approval, events: tuple[ApprovalEvent, ...], form: Json = None) -> Decided:
    """These events, and what follows from them in the request. Where a step comes to nobody, it is cancelled.

    result {approval: {id, status, outcome, outcome_kind, version}, execution: None}.
    """
    assert approval.own is not None
    after = reduce(evolve, events, approval)
    if after.in_steps and after.status == "pending":
        try:
            events = (*events, *begin(asker, after, form))
        except (InvalidValue, ExpressionError) as error:
            events = (*events, ApprovalCancelled(str(error)))
        after = reduce(evolve, events, approval)
    decided = Decided(
        tuple(Fact(request_id, event) for event in events),
        dropped_timers=() if after.status == "pending" else timers_of(request_id, approval),
        result={"approval": summary(request_id, after, asker.view.version(request_id) + len(events)), "execution": None},
    )
    return with_timers(asker.view, decided)


def submitted_again(asker: OwnAsker, request_id: UUID, approval: Approval, events: tuple[ApprovalEvent, ...]) -> Decided:
    """It has all its time again. The result is that of `moved`."""
    decided, again = moved(asker, request_id, approval, events), events[0]
    after = reduce(evolve, events, approval)
    if not isinstance(again, ApprovalResubmitted) or again.expires is None or after.status != "pending":
        return decided
    timer = Timer(timeout_of(request_id, again.number), again.expires, TIMEOUT, APPROVAL.name, request_id, approval.execution_id)
    return replace(decided, timers=(*decided.timers, timer))


def expire(view: View, _engine: Engine, timer: DueTimer) -> Decided:
    """Nobody decided in its time. Where it is closed, or was recalled meanwhile, nothing comes of it."""
    if timer.owner_id is None or timer.purpose != TIMEOUT:
        raise NotForThisRelease(timer.purpose)
    dropped, state = (timer.id,), view.read(APPROVAL, timer.owner_id)
    if state.status != "pending" or timer.id != timeout_of(timer.owner_id, state.number):
        return Decided(dropped_timers=dropped, result={"execution": None})
    expired = Decided((Fact(timer.owner_id, ApprovalExpired()),), dropped_timers=dropped, result={"execution": None})
    return with_timers(view, expired)


def timeout_of(request_id: UUID, number: int = 1) -> UUID:
    """`number`: of the version that it is the time of."""
    return timer_id(request_id, TIMEOUT, number - 1)


def summary(request_id: UUID, state: Approval, version: int) -> Json:
    """The request as a command's result names it."""
    resolution = state.resolution
    return {
        "id": str(request_id),
        "status": state.status,
        "outcome": None if resolution is None else resolution.outcome,
        "outcome_kind": None if resolution is None else resolution.kind,
        "version": version,
    }


def timers_of(request_id: UUID, approval: Approval) -> tuple[UUID, ...]:
    return (timeout_of(request_id, approval.number),) if approval.own is not None and approval.own.expires else ()


def asker_of(view: View, engine: Engine, own: OwnRequest) -> OwnAsker:
    evaluator = Budgeted(engine.evaluator, view.effort)
    return OwnAsker(view, evaluator, Node("", "approval", own.definition), own.requested_by, own.requesters, {})


def asked_of(asker: OwnAsker, wanted: Wanted, own: OwnRequest) -> tuple[ApprovalEvent, ...]:
    """The request and, where it asks in steps, those that are asked first."""
    config, timeout = wanted.definition, read_timeout(_policies(wanted))
    rule, offered, voters = what_is_asked(asker)
    steps, due = list(config.get("steps") or []), due_of(asker.view, config.get("due_in"))
    requested = ApprovalRequested(
        None,
        None,
        None,
        config["title"],
        rule,
        offered,
        quota_of(rule, voters) if offered else len(steps),
        description=config.get("description"),
        form=config.get("form"),
        context=config.get("context"),
        priority=config.get("priority", 0),
        requested_by=own.requested_by,
        due=due,
        expires=None if timeout is None else Due(timeout),
        voters=voters,
        ad_hoc=config.get("ad_hoc", False),
        steps=plans_of(steps, config.get("depends_on")),
        definition=_of_steps(config) if steps else None,
        behind=own.behind or None,
        callback=wanted.callback,
        visibility=config.get("visibility"),
        times=times_of(asker, config, due),
        attachments=attachments_of(config.get("attachments", [])),
        ui_schema=config.get("ui_schema"),
        depends_on=looks_at(config.get("depends_on")),
        editable=looks_at(config.get("editable")),
    )
    return (requested, *begin(asker, evolve(APPROVAL.initial, requested)))


def _of_steps(config: Mapping[str, Json]) -> Json:
    """What its steps go by later."""
    return {name: config[name] for name in ("steps", *WHOLE) if name in config}


def _policies(wanted: Wanted) -> dict[str, Json]:
    return {} if wanted.timeout is None else {"timeout": wanted.timeout}


# What is wrong with it ---------------------------------------------------------------------------------------------------


def _faults(view: View, wanted: Wanted, asking: Collection[UUID]) -> Iterator[FieldError]:
    config = dict(wanted.definition)
    of_shape = faults(NODE.config, config, effort=view.effort)
    yield from of_shape
    for path, message in policy_faults(_policies(wanted)):
        yield FieldError(path, "invalid_value", _sentence(message))
    if of_shape:
        return
    plain = [*_formulas(config)]
    yield from plain
    if plain:
        return
    try:
        attachments_of(config.get("attachments", []))
    except Invalid as error:
        yield from error.errors or (FieldError("/attachments", error.code, error.message),)
        return
    linted = [fault for fault in NODE.lint(Node("", "approval", config)) if fault.severity == "error"]
    yield from (FieldError(fault.path, fault.code, fault.message) for fault in linted)
    if not linted:
        yield from _unknown_people(view, config)
        yield from _unknown_times(view, config)
        yield from _approved_by_default(config, {"requester", *map(str, asking)})


def _approved_by_default(config: Config, asking: Collection[str]) -> Iterator[FieldError]:
    """Who may not approve what they ask for has no moment approve it for them either: they write both."""

    def excludes(part: Config) -> bool:
        return bool(part.get("requester")) or any(str(name).lower() in asking for name in part.get("exclude") or ())

    for pointer, part in _wholes(config):
        steps = [part] if pointer else config.get("steps") or [{}]
        offered = [outcome for step in steps for outcome in outcomes_in(config, step)]
        for number, level in enumerate(part.get("escalate") or ()):
            chosen = [one for one in offered if one["name"] == level.get("outcome") and one["kind"] == "approve"]
            if chosen and any(map(excludes, (config, part, *steps, *chosen))):
                told = "You may not approve this yourself, so no moment approves it for you."
                yield FieldError(f"{pointer}/escalate/{number}/outcome", "excluded", told)


def _wholes(config: Config) -> Iterator[tuple[str, Config]]:
    """(JSON pointer, part) of the whole and its steps."""
    yield "", config
    yield from ((f"/steps/{number}", step) for number, step in enumerate(config.get("steps") or ()))


def _parts(config: Config) -> Iterator[tuple[str, Config]]:
    """(JSON pointer, part) of each part that says who is asked: the whole, its steps, their outcomes."""
    for pointer, part in _wholes(config):
        yield pointer, part
        for number, outcome in enumerate(part.get("outcomes") or ()):
            yield f"{pointer}/outcomes/{number}", outcome


def _formulas(config: Config) -> Iterator[FieldError]:
    """What only a workflow's approval node may say."""
    for pointer, part in _parts(config):
        if "interrupts" in part:
            yield FieldError(f"{pointer}/interrupts", "unknown_field", "There are no nodes to interrupt: no execution asks.")
        for name in EVALUATED:
            if name in part:
                yield from _expressions_in(part[name], f"{pointer}/{name}", name in FORMULAS)


def _expressions_in(value: Json, pointer: str, is_one: bool = False) -> Iterator[FieldError]:
    """`is_one`: CEL without an `=`."""
    if is_one or is_expression(value):
        yield _no_expression(pointer)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _expressions_in(each, f"{pointer}/{name}", name in FORMULAS)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _expressions_in(each, f"{pointer}/{number}")


def _no_expression(path: str) -> FieldError:
    return FieldError(path, "no_expression", "Only a workflow's approval node takes expressions. Give the value itself.")


def _unknown_times(view: View, config: Mapping[str, Any]) -> Iterator[FieldError]:
    """Calendars that are not there, and what is too far away in those that are."""
    for pointer, part in _parts(config):
        moments = [(f"{pointer}/{name}", part.get(name)) for name in ("due_in", "start_in")]
        for name in ("remind", "escalate"):
            for number, each in enumerate(part.get(name, ())):
                moments += [(f"{pointer}/{name}/{number}/{when}", span) for when, span in each.items() if when in ALL_WHEN]
        for path, span in moments:
            try:
                due_of(view, span)
            except InvalidValue as error:
                yield FieldError(path, "invalid_value", _sentence(error))


def _unknown_people(view: View, config: Mapping[str, Any]) -> Iterator[FieldError]:
    for pointer, part in _parts(config):
        yield from _unknown_in_rule(view, part.get("rule", {}), f"{pointer}/rule")
        for field in ("by", "fallback"):
            yield from _unknown_in(view, part.get(field, {}), f"{pointer}/{field}")
        for number, level in enumerate(part.get("escalate", ())):
            yield from _unknown_in(view, level.get("by", {}), f"{pointer}/escalate/{number}/by")


def _unknown_in_rule(view: View, rule: Mapping[str, Any], pointer: str) -> Iterator[FieldError]:
    """A veto of nobody would be none, and a weight that is nobody's counts for nothing: that is a slip of who wrote it."""
    vetoes = ((f"veto/{number}", name) for number, name in enumerate(rule.get("veto", ())))
    for place, name in (*vetoes, *((f"weights/{escaped(name)}", name) for name in rule.get("weights", {}))):
        if is_user_id(name):
            if not view.read(MEMBER, UUID(name)).active:
                yield FieldError(f"{pointer}/{place}", "unknown_user", f"{name} is not an active member.")
        elif view.owner(ROLE_KEY, name) is None:
            yield FieldError(f"{pointer}/{place}", "unknown_role", f"There is no role {name}.")


def _unknown_in(view: View, by: Mapping[str, Any], pointer: str) -> Iterator[FieldError]:
    for number, key in enumerate(by.get("roles", ())):
        if view.owner(ROLE_KEY, key) is None:
            yield FieldError(f"{pointer}/roles/{number}", "unknown_role", f"There is no role {key}.")
    for number, name in enumerate(by.get("users", ())):
        if not may(view, UUID(name), DECIDE):
            told = f"{name} is not an active member who may decide approvals."
            yield FieldError(f"{pointer}/users/{number}", "unknown_user", told)


def _require_answerable(view: View, state: Approval) -> None:
    """Somebody is there now for what is asked first."""
    for step in state.open_steps:
        if not any(_is_for_somebody(view, outcome) for outcome in step.outcomes):
            where, path = (f"step {step.name}: ", f"/steps/{step.number - 1}/by") if step.name else ("", "/by")
            raise _nobody(f"{where}nobody may decide: whoever is asked is excluded, or not there", path)


def _is_for_somebody(view: View, outcome: Outcome) -> bool:
    named = outcome.users or outcome.roles
    return not named or anybody(view, outcome.users, outcome.roles, outcome.exclude)


def _nobody(error: object, path: str) -> Invalid:
    told = _sentence(error)
    return Invalid(told, path, (FieldError(path, "invalid_value", told),))


def _sentence(error: object) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."

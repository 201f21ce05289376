"""The steps of an approval request: planned when it is opened, begun one stage after another, each with its people as of then."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from domain.approval import (
    Approval,
    ApprovalEvent,
    ApprovalStepSkipped,
    ApprovalStepStarted,
    Content,
    Outcome,
    Step,
    StepPlan,
    Voter,
    evolve,
)
from domain.approval.content import attachments_of
from domain.approval.rules import are_fixed
from domain.approval.steps import concluded, kept_apart, to_begin
from domain.facts import Invalid, Json
from engine.asking import Asks, OnlyTheRequester, outcomes_of, quota_of, rule_of, voters_of
from engine.calendars import due_of
from engine.expressions import resolve
from engine.invalid import InvalidValue
from engine.moments import FIELDS, times_of

if TYPE_CHECKING:
    from engine.asking import Asker

Config = Mapping[str, Any]
DEFAULT_OUTCOMES: list[Json] = [{"name": "approved", "kind": "approve"}, {"name": "rejected", "kind": "reject"}]
SINGLE: Json = {"type": "single"}
UNASKED: Json = {
    **dict.fromkeys(("outcome", "kind", "user_id", "role", "comment", "reason", "form")),
    "users": [],
    "skipped": True,
}
"""What expressions see of a step that was skipped."""


def plans_of(written: list[Json], depends_on: Json = None) -> tuple[StepPlan, ...]:
    """A step that is parallel with another one is of its stage; every other begins a stage of its own.

    `depends_on`: what those look at that do not say so themselves.
    """
    stages: dict[str, int] = {}
    for step in written:
        beside = step.get("parallel_with")
        stages[step["name"]] = stages[beside] if beside in stages else max(stages.values(), default=0) + 1
    others = {name: tuple(each for each in stages if each != name) for name in stages}
    return tuple(
        StepPlan(
            step["name"],
            stages[step["name"]],
            others[step["name"]] if step.get("distinct") is True else tuple(step.get("distinct") or ()),
            step.get("ad_hoc", False),
            looks_at(step.get("depends_on", depends_on)),
        )
        for step in written
    )


def looks_at(written: Json) -> tuple[str, ...] | None:
    """What is written as `depends_on`; None: at everything."""
    return None if written is None else tuple(written)


def request_json(number: int, content: Content) -> dict[str, Json]:
    """`request`, as expressions see it."""
    return {"number": number, **content.as_json}


def asks_of(config: Config, step: Config) -> Asks:
    """Who is asked in a step, or by the whole. What a step says itself stands instead; who is excluded adds up."""
    own = {name: step.get(name, config.get(name)) for name in ("by", "fallback", "requester")}
    return Asks(exclude=[config.get("exclude", []), step.get("exclude", [])], **own)


def outcomes_in(config: Config, step: Config) -> list[Json]:
    """Of a step, as they are written: its own, or the node's."""
    return list(step.get("outcomes") or config.get("outcomes") or DEFAULT_OUTCOMES)


def all_outcomes(config: Config) -> list[Json]:
    """Of a node, each name once: those of its steps where it has some."""
    written = [outcome for step in config.get("steps") or [{}] for outcome in outcomes_in(config, step)]
    return list({outcome["name"]: outcome for outcome in reversed(written)}.values())[::-1]


def kinds_of(config: Config) -> dict[str, str]:
    return {outcome["name"]: outcome["kind"] for outcome in all_outcomes(config)}


def has_moments(config: Config) -> bool:
    """Whether it is a matter of time, as a whole or in a step."""
    return any(field in part for part in (config, *config.get("steps", ())) for field in (*FIELDS, "due_in"))


def what_is_asked(visit: "Asker") -> tuple[Json, tuple[Outcome, ...], tuple[Voter, ...] | None]:
    """By which rule, what, and whom, where that is fixed. Steps say so for themselves."""
    config = visit.node.config
    if config.get("steps"):
        return {"type": "steps"}, (), None
    rule = rule_of(visit, config.get("rule", SINGLE))
    offered = outcomes_of(visit, outcomes_in(config, {}), asks_of(config, {}))
    return rule, offered, voters_of(visit.view, rule, offered) if are_fixed(rule) else None


def if_all_are_skipped(config: Config) -> Outcome | None:
    for outcome in all_outcomes(config):
        if outcome["kind"] == "approve":
            return Outcome(outcome["name"], "approve")
    return None


def begin(visit: "Asker", state: Approval, form: Json = None) -> tuple[ApprovalEvent, ...]:
    """What follows of itself where a request stands: steps that are asked or skipped, and its end where none is left.

    `form`: of the decision that led here. Raises InvalidValue and ExpressionError.
    """
    events: list[ApprovalEvent] = []
    while state.status == "pending" and state.in_steps:
        waiting = to_begin(state)
        if not waiting:
            end = concluded(state, if_all_are_skipped(visit.node.config) or Outcome("approved", "approve"), form)
            return (*events, *(() if end is None else (end,)))
        for step in waiting:
            begun = _begun(visit, state, step)
            events.append(begun)
            state = evolve(state, begun)
    return tuple(events)


def _begun(visit: "Asker", state: Approval, step: Step) -> ApprovalStepStarted | ApprovalStepSkipped:
    config = visit.node.config
    written = config["steps"][step.number - 1]
    seen = {"steps": results(state), "request": request_json(state.number, state.content)}
    seeing = replace(visit, variables={**visit.variables, **seen})
    asks = asks_of(config, written)
    problem: InvalidValue | None = None
    try:
        outcomes = outcomes_of(seeing, outcomes_in(config, written), asks)
    except OnlyTheRequester:
        return ApprovalStepSkipped(step.number, step.name, "requester")
    except InvalidValue as error:  # nobody need be there who is not asked
        outcomes, problem = (), error
    if "skip_when" in written and visit.evaluator.evaluate_bool(
        written["skip_when"], {**seeing.variables, "step": _asked(step, outcomes)}
    ):
        return ApprovalStepSkipped(step.number, step.name, "skip_when")
    if problem is not None:
        raise _of_step(step, problem)
    rule, apart = rule_of(seeing, written.get("rule", SINGLE)), kept_apart(state, step)
    try:
        voters = voters_of(visit.view, rule, outcomes, apart) if are_fixed(rule) else None
    except InvalidValue as error:
        raise _of_step(step, error) from None
    if voters is None and all(_is_left_to_nobody(outcome, apart) for outcome in outcomes):
        nobody = "nobody may decide: all who are named have decided where the same person may not"
        raise _of_step(step, InvalidValue(nobody, "/by"))
    due_in = resolve(written.get("due_in"), visit.evaluator, seeing.variables)
    due = due_of(visit.view, due_in)
    form, ui_schema = (written.get(name, config.get(name)) for name in ("form", "ui_schema"))
    times = times_of(seeing, written, due, state.turn + 1)
    quota = quota_of(rule, voters)
    return ApprovalStepStarted(step.number, step.name, rule, outcomes, quota, voters, form, due, times, ui_schema)


def _of_step(step: Step, error: InvalidValue) -> InvalidValue:
    return InvalidValue(f"step {step.name}: {error}", f"/steps/{step.number - 1}{error.path}")


def _is_left_to_nobody(outcome: Outcome, apart: Collection[UUID]) -> bool:
    return bool(outcome.users) and not outcome.roles and {*outcome.users} <= {*outcome.exclude, *apart}


def _asked(step: Step, outcomes: tuple[Outcome, ...]) -> Json:
    """`step`, as `skip_when` sees it."""
    users = dict.fromkeys(str(user) for outcome in outcomes for user in outcome.users)
    roles = dict.fromkeys(role for outcome in outcomes for role in outcome.roles)
    return {"name": step.name, "users": list(users), "roles": list(roles)}


def outcome_of(state: Approval) -> dict[str, Json]:
    """What a node makes its output of, beside the decisions: {steps, request}."""
    return {"steps": results(state), "request": request_json(state.number, state.content)}


def results(state: Approval) -> dict[str, Json]:
    """`steps`: what those came to that are done, by their names."""
    return {
        step.name: UNASKED if step.result is None else _result(step, step.result.outcome, step.result.kind)
        for step in state.steps
        if step.status in ("completed", "skipped")
    }


def _result(step: Step, outcome: str, kind: str) -> Json:
    last = step.decisions[-1] if step.decisions else None
    users = dict.fromkeys(_text(decision.user_id) for decision in step.decisions)
    return {
        "outcome": outcome,
        "kind": kind,
        "user_id": None if last is None else _text(last.user_id),
        "role": None if last is None else last.role,
        "comment": None if last is None else last.comment,
        "reason": None if last is None else last.reason,
        "form": None if last is None else last.form,
        "users": list(users),
        "skipped": False,
    }


def _text(id: UUID) -> str:
    return str(id)


def content_of(config: Config) -> Content:
    """What is asked, of a configuration whose expressions are evaluated. Raises InvalidValue."""
    try:
        attachments = attachments_of(config.get("attachments", []))
    except Invalid as error:
        raise InvalidValue(f"{error.path or 'attachments'}: {error.message}") from None
    description = _a_text(config, "description") if "description" in config else None
    return Content(_a_text(config, "title"), description, config.get("context"), attachments)


def _a_text(config: Config, field: str) -> str:
    text = config[field]
    if not isinstance(text, str):
        raise InvalidValue(f"{field} must be a text")
    return text

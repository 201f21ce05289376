"""Deciding an approval request: the decision, the resolution, and everything that moves on from it, as one decision."""

from functools import reduce
from uuid import UUID

from domain.approval import APPROVAL, Approval, Decider, Outcome, decide, evolve, missing_parts, offered
from domain.facts import Decided, Fact, FieldError, Invalid, Json, View
from engine.context import Engine
from engine.executions import ExecutionIsPaused, answer, asking_run, read_live
from engine.happenings import ChildEnded
from engine.schema import faults

NEED_FORM = ("approve", "submit")
"""Kinds of outcome that need the form filled in; with the others its data may be left out, but not be wrong."""


class InvalidDecision(Invalid):
    """Something that the outcome needs is missing, or something is given that it does not take."""

    code = "invalid_decision"


class InvalidForm(Invalid):
    """The form data does not fit the request's form."""

    code = "invalid_form"


def decide_approval(
    view: View,
    engine: Engine,
    request_id: UUID,
    decider: Decider,
    *,
    outcome: str,
    comment: str | None = None,
    form: Json = None,
    role: str | None = None,
    reason: str | None = None,
) -> Decided:
    """result {approval: {id, status, outcome, outcome_kind, version}, execution: {id, status, version, open}}."""
    approval = view.read(APPROVAL, request_id)
    _accept(view, approval, offered(approval, outcome), comment, reason, form)
    assert approval.execution_id is not None
    assert approval.activation_id is not None
    if read_live(view, approval.execution_id).status == "paused":
        raise ExecutionIsPaused
    run = asking_run(view, engine, approval.execution_id, approval.item_id)
    events = decide(approval, decider, outcome, view.new_id(), role=role, comment=comment, form=form, reason=reason)
    run.facts.extend(Fact(request_id, event) for event in events)
    after = reduce(evolve, events, approval)
    if after.status == "resolved":
        run.wake(approval.activation_id, ChildEnded(request_id, events))
        run.advance()
    version = view.version(request_id) + len(events)
    return run.decided({"approval": _summary(request_id, after, version), "execution": answer(run)})


def _summary(request_id: UUID, state: Approval, version: int) -> Json:
    """The request as a command's result names it."""
    resolution = state.resolution
    return {
        "id": str(request_id),
        "status": state.status,
        "outcome": None if resolution is None else resolution.outcome,
        "outcome_kind": None if resolution is None else resolution.kind,
        "version": version,
    }


def _accept(view: View, approval: Approval, chosen: Outcome, comment: str | None, reason: str | None, form: Json) -> None:
    """What goes with the decision is what the outcome takes."""
    missing, wrong = missing_parts(chosen, comment, reason), _faults_of_form(view, approval, chosen, form)
    if missing:
        raise InvalidDecision("", missing[0].path, (*missing, *wrong))
    if wrong:
        raise InvalidForm("", wrong[0].path, wrong)


def _faults_of_form(view: View, approval: Approval, chosen: Outcome, form: Json) -> tuple[FieldError, ...]:
    needed = chosen.kind in NEED_FORM or chosen.form == "required"
    if form is None and (approval.form is None or not needed):
        return ()
    if approval.form is None:
        return (FieldError("/form", "unknown_field", "This approval request has no form."),)
    return faults(approval.form, form, "/form", view.effort)

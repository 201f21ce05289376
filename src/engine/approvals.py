"""Commands on approval requests: the decision, what it resolves, and everything that moves on from it, as one decision."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any
from uuid import UUID

from domain.approval import (
    APPROVAL,
    Approval,
    ApprovalCancelled,
    ApprovalEvent,
    Attachment,
    Decider,
    Place,
    decide,
    evolve,
    missing_parts,
    place_of,
    require_asked,
    require_pending,
)
from domain.approval import add_approver as add
from domain.approval.changing import claim, reassign, release, revoke, withdraw
from domain.approval.overriding import Overrider, override
from domain.approval.resubmitting import edited, recall, send_to_requester
from domain.approval.steps import sent_back
from domain.execution import NodeError
from domain.facts import Decided, Fact, FieldError, Invalid, Json, View
from domain.member import may
from engine.ai_answers import told
from engine.ai_asking import TaskAsker, asker_of_task
from engine.context import Engine
from engine.eligible import requesters_of
from engine.executions import ExecutionIsPaused, answer, asking_run, read_live
from engine.expressions import ExpressionError
from engine.forms import as_it_is, with_defaults
from engine.happenings import ChildEnded
from engine.invalid import InvalidValue
from engine.overriding import faults_of_form, offered_by
from engine.own_asker import OwnAsker
from engine.own_requests import asker_of, moved, submitted_again, summary
from engine.proving import NOTHING, Presented, Proven, prove, refused
from engine.resubmitting import NotAskable, resubmitted
from engine.run import Run
from engine.schema import faults
from engine.stepping import begin, outcome_of
from engine.variables import problem_of

if TYPE_CHECKING:
    from engine.asking import Asker

DECIDE = "approvals:decide"
NEED_FORM = ("approve", "submit")
"""Kinds of outcome that need the form filled in; with the others its data may be left out, but not be wrong."""


class InvalidDecision(Invalid):
    """Something that the outcome needs is missing, or something is given that it does not take."""

    code = "invalid_decision"


class MayNotDecide(Invalid):
    """There is no active member with this id who may decide approvals."""

    code = "may_not_decide"


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
    step: str | None = None,
    presented: Presented | None = None,
    link_id: UUID | None = None,
    attachments: tuple[Attachment, ...] = (),
) -> Decided:
    """result {approval: {id, status, outcome, outcome_kind, version}, execution: {id, status, version, open}}.

    `presented`: proof of who decides, where the outcome asks for it. A wrong code is all that is then recorded, and the result is
    {failed: why}. `link_id`: of the link by which it is made.
    """
    approval = view.read(APPROVAL, request_id)
    place = place_of(approval, decider, outcome, role, step)
    if form is None and place.outcome.kind in NEED_FORM:
        form = as_it_is(place.step.form)
    form = with_defaults(place.step.form, form)
    _accept(view, place, comment, reason, form)
    run = _asking(view, engine, request_id, approval)
    proven = prove(view, place.outcome, decider, presented, request_id)
    if proven.failed:
        return refused(proven)
    about: dict[str, Any] = {"role": role, "comment": comment, "form": form, "reason": reason, "step": step}
    about["attachments"] = attachments
    events = decide(approval, decider, outcome, view.new_id(), link_id=link_id, proof=proven.proof, **about)
    return _proven(_moved(run, request_id, approval, events, form), proven)


def return_approval(
    view: View, engine: Engine, request_id: UUID, decider: Decider, *, comment: str, step: str | None = None
) -> Decided:
    """Send it back to a step that it has passed: that one is asked again, and with it all of later stages. Without a step: to
    whoever asked, to be changed.

    Who may answer now may do so. The result is that of a decision.
    """
    approval = view.read(APPROVAL, request_id)
    require_pending(approval)
    require_asked(approval, decider, approval.open_steps)
    if step is None:
        return _given_back(view, engine, request_id, approval, send_to_requester(approval, decider.user_id, comment))
    run = _asking(view, engine, request_id, approval)
    return _moved(run, request_id, approval, (sent_back(approval, decider.user_id, step, comment),))


def add_approver(
    view: View,
    engine: Engine,
    request_id: UUID,
    decider: Decider | None,
    user_id: UUID,
    *,
    step: str | None = None,
    comment: str | None = None,
) -> Decided:
    """Ask one more, an active member who may decide at all. `decider`: who adds them, one of those who are asked; None: who
    manages approvals. The result is that of a decision."""
    approval = view.read(APPROVAL, request_id)
    require_pending(approval)
    if decider is not None:
        require_asked(approval, decider, tuple(each for each in approval.open_steps if step in (None, each.name)))
    added = add(approval, None if decider is None else decider.user_id, user_id, step, comment)
    _require_may_decide(view, user_id, "/user_id")
    return _moved(_asking(view, engine, request_id, approval), request_id, approval, (added,))


def claim_approval(
    view: View, engine: Engine, request_id: UUID, decider: Decider, *, step: str | None = None, override: bool = False
) -> Decided:
    """Take it on. `override`: also where another one has. The result is that of a decision."""
    approval = view.read(APPROVAL, request_id)
    claimed = claim(approval, decider, step, override=override)
    return _moved(_asking(view, engine, request_id, approval), request_id, approval, () if claimed is None else (claimed,))


def release_approval(
    view: View, engine: Engine, request_id: UUID, user_id: UUID | None, *, step: str | None = None, comment: str | None = None
) -> Decided:
    """Give it back. `user_id`: who had claimed it; None: who manages approvals. The result is that of a decision."""
    approval = view.read(APPROVAL, request_id)
    released = release(approval, user_id, step, comment)
    return _moved(_asking(view, engine, request_id, approval), request_id, approval, (released,))


def reassign_approval(
    view: View,
    engine: Engine,
    request_id: UUID,
    from_user_id: UUID,
    to_user_id: UUID,
    *,
    step: str | None = None,
    comment: str | None = None,
) -> Decided:
    """Ask another active member in the place of one who is asked by name. The result is that of a decision."""
    approval = view.read(APPROVAL, request_id)
    reassigned = reassign(approval, from_user_id, to_user_id, step, comment)
    _require_may_decide(view, to_user_id, "/to_user_id")
    return _moved(_asking(view, engine, request_id, approval), request_id, approval, (reassigned,))


def revoke_decision(
    view: View, engine: Engine, request_id: UUID, user_id: UUID, *, step: str | None = None, comment: str | None = None
) -> Decided:
    """Take one's own decision back, while what it is about is open. The result is that of a decision."""
    approval = view.read(APPROVAL, request_id)
    revoked = revoke(approval, user_id, step, comment)
    return _moved(_asking(view, engine, request_id, approval), request_id, approval, (revoked,))


def withdraw_approval(
    view: View, engine: Engine, request_id: UUID, people: frozenset[UUID] | None, reason: str | None = None
) -> Decided:
    """By who asked for it; None: who may withdraw everybody's. The outcome of the kind `withdraw` is the request's; one of its
    own that has none is cancelled. The result is that of a decision."""
    approval = view.read(APPROVAL, request_id)
    withdrawn = withdraw(approval, people, reason)
    return _moved(_asking(view, engine, request_id, approval), request_id, approval, (withdrawn,))


def override_approval(
    view: View,
    engine: Engine,
    request_id: UUID,
    who: Overrider,
    *,
    outcome: str,
    reason: str,
    form: Json = None,
    presented: Presented | None = None,
) -> Decided:
    """Decide it whomever it asks, whatever its rule. That they may override at all was asked before. `presented` and the result
    are as of a decision."""
    approval = view.read(APPROVAL, request_id)
    require_pending(approval)
    run = _asking(view, engine, request_id, approval)
    visit = _asker(run, approval)
    offered, about = offered_by(approval, visit.node.config), {"outcome": outcome, "reason": reason, "form": form}
    proven = prove(view, offered[outcome], Decider(who.user_id), presented, request_id) if outcome in offered else NOTHING
    events = override(approval, who, visit.requesters, offered, view.new_id(), proof=proven.proof, **about)
    wrong = faults_of_form(approval, outcome, form, view.effort)
    if wrong:
        raise InvalidForm("", wrong[0].path, wrong)
    return refused(proven) if proven.failed else _proven(_moved(run, request_id, approval, events, form), proven)


def _proven(decided: Decided, proven: Proven) -> Decided:
    """With what the proof leaves in the ledger."""
    return replace(decided, facts=(*decided.facts, *proven.facts)) if proven.facts else decided


def recall_approval(
    view: View,
    engine: Engine,
    request_id: UUID,
    people: frozenset[UUID] | None,
    user_id: UUID | None,
    comment: str | None = None,
) -> Decided:
    """Take it back into the hands of who asked, until it is resubmitted or withdrawn. Its time limits stand still.

    `people`: as of a withdrawal; `user_id`: who acts. The result is that of a decision.
    """
    approval = view.read(APPROVAL, request_id)
    return _given_back(view, engine, request_id, approval, recall(approval, people, user_id, comment))


def resubmit_approval(
    view: View,
    engine: Engine,
    request_id: UUID,
    people: frozenset[UUID] | None,
    user_id: UUID | None,
    behind: Collection[UUID] = (),
    *,
    comment: str | None = None,
    **fields: Any,
) -> Decided:
    """Ask again, with these `fields` of what is asked changed (`domain.approval.resubmitting.edited`). Whose part has not changed
    is not asked again. `behind`: who acts on behalf of `user_id`. The result is that of a decision."""
    approval = view.read(APPROVAL, request_id)
    authors = (*(() if user_id is None else (user_id,)), *behind)
    content, changes = edited(approval, people, authors, requesters_of(view, approval), **fields)
    run = _asking(view, engine, request_id, approval)
    asker = _asker(run, approval)
    events: tuple[ApprovalEvent, ...] = (resubmitted(asker, approval, content, changes, user_id, comment),)
    after = reduce(evolve, events, approval)
    try:
        events = (*events, *begin(asker, after))
    except (InvalidValue, ExpressionError) as error:
        raise NotAskable(f"As it is now, it cannot be asked: {error}.") from None
    if isinstance(run, OwnAsker):
        return _followed(run, request_id, approval, submitted_again(run, request_id, approval, events))
    run.start_timeout(_activation_of(approval))
    return _moved(run, request_id, approval, events)


def _given_back(view: View, engine: Engine, request_id: UUID, approval: Approval, event: ApprovalEvent | None) -> Decided:
    """To its requester. None: it was so before."""
    run = _asking(view, engine, request_id, approval)
    if event is not None and isinstance(run, Run):
        run.stop_timeout(_activation_of(approval))
    return _moved(run, request_id, approval, () if event is None else (event,))


def _activation_of(approval: Approval) -> UUID:
    assert approval.activation_id is not None
    return approval.activation_id


def carry_on(
    view: View,
    engine: Engine,
    request_id: UUID,
    approval: Approval,
    bring: "Callable[[Asker], tuple[ApprovalEvent, ...]]",
    form: Json = None,
) -> Decided:
    """What a moment brings about, and what follows from it. `bring`: given who asks. The result is that of a decision. `form`: of
    a decision that is made again.

    Refused while the execution is paused, and where nobody waits for the request any more.
    """
    run = _asking(view, engine, request_id, approval)
    return _moved(run, request_id, approval, bring(_asker(run, approval)), form)


def _require_may_decide(view: View, user_id: UUID, path: str) -> None:
    if not may(view, user_id, DECIDE):
        raise MayNotDecide(path=path)


def _asking(view: View, engine: Engine, request_id: UUID, approval: Approval) -> Run | OwnAsker:
    """The run of what asks, where an execution does."""
    if approval.ai_task_id is not None:
        return asker_of_task(view, engine, request_id, approval)
    if approval.own is not None:
        return asker_of(view, engine, approval.own)
    assert approval.execution_id is not None
    if read_live(view, approval.execution_id).status == "paused":
        raise ExecutionIsPaused
    return asking_run(view, engine, approval.execution_id, approval.item_id)


def _asker(run: Run | OwnAsker, approval: Approval) -> "Asker":
    return run if isinstance(run, OwnAsker) else run.visit(_activation_of(approval))


def _moved(
    run: Run | OwnAsker, request_id: UUID, approval: Approval, events: tuple[ApprovalEvent, ...], form: Json = None
) -> Decided:
    """These events, what follows from them in the request, and in its execution where it is resolved."""
    if isinstance(run, OwnAsker):
        return _followed(run, request_id, approval, moved(run, request_id, approval, events, form))
    assert approval.activation_id is not None
    after = reduce(evolve, events, approval)
    problem: NodeError | None = None
    try:
        if after.in_steps and after.status == "pending":
            events = (*events, *begin(run.visit(approval.activation_id), after, form))
    except ExpressionError as error:
        problem = problem_of(error)
    except InvalidValue as error:
        problem = NodeError("invalid_value", str(error))
    if problem is not None:
        events = (*events, ApprovalCancelled(problem.message))
    after = reduce(evolve, events, approval)
    run.facts.extend(Fact(request_id, event) for event in events)
    if problem is not None:
        run.fail(approval.activation_id, problem)
        run.advance()
    elif after.status == "resolved":
        run.wake(approval.activation_id, ChildEnded(request_id, events, outcome_of(after)))
        run.advance()
    version = run.view.version(request_id) + len(events)
    return run.decided({"approval": summary(request_id, after, version), "execution": answer(run)})


def _followed(asker: OwnAsker, request_id: UUID, approval: Approval, decided: Decided) -> Decided:
    """With what it means to the AI task that asks, where one does."""
    return told(asker, request_id, approval, decided) if isinstance(asker, TaskAsker) else decided


def _accept(view: View, place: Place, comment: str | None, reason: str | None, form: Json) -> None:
    """What goes with the decision is what the outcome takes."""
    missing, wrong = missing_parts(place.outcome, comment, reason), _faults_of_form(view, place, form)
    if missing:
        raise InvalidDecision("", missing[0].path, (*missing, *wrong))
    if wrong:
        raise InvalidForm("", wrong[0].path, wrong)


def _faults_of_form(view: View, place: Place, form: Json) -> tuple[FieldError, ...]:
    schema, chosen = place.step.form, place.outcome
    if form is None and (schema is None or not (chosen.kind in NEED_FORM or chosen.form == "required")):
        return ()
    if schema is None:
        return (FieldError("/form", "unknown_field", "This approval request has no form."),)
    return faults(schema, form, "/form", view.effort)

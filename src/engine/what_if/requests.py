"""Approval requests of a play. One that asks the same people by the same rule comes to what it came to. Of any other the
decisions that are on record are made again, one after another, by people with the roles that they had then."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from domain.approval import (
    APPROVAL,
    AlreadyDecided,
    Approval,
    ApprovalCancelled,
    ApprovalClaimed,
    ApprovalDecided,
    ApprovalEscalated,
    ApprovalEvent,
    ApprovalExpired,
    ApprovalOverdue,
    ApprovalOverridden,
    ApprovalReassigned,
    ApprovalRecalled,
    ApprovalReleased,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalReturned,
    ApprovalRevoked,
    ApprovalSentToRequester,
    ApproverAdded,
    Decider,
    Excluded,
    KeptApart,
    NotEligible,
    Place,
    UnknownOutcome,
    add_approver,
    decide,
    missing_parts,
    place_of,
)
from domain.approval.changing import claim, reassign, release, revoke, withdraw
from domain.approval.deciding import Claimed
from domain.approval.events import TALK, Outcome
from domain.approval.proof import Proof
from domain.approval.steps import UnknownStep, sent_back
from domain.approval.times import MomentKind
from domain.envelope import RecordedEvent
from domain.execution import ActivationFailed
from domain.facts import Json, Refusal, Timer
from engine.approvals import NEED_FORM, carry_on
from engine.escalation import Come, brought_about
from engine.moments import FIELDS as MOMENTS
from engine.nodes.ai_agent import roles_of
from engine.schema import faults
from engine.stepping import all_outcomes
from engine.what_if.outcomes import is_timeout, nodes
from engine.what_if.record import NO_WAY_OUT
from engine.what_if.visits import Next, OpenVisit

if TYPE_CHECKING:
    from engine.asking import Asker
    from engine.what_if.playing import Play

SHOWN = frozenset(
    {"title", "description", "context", "attachments", "priority", "ui_schema", "visibility", "editable", "depends_on", "remind"}
)
"""Fields of a configuration that are no matter of who decides, and by which rule."""
TIMES = (*MOMENTS, "due_in")
ENDED = (ApprovalCancelled, ApprovalExpired)
GIVEN_BACK = (ApprovalRecalled, ApprovalSentToRequester, ApprovalResubmitted)
ASKS_OTHERWISE = "It asks something else; the decisions are taken as they were."
WHY: Mapping[type[Refusal], str] = {
    Excluded: "they are excluded",
    KeptApart: "they have decided in a step from which this one is kept apart",
    NotEligible: "they are not asked",
    AlreadyDecided: "they have decided",
    Claimed: "another one has claimed it",
}


@dataclass(frozen=True)
class Found:
    """A timer of a request that is due, as a worker finds it: an `engine.timers.DueTimer`."""

    id: UUID
    purpose: str
    owner: str
    owner_id: UUID
    activation_id: UUID | None
    due_at: datetime
    found_at: datetime
    moved: int = 0
    between_attempts: bool = False

    @classmethod
    def of(cls, timer: Timer, due_at: datetime) -> "Found":
        return cls(timer.id, timer.purpose, timer.owner, timer.owner_id, timer.activation_id, due_at, due_at)


# Whether it is the same request -------------------------------------------------------------------------------------------


def compare(play: "Play", visit: OpenVisit) -> tuple[str | None, str | None]:
    """As `engine.what_if.outcomes.compare`; and whether it is decided anew."""
    then, now = _requested(visit), play.requested[request_of(play, visit)]
    if then is None:
        return "What it asked is not on record.", None
    before, node = nodes(visit)
    same = _deciding(before.config) == _deciding(node.config) and _asked(then) == _asked(now)
    visit.by_votes = not same or (bool(now.steps) and play.drifted) or _led_nowhere(visit)
    return None, ASKS_OTHERWISE if then.content != now.content else None


def _led_nowhere(visit: OpenVisit) -> bool:
    """Whether no way led on from it, and one may now: what it came to is on record of the request alone."""
    end = None if visit.past is None else visit.past.end
    return not visit.leaves_alike and isinstance(end, ActivationFailed) and end.handle is None and end.error.type in NO_WAY_OUT


def _requested(visit: OpenVisit) -> ApprovalRequested | None:
    found = None if visit.past is None else visit.past.first(ApprovalRequested)
    return found if isinstance(found, ApprovalRequested) else None


def _deciding(config: Mapping[str, Any]) -> Json:
    """What of a configuration its outcome depends on."""
    steps = [{name: value for name, value in step.items() if name not in SHOWN} for step in config.get("steps", ())]
    return {**{name: value for name, value in config.items() if name not in SHOWN}, "steps": steps}


def _asked(event: ApprovalRequested) -> Json:
    outcomes = tuple(replace(outcome, means=None) for outcome in event.outcomes)
    return event.rule, outcomes, event.voters, [(step.name, step.stage, step.distinct) for step in event.steps], event.ad_hoc


def has_other_moments(visit: OpenVisit) -> bool:
    if not visit.by_votes:
        return False
    before, now = ([_times(each.config), *map(_times, each.config.get("steps", ()))] for each in nodes(visit))
    return before != now


def _times(config: Mapping[str, Any]) -> Json:
    return {name: config[name] for name in TIMES if name in config}


def request_of(play: "Play", visit: OpenVisit) -> UUID:
    return play.state.activations[visit.id].waits_for("approval")[0]


# What happens to it again -------------------------------------------------------------------------------------------------


def next_vote(play: "Play", visit: OpenVisit) -> Next | None:
    assert visit.past is not None
    visit.firsts = visit.firsts or tuple(_firsts(visit))
    for number, record in enumerate(islice(visit.firsts, visit.told, None), visit.told):
        if isinstance(record.event, (ApprovalRequested, *TALK, *ENDED)):
            continue
        moment = isinstance(record.event, ApprovalEscalated | ApprovalReminded | ApprovalOverdue)
        if moment and has_other_moments(visit):
            continue
        at, now = record.recorded_at + visit.shift, record.occurred_at + visit.shift
        return Next(at, record.position, now, partial(_happens, play, visit, number, record))
    ended = visit.past.ended
    if ended is not None and visit.times_are_equal and is_timeout(ended.event):
        at, now = ended.recorded_at + visit.shift, ended.occurred_at + visit.shift
        return Next(at, ended.position, now, lambda: play.move(lambda run: run.time_out(visit.id, 1)))
    return None


def _firsts(visit: OpenVisit) -> Iterator[RecordedEvent]:
    """Of each command the event that others follow from."""
    assert visit.past is not None
    for _, events in groupby(visit.past.opened, key=lambda record: record.command_id):
        yield next(events)


def _happens(play: "Play", visit: OpenVisit, number: int, record: RecordedEvent) -> None:
    visit.told = number + 1
    if not _again(play, visit, record):
        return
    waiting, visit.postponed = visit.postponed, []
    for each in waiting:
        if visit.id in play.open and _again(play, visit, each):
            play.assume_that(visit, "Somebody decides later than they did, when they are asked.")


def _again(play: "Play", visit: OpenVisit, record: RecordedEvent) -> bool:
    """Whether it has happened again."""
    request_id, event = request_of(play, visit), record.event
    approval = play.view.read(APPROVAL, request_id)
    if isinstance(event, GIVEN_BACK):
        play.give_up(visit, "It was given back to who asked, and changed; that is not played where it is decided otherwise.")
        return False
    try:
        decided = carry_on(
            play.view, play.engine, request_id, approval, lambda asker: _events(play, visit, asker, approval, event), _form(event)
        )
    except UnknownStep:
        visit.postponed.append(record)
    except UnknownOutcome:
        _no_such_outcome(play, visit, record)
    except _Unanswered as error:
        play.give_up(visit, str(error))
    except Refusal as refused:
        play.leave_out(visit, _left_out(event, refused))
    else:
        play.take(decided)
        return True
    return False


class _Unanswered(Exception):
    """What was decided then says nothing of what would be."""


def _form(event: object) -> Json:
    return event.form if isinstance(event, ApprovalDecided | ApprovalOverridden) else None


def _no_such_outcome(play: "Play", visit: OpenVisit, record: RecordedEvent) -> None:
    event = record.event
    name = event.outcome if isinstance(event, ApprovalDecided) else ""
    if any(each["name"] == name for each in all_outcomes(visit.node.config)):
        visit.postponed.append(record)  # of a step that is not asked yet
    else:
        play.give_up(visit, f"Somebody chose {name}, which is no outcome of it.")


def _left_out(event: object, refused: Refusal) -> str:
    why = next((words for kind, words in WHY.items() if isinstance(refused, kind)), refused.message)
    if isinstance(event, ApprovalDecided):
        return f"The decision “{event.outcome}” of {event.user_id} does not count: {why}."
    return f"{type(event).__name__.removeprefix('Approval')} is left out: {why}."


def _events(play: "Play", visit: OpenVisit, asker: "Asker", approval: Approval, event: object) -> tuple[ApprovalEvent, ...]:
    """What happens to the request where the same is done again. Raises Refusal."""
    named = None if not isinstance(event, ApprovalDecided) else event.step
    match event:
        case ApprovalDecided():
            return _decided(play, visit, asker, approval, event, _step(visit, approval, named))
        case ApproverAdded(user_id=user, added_by=by, step=step, comment=comment):
            return (add_approver(approval, by, user, _step(visit, approval, step), comment),)
        case ApprovalClaimed(user_id=user, step=step):
            who = Decider(user, roles_of(asker.view, user))
            claimed = claim(approval, who, _step(visit, approval, step), override=event.instead_of is not None)
            return () if claimed is None else (claimed,)
        case ApprovalReleased(user_id=user, step=step, comment=comment):
            return (release(approval, None, _step(visit, approval, step), comment),)
        case ApprovalReassigned(from_user_id=one, to_user_id=other, step=step, comment=comment):
            return (reassign(approval, one, other, _step(visit, approval, step), comment),)
        case ApprovalRevoked(user_id=user, step=step, comment=comment):
            return (revoke(approval, user, _step(visit, approval, step), comment),)
        case ApprovalReturned(user_id=user, name=name, comment=comment):
            return (sent_back(approval, user, name, comment),)
        case ApprovalOverridden():
            return _overridden(visit, approval, event)
        case ApprovalResolved():
            return (withdraw(approval, None),)
        case ApprovalEscalated(step=step, level=level, passed_over=over, whole=whole):
            return _moment(asker, approval, ("escalate", "escalate_unstarted"), 0 if whole else step, over[0] if over else level)
        case ApprovalReminded(step=step, number=number):
            return _moment(asker, approval, ("remind",), step, number)
        case ApprovalOverdue(step=step, what=what):
            return _moment(asker, approval, (what,), step, 0)
        case _:
            raise AssertionError(f"{type(event).__name__} happens to no request from outside")


def _step(visit: OpenVisit, approval: Approval, number: int | None) -> str | None:
    """The name of the step that it was in, where both ask in steps."""
    then = _requested(visit)
    if then is None or not then.steps or not approval.in_steps or number is None:
        return None
    return then.steps[number - 1].name


def _decided(
    play: "Play", visit: OpenVisit, asker: "Asker", approval: Approval, event: ApprovalDecided, step: str | None
) -> tuple[ApprovalEvent, ...]:
    who = Decider(
        event.user_id,
        roles_of(asker.view, event.voter),
        event.on_behalf_of,
        through=event.through or (),
        acting=event.acting,
    )
    place, role = _place(approval, who, event, step)
    form, chosen = _fitting(play, place, event.form), place.outcome
    if missing_parts(chosen, event.comment, event.reason if chosen.reasons else None):
        play.assume_that(visit, "Whoever decided would have given the comment, or the reason, that it asks for.")
    about: dict[str, Any] = {"comment": event.comment, "form": form, "reason": event.reason if chosen.reasons else None}
    about |= {"link_id": event.link_id, "attachments": event.attachments, "proof": _proof(chosen, event)}
    return decide(approval, who, event.outcome, event.decision_id, role=role, step=step, **about)


def _place(approval: Approval, who: Decider, event: ApprovalDecided, step: str | None) -> tuple[Place, str | None]:
    """In the role in which they acted, where it is asked, else in any that they had."""
    if event.role is not None and event.role in who.roles:
        try:
            return place_of(approval, who, event.outcome, event.role, step), event.role
        except NotEligible:
            pass
    return place_of(approval, who, event.outcome, None, step), None


def _fitting(play: "Play", place: Place, form: Json) -> Json:
    schema, chosen = place.step.form, place.outcome
    if schema is None:
        return None
    if form is None and chosen.kind not in NEED_FORM and chosen.form != "required":
        return None
    if faults(schema, form, "/form", play.view.effort):
        raise _Unanswered("What was filled in does not fit its form.")
    return form


def _proof(chosen: Outcome, event: ApprovalDecided) -> Proof | None:
    """Whoever showed nothing then, because nothing was asked for, would have."""
    if chosen.proof is None:
        return None
    return Proof(chosen.proof, event.proof_id or event.user_id)


def _overridden(visit: OpenVisit, approval: Approval, event: ApprovalOverridden) -> tuple[ApprovalEvent, ...]:
    kind = next((each["kind"] for each in all_outcomes(visit.node.config) if each["name"] == event.outcome), None)
    if kind is None:
        raise _Unanswered(f"It was overridden by {event.outcome}, which is no outcome of it.")
    passed = tuple(step.number for step in approval.steps if step.status in ("waiting", "open"))
    resolved = ApprovalResolved(event.outcome, kind, (event.user_id,), event.form)
    return (replace(event, steps=passed, kind=kind), resolved)


def _moment(
    asker: "Asker", approval: Approval, kinds: tuple[MomentKind, ...], step: int, number: int
) -> tuple[ApprovalEvent, ...]:
    """Nothing, where that is not waited for."""
    for clock in approval.clocks:
        for kind, its_number, moment in clock.to_come():
            if clock.step == step and kind in kinds and its_number == number:
                timer = Timer(UUID(int=0), moment.due, kind, APPROVAL.name, UUID(int=0))
                return brought_about(asker, approval, Come(clock, kind, number, moment, timer))
    return ()

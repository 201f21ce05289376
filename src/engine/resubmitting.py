"""A request that is asked again: who is asked again, of whom, and how long there is."""

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from domain.approval import Approval, ApprovalResubmitted, Asked, Change, Content
from domain.approval.content import is_same
from domain.approval.resubmitting import asked_again, resubmit
from domain.approval.times import WHOLE, Clock, Times
from domain.facts import Due, Invalid, Json
from engine.asking import quota_of
from engine.calendars import due_of
from engine.expressions import ExpressionError, resolve
from engine.invalid import InvalidValue
from engine.moments import times_of
from engine.own_asker import OwnAsker
from engine.stepping import request_json, results, what_is_asked

if TYPE_CHECKING:
    from engine.asking import Asker
    from engine.nodes.kind import Visit


class NotAskable(Invalid):
    """As it is now, it cannot be asked."""

    code = "not_askable"


def resubmitted(
    asker: "Asker",
    approval: Approval,
    content: Content,
    changes: tuple[Change, ...],
    user_id: UUID | None,
    comment: str | None = None,
) -> ApprovalResubmitted:
    """Raises NotAskable where it then comes to nobody: its requester can mend that, or withdraw it."""
    number = approval.number + 1
    before, after = request_json(approval.number, approval.content), request_json(number, content)
    steps = asked_again(approval, changes, lambda written: _differs(asker, written, before, after))
    asked, expires = None, None
    try:
        if isinstance(asker, OwnAsker):
            due, expires = _as_long_again(approval)
        else:
            due = due_of(asker.view, resolve(asker.node.config.get("due_in"), asker.evaluator, asker.variables))
            if steps and not approval.in_steps:
                asked = _asked(asker, after)
        going_on = [each for each in approval.held if not (approval.in_steps and each.step in steps)]
        clocks = tuple(_anew(asker, approval, each, after, due, each.step in steps) for each in going_on)
    except (InvalidValue, ExpressionError) as error:
        raise NotAskable(f"As it is now, it cannot be asked: {error}.") from None
    return resubmit(
        approval, content, changes, steps, user_id=user_id, comment=comment, asked=asked, due=due, expires=expires, clocks=clocks
    )


def _asked(visit: "Visit", request: Json) -> Asked:
    rule, outcomes, voters = what_is_asked(replace(visit, variables={**visit.variables, "request": request}))
    return Asked(rule, outcomes, quota_of(rule, voters), voters)


def _anew(asker: "Asker", approval: Approval, clock: Clock, request: Json, due: Due | None, again: bool) -> Clock:
    """The moments of what goes on, all to come again.

    Of one of its own that has no definition they are as they were, but for those of working time: that was of then.
    """
    turn, started = approval.turn + 1, clock.started and not again
    config, whole = asker.node.config, clock.step == WHOLE or not approval.in_steps
    if isinstance(asker, OwnAsker) and whole:
        plain = tuple(each for each in clock.times.remind if not each.is_working_time)
        levels = tuple(each for each in clock.times.escalate if not each.moment.is_working_time)
        start = clock.times.start
        start = None if start is None or start.openings is not None else start
        return Clock(clock.step, Times(plain, levels, start, turn), due, started=started)
    written = config if whole else config["steps"][clock.step - 1]
    seen = {"steps": results(approval), "request": request}
    seeing = replace(asker, variables={**asker.variables, **seen})
    if not whole:
        due = due_of(asker.view, resolve(written.get("due_in"), asker.evaluator, seeing.variables))
    times = times_of(seeing, written, due, turn)
    return Clock(clock.step, times or Times(turn=turn), due, started=started)


def _as_long_again(approval: Approval) -> tuple[Due | None, Due | None]:
    """What was so long from when it was asked is so long from now. The working time of a calendar was of then: it stays."""
    assert approval.own is not None
    due, closes = approval.own.due, approval.own.closes
    return (due if due is not None and due.after is not None and due.openings is None else None), closes


def _differs(asker: "Asker", written: str, before: Json, after: Json) -> bool:
    """Whether an expression comes to something else. One that fails may: it is safe to ask again."""
    try:
        one, other = (
            asker.evaluator.evaluate(written[1:], {**asker.variables, "request": request}) for request in (before, after)
        )
    except ExpressionError:
        return True
    return not is_same(one, other)

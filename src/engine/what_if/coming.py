"""What comes next in a play: what is on record of a visit or of the execution, what a clock brings, or what is assumed.

Of all that may come, it is what comes first; at the same moment, what is on record, in its order.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from domain.execution import TIMEOUT, Wait
from domain.facts import Timer
from engine.approval_timers import fire_of_request
from engine.happenings import TimerFired
from engine.what_if import outcomes, requests
from engine.what_if.outside import next_from_outside
from engine.what_if.visits import SIMULATED, Next, OpenVisit

if TYPE_CHECKING:
    from engine.what_if.playing import Play

HELD = ("approval", "wait")
"""Types of nodes to which nothing comes while the execution is paused."""


def next_of(play: "Play") -> Next | None:
    """None: it is over, or only waits."""
    if not play.state.live or play.state.compensation is not None:
        return None
    return min(_coming(play), key=lambda each: (each.at, each.position), default=None)


def known_until(play: "Play", visit: OpenVisit) -> datetime | None:
    """Until when it is known that nothing comes to it; None: what comes to it is known."""
    if visit.node.id in play.assume:
        return None
    if visit.why is not None:
        return visit.given_up_at or visit.begun_at
    if outcomes.is_simulated(visit):
        return None
    return visit.ended_at if visit.past is not None and visit.past.waited else visit.begun_at


def _coming(play: "Play") -> Iterator[Next]:
    yield from next_from_outside(play)
    yield from _end_by_time(play)
    paused = play.state.status == "paused"
    for visit in play.open.values():
        if not (paused and visit.node.type in HELD):
            found = _by_the_record(play, visit) or _as_assumed(play, visit)
            if found is not None:
                yield found
        if not paused:
            yield from _timers_of(play, visit)
    if not paused:
        yield from _moments(play)


def _by_the_record(play: "Play", visit: OpenVisit) -> Next | None:
    if visit.why is not None or visit.past is None or not visit.past.waited:
        return None
    return requests.next_vote(play, visit) if visit.by_votes else outcomes.next_outcome(play, visit)


def _as_assumed(play: "Play", visit: OpenVisit) -> Next | None:
    """When the record has told all that it has."""
    if visit.node.id not in play.assume or outcomes.is_simulated(visit):
        return None

    def act() -> None:
        play.found.unknown.pop(visit.key, None)
        play.move(lambda run: outcomes.bring(run, visit, play.assume[visit.node.id]))

    return Next(max(play.at, visit.ended_at or play.at), SIMULATED, play.view.now, act)


# By the clock: what the record does not say, neither that it comes nor that it does not -----------------------------------


def _timers_of(play: "Play", visit: OpenVisit) -> Iterator[Next]:
    for wait in play.state.activations[visit.id].waits:
        if wait.kind != "timer" or wait.due is None:
            continue
        limits = wait.about == TIMEOUT
        if visit.times_are_equal if limits else not outcomes.is_simulated(visit):
            continue
        due = wait.due.moment(visit.begun_at) + (visit.paused if wait.due.after is not None else timedelta(0))
        if not limits or (visit.ended_at is not None and due <= visit.ended_at):
            yield _by_the_clock(play, due, _fires(play, visit, wait))


def _fires(play: "Play", visit: OpenVisit, wait: Wait) -> Callable[[], None]:
    if wait.about == TIMEOUT:
        attempts = play.state.activations[visit.id].attempt
        return lambda: play.move(lambda run: run.time_out(visit.id, attempts))
    return lambda: play.move(lambda run: run.wake(visit.id, TimerFired(wait.id, wait.about)))


def _moments(play: "Play") -> Iterator[Next]:
    """Of requests that are decided anew, whose moments are others than they were."""
    by_request = {wait.id: visit for visit in play.open.values() for wait in play.state.activations[visit.id].waits}
    for timer, due in play.timers.values():
        visit = by_request.get(timer.owner_id)
        if visit is None or visit.why is not None or visit.ended_at is None or not requests.has_other_moments(visit):
            continue
        if due + visit.paused <= visit.ended_at:
            yield _by_the_clock(play, due + visit.paused, _comes(play, timer, due))


def _comes(play: "Play", timer: Timer, due: datetime) -> Callable[[], None]:
    def act() -> None:
        del play.timers[timer.id]
        play.take(fire_of_request(play.view, play.engine, requests.Found.of(timer, due)))

    return act


def _end_by_time(play: "Play") -> Iterator[Next]:
    timeout, before = play.state.timeout, play.past.started.timeout
    if timeout is None or timeout.due is None or (before is not None and before.due == timeout.due):
        return
    due = timeout.due.moment(play.past.begun_at)
    if due <= play.past.ended_at and play.state.status == "running":
        yield _by_the_clock(play, due, lambda: play.move(lambda run: run.run_out_of_time()))


def _by_the_clock(play: "Play", due: datetime, act: Callable[[], None]) -> Next:
    return Next(max(due, play.at), SIMULATED, play.view.now, act)

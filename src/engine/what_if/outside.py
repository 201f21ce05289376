"""What happened to a past execution as a whole, and happens to it again in a play: pauses, signals, and how it was ended."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from domain.envelope import RecordedEvent
from domain.execution import (
    ExecutionCancelled,
    ExecutionChanged,
    ExecutionCompensating,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
)
from domain.facts import Fact
from engine.executions import SIGNAL, pause, resume
from engine.happenings import MessageArrived
from engine.nodes.kind import Passed
from engine.run import Run
from engine.what_if import outcomes
from engine.what_if.visits import Next

if TYPE_CHECKING:
    from engine.what_if.playing import Play


def next_from_outside(play: "Play") -> Iterator[Next]:
    """One at most."""
    if play.outside < len(play.past.outside):
        record = play.past.outside[play.outside]
        yield Next(record.recorded_at, record.position, record.occurred_at, lambda: _happens(play, record))


def _happens(play: "Play", record: RecordedEvent) -> None:
    play.outside += 1
    match event := record.event:
        case ExecutionPaused(reason=reason):
            play.paused_at = play.at
            play.take(pause(play.view, play.engine, play.past.id, reason))
        case ExecutionResumed(reason=reason):
            _resumed(play)
            play.take(resume(play.view, play.engine, play.past.id, reason))
        case ExecutionChanged():
            play.view.happen([Fact(play.past.id, event)])
        case ExecutionSignalled():
            play.move(lambda run: _signalled(play, run, record.command_id, event))
        case ExecutionCancelled(reason=reason, cancelled_by=by):
            play.move(lambda run: run.terminate(reason, by))
        case ExecutionCompensating(ends="cancelled", reason=reason, cancelled_by=by):
            play.move(lambda run: run.cancel(reason, by))
        case _ if _has_same_time(play):
            play.move(lambda run: run.run_out_of_time())
        case _:
            pass


def _has_same_time(play: "Play") -> bool:
    before, timeout = play.past.started.timeout, play.state.timeout
    return before is not None and timeout is not None and before.due == timeout.due


def _resumed(play: "Play") -> None:
    if play.paused_at is None:
        return
    for visit in play.open.values():
        visit.paused += play.at - max(play.paused_at, visit.begun_at)
    play.paused_at = None


def _signalled(play: "Play", run: Run, command: UUID, event: ExecutionSignalled) -> None:
    """To all at once who wait for an event of its name. Who took it by the record, or another one, is told by that."""
    message = {"id": None, "source": SIGNAL, "type": event.name, "subject": None, "time": None, "data": event.payload}
    for visit in tuple(play.open.values()):
        if visit.id not in run.state.activations:
            continue
        if outcomes.is_told_by_record(visit):
            found = None if visit.node.type == "approval" else outcomes.coming_to(visit)
            if found is not None and found.command_id == command:
                outcomes.bring_recorded(play, run, visit, found)
            continue
        waits = run.state.activations[visit.id].waits
        for wait in (each for each in waits if (each.kind, each.about) == ("event", event.name)):
            if not isinstance(run.wake(visit.id, MessageArrived(wait.id, message)), Passed):
                play.found.unknown.pop(visit.key, None)

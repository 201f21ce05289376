"""What came to the visits of a past execution, as it comes to those of the play: outcomes that are taken as they were, or looked
at by what the other version makes of them. Approval requests that are decided anew are in `engine.what_if.requests`."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from domain.ai_task import AiTaskRequested
from domain.envelope import RecordedEvent
from domain.execution import (
    TIMEOUT,
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    ActivationWaiting,
    ExecutionStarted,
    NodeError,
    Wait,
)
from domain.facts import Event, Json
from domain.foreach import ForeachStarted
from domain.retry import Failure, RetryPolicy
from engine.definition import Node
from engine.happenings import JobDone, JobFailed, MessageArrived
from engine.nodes.kind import Again, Passed
from engine.run import Run
from engine.schema import faults
from engine.stepping import all_outcomes
from engine.what_if.record import NO_WAY_OUT, timed_out
from engine.what_if.visits import Next, OpenVisit

if TYPE_CHECKING:
    from engine.what_if.playing import Play

MEANT_BY = {"http": ("output", "success", "retry_on", "response_as"), "task": ("output_schema",), "ai_agent": ("output_schema",)}
"""Fields of a configuration that say what an answer means."""
NOTHING_BEGAN = "It was over at once and would wait; what would come of that is not on record."
EVEN = 0.5
ASKED = {
    "task": "It is given another input; what came of it is taken as it was.",
    "http": "Another request is sent; the answer is taken as it was.",
    "ai_agent": "The model is asked otherwise; its answer is taken as it was.",
    "workflow": "The other workflow is started otherwise; what came of it is taken as it was.",
    "wait_event": "It takes other events; another one may have come before the one that it took.",
}


def compare(visit: OpenVisit, begun: ActivationStarted) -> tuple[str | None, str | None]:
    """Why what is on record of a visit says nothing of this one, and in what else it was asked for otherwise."""
    past = visit.past
    assert past is not None
    match visit.node.type:
        case "wait_event" if about(begun.waits, "event") != about(past.started.waits, "event"):
            return "It waits for events of another type; whether one came is not looked for.", None
        case "foreach" if not _has_same_items(visit):
            return "Its items or its body are others than they were; what would come of them is not on record.", None
        case "workflow" if _child_of(visit).workflow_key != visit.input["workflow_key"]:
            return "It starts another workflow than it did; what would come of that is not on record.", None
        case _:
            return None, ASKED.get(visit.node.type) if _is_asked_otherwise(visit, begun) else None


def would_begin_others(visit: OpenVisit) -> bool:
    """Whether it waits for what it did not wait for then, as nothing was begun, and may come to the same."""
    assert visit.past is not None
    return visit.node.type in ("foreach", "workflow", "wait_event") and isinstance(visit.past.end, ActivationCompleted)


def _is_asked_otherwise(visit: OpenVisit, begun: ActivationStarted) -> bool:
    past = visit.past
    assert past is not None
    match visit.node.type:
        case "task":
            return (begun.input, about(begun.waits, "job")) != (past.started.input, about(past.started.waits, "job"))
        case "http":
            return bool(begun.input != past.started.input)
        case "ai_agent":
            return _is_prompted_otherwise(visit)
        case "workflow":
            child, version = _child_of(visit), visit.input["version"]
            return child.input != visit.input["input"] or version not in (None, child.workflow_version)
        case "wait_event":
            return not _are_equal(visit, "when")
        case _:
            return False


def _is_prompted_otherwise(visit: OpenVisit) -> bool:
    """A guard may have changed what was recorded, and a prompt that is kept apart what was asked: then the nodes are compared."""
    assert visit.past is not None
    assert visit.before is not None
    if visit.before.config != visit.node.config:
        return True
    requested = visit.past.first(AiTaskRequested)
    if not isinstance(requested, AiTaskRequested) or requested.guards or not isinstance(visit.input.get("prompt"), str):
        return False
    asked = {
        "prompt": requested.prompt,
        "system": requested.system_prompt,
        "input": requested.input,
        "context": requested.context,
    }
    return any(visit.input.get(name) != value for name, value in asked.items())


def _child_of(visit: OpenVisit) -> ExecutionStarted:
    assert visit.past is not None
    found = visit.past.first(ExecutionStarted)
    assert isinstance(found, ExecutionStarted), "a visit that waited for a child has started one"
    return found


def _has_same_items(visit: OpenVisit) -> bool:
    assert visit.past is not None
    started = visit.past.first(ForeachStarted)
    before, now = ({**each.config, "items": None, "max_concurrency": None} for each in nodes(visit))
    return isinstance(started, ForeachStarted) and started.items == visit.input["items"] and before == now


def nodes(visit: OpenVisit) -> tuple[Node, Node]:
    """As it was, and as it is."""
    assert visit.before is not None
    return visit.before, visit.node


def _are_equal(visit: OpenVisit, *fields: str) -> bool:
    before, now = nodes(visit)
    return all(before.config.get(name) == now.config.get(name) for name in fields)


def about(waits: tuple[Wait, ...], kind: str) -> list[str]:
    return [wait.about for wait in waits if wait.kind == kind]


def is_simulated(visit: OpenVisit) -> bool:
    """Whether it waits for a moment of which the record says nothing: by the clock, then."""
    if visit.node.type != "wait":
        return False
    return visit.past is None or visit.before is None or visit.before.config != visit.node.config or _is_due_otherwise(visit)


def _is_due_otherwise(visit: OpenVisit) -> bool:
    """An expression may have come to another moment."""
    assert visit.past is not None
    then = [wait.due for wait in visit.past.started.waits if wait.kind == "timer" and wait.about != TIMEOUT]
    return visit.waits_until is not None and then != [visit.waits_until]


def is_told_by_record(visit: OpenVisit) -> bool:
    """Whether what comes to it is on record, so that nothing else needs to be told to it."""
    return visit.past is not None and visit.past.waited and visit.why is None


# What comes to a visit ----------------------------------------------------------------------------------------------------


def next_outcome(play: "Play", visit: OpenVisit) -> Next | None:
    found = coming_to(visit)
    if found is None:
        return None
    at, now = found.recorded_at + visit.shift, found.occurred_at + visit.shift
    return Next(at, found.position, now, lambda: play.move(lambda run: bring_recorded(play, run, visit, found)))


def coming_to(visit: OpenVisit) -> RecordedEvent | None:
    """What comes to it next, by the record."""
    past = visit.past
    assert past is not None
    for record in islice(past.happenings, visit.told, None):
        if isinstance(record.event, ActivationWaiting):
            continue
        is_time = is_timeout(record.event)
        if isinstance(record.event, ActivationCancelled) or (is_time and not visit.times_are_equal):
            return None
        return None if is_simulated(visit) and not is_time else record
    return None


def bring_recorded(play: "Play", run: Run, visit: OpenVisit, record: RecordedEvent) -> None:
    assert visit.past is not None
    visit.told = visit.past.happenings.index(record) + 1
    why = unanswered(visit, record.event)
    if why is not None:
        play.give_up(visit, why)
    else:
        _bring(play, run, visit, record.event)


def is_timeout(event: Event) -> bool:
    """Whether the visit's own time was up: what a worker reports, or a child comes to, may be of that type as well."""
    if not isinstance(event, ActivationFailed) or event.error.type != TIMEOUT:
        return False
    return event.handle == TIMEOUT or (event.handle is None and event.error.message == timed_out(event.node_id))


def unanswered(visit: OpenVisit, event: Event) -> str | None:
    """Why what came then says nothing of what would come."""
    if visit.before is None or is_timeout(event):
        return None
    changed = not _are_equal(visit, *MEANT_BY.get(visit.node.type, ()))
    match visit.node.type, event:
        case _, ActivationFailed(handle=None, error=error) if error.type in NO_WAY_OUT and not visit.leaves_alike:
            return "No way led on from it, so that its outcome is not on record."
        case "http", ActivationCompleted() if changed and not _has_answer(visit):
            return "It reads the answer otherwise, and the answer itself is not on record."
        case "http", ActivationFailed(error=error) | ActivationRetried(error=error) if changed and error.type.startswith("http_"):
            return "It reads the answer otherwise, and the answer itself is not on record."
        case _, ActivationFailed(error=error) if changed and error.type in (
            "invalid_output",
            "invalid_value",
            "expression_error",
        ):
            return "It takes other outputs, and the one that it did not take is not on record."
        case "ai_agent", ActivationCompleted(output=output) if changed and _does_not_fit(visit.node, output):
            return "The output does not fit its output schema, and what the model would have said to that is not on record."
        case _:
            return None


def _has_answer(visit: OpenVisit) -> bool:
    """Whether the answer of a service is on record as it came."""
    return visit.before is not None and "output" not in visit.before.config and _are_equal(visit, "response_as")


def _does_not_fit(node: Node, output: Json) -> bool:
    schema = node.config.get("output_schema")
    return schema is not None and bool(faults(schema, output))


def _bring(play: "Play", run: Run, visit: OpenVisit, event: Event) -> None:
    match event:
        case ActivationCompleted():
            _completed(play, run, visit, event)
        case ActivationFailed(error=error) if is_timeout(event):
            run.time_out(visit.id, error.attempts)
        case ActivationFailed():
            _failed(play, run, visit, event)
        case ActivationRetried(error=error, delay_ms=delay) if _retries_alike(visit):
            run.retry(visit.id, Failure(error.type, error.message), timedelta(milliseconds=delay))
        case ActivationRetried(error=error):
            run.wake(visit.id, JobFailed(waited_for(run, visit, "job").id, Failure(error.type, error.message), EVEN))
        case _:
            raise AssertionError(f"{type(event).__name__} comes to no visit from outside")


def _completed(play: "Play", run: Run, visit: OpenVisit, event: ActivationCompleted) -> None:
    assert event.handle is not None
    changed = visit.before is not None and not _are_equal(visit, *MEANT_BY.get(visit.node.type, ()))
    match visit.node.type:
        case "task" if changed:
            run.wake(visit.id, JobDone(waited_for(run, visit, "job").id, event.output))
        case "http" if changed:
            exchange = {"response": event.output, "retry_after": None, "jitter": EVEN}
            woken = run.wake(visit.id, JobDone(waited_for(run, visit, "job").id, exchange))
            if isinstance(woken, Again):
                play.give_up(visit, ANOTHER_ATTEMPT)
        case "wait_event" if not _are_equal(visit, "when"):
            if isinstance(run.wake(visit.id, MessageArrived(waited_for(run, visit, "event").id, event.output)), Passed):
                play.give_up(visit, "The event that it took is not one that it takes; whether another came is not looked for.")
        case "approval":
            outcomes = all_outcomes(visit.node.config)
            chosen: Mapping[str, Any] = next((each for each in outcomes if each["name"] == event.handle), {})
            run.complete(visit.id, event.handle, event.output, tuple(chosen.get("interrupts", ())))
        case _:
            run.complete(visit.id, event.handle, event.output)


ANOTHER_ATTEMPT = "Another attempt follows, of which nothing is on record."


def _failed(play: "Play", run: Run, visit: OpenVisit, event: ActivationFailed) -> None:
    error = event.error
    tried_otherwise = visit.node.type in ("task", "http") and not _retries_alike(visit)
    if event.handle is None and visit.leaves_alike and (error.type in NO_WAY_OUT or not tried_otherwise):
        run.fail(visit.id, error, "")  # a handle that no edge leaves by: it was not handled
    elif tried_otherwise:
        job, failure = waited_for(run, visit, "job").id, _failure(visit, error)
        if isinstance(run.wake(visit.id, JobFailed(job, failure, EVEN)), Again):
            play.give_up(visit, ANOTHER_ATTEMPT)
    else:
        run.fail(visit.id, error)


def _failure(visit: OpenVisit, error: NodeError) -> Failure:
    """Where attempts were left, it was final: by the worker's word, or by the policy's."""
    policy = (visit.before.retry if visit.before is not None else None) or RetryPolicy()
    retryable = error.attempts >= policy.max_attempts or error.type in policy.non_retryable
    return Failure(error.type, error.message, retryable)


def _retries_alike(visit: OpenVisit) -> bool:
    return visit.before is None or visit.before.retry == visit.node.retry


def waited_for(run: Run, visit: OpenVisit, kind: str) -> Wait:
    return next(wait for wait in run.state.activations[visit.id].waits if wait.kind == kind)


def bring(run: Run, visit: OpenVisit, wanted: Json) -> None:
    """What is assumed of a visit of which nothing is on record."""
    if "error" in wanted:
        error = wanted["error"]
        run.fail(visit.id, NodeError(error["type"], error.get("message", "It is assumed to fail.")))
    elif "outcome" in wanted:
        outcomes = all_outcomes(visit.node.config)
        chosen: Mapping[str, Any] = next((each for each in outcomes if each["name"] == wanted["outcome"]), {})
        nobody = dict.fromkeys(("user_id", "role", "comment", "reason"))
        output = {"outcome": wanted["outcome"], "kind": chosen.get("kind"), "form": wanted.get("form"), **nobody}
        run.complete(visit.id, wanted["outcome"], output, tuple(chosen.get("interrupts", ())))
    else:
        run.complete(visit.id, "success", wanted.get("output"))

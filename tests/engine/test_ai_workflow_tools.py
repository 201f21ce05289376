"""Workflows as tools of AI tasks: the child's beginning, its end, and what ends with the task."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.ai_task import AiTaskToolCallFailed, AiTaskToolCallStarted, AiTaskToolCallSucceeded
from domain.execution import EXECUTION, ExecutionStarted
from domain.facts import Claim, Fact, Json
from domain.retry import Failure
from domain.workflow import WORKFLOW_KEY, WorkflowDrafted, WorkflowPublished
from engine.ai_task_commands import cancel_ai_task
from engine.engine import cancel, pause, terminate
from tests.engine.agents import Agency, tool
from tests.engine.drawing import ANN, EXECUTION_ID, ask, drawing

SEVEN = {"amount": 7, "to": "Ann"}
CHILD_ID = UUID(int=0xFC)


def asking(*nodes: Any, **more: Json) -> Agency:
    """Its tool is the workflow `payout`, which asks people where it has a node."""
    place = Agency.asked(tool("pay", "workflow", **{"workflow_key": "payout", **more}))
    ways = ("start > ask", "ask.approved > end", "ask.rejected > no") if nodes else ("start > end",)
    end, no = ("end", {"output": "={'paid': input.amount}"}), ("fail", {"code": "refused", "message": "No."})
    asked = {"ask": nodes[0], "no": no} if nodes else {}
    definition = drawing({"start": "start", **asked, "end": end}, *ways, key="payout")
    facts = [Fact(CHILD_ID, WorkflowDrafted("payout", "Payout", definition)), Fact(CHILD_ID, WorkflowPublished(1, definition))]
    claims = (*place.view.claims, Claim(WORKFLOW_KEY, "payout", CHILD_ID))
    place.story = replace(place.story, view=replace(place.view, facts=(*facts, *place.view.facts), claims=claims))
    place.called(("pay", SEVEN))
    return place.starts(place.task.calls[0].id)


def child(place: Agency) -> UUID:
    (found,) = place.task.children
    return found


def test_a_workflow_tool_starts_a_child_and_the_task_waits_for_its_end_without_a_job() -> None:
    place = asking(ask())
    call, child_id = place.task.calls[0], child(place)
    assert place.told == [AiTaskToolCallStarted(call.id, "pay", 1, SEVEN, str(call.id), "w", child_id=child_id)]
    assert (place.task.status, place.job) == ("waiting", None)
    started = place.view.read(EXECUTION, child_id).started
    assert isinstance(started, ExecutionStarted)
    assert (started.parent_execution_id, started.parent_task_id, started.parent_activation_id) == (EXECUTION_ID, place.id, None)
    assert (started.trigger_type, started.depth, started.created_by, started.input) == ("child", 1, ANN, SEVEN)
    assert started.trigger_data["call_id"] == str(call.id)


def test_a_childs_end_is_told_in_the_same_append_and_the_task_goes_on() -> None:
    place = asking(ask())
    call, child_id = place.task.calls[0], child(place)
    (wait,) = [wait for each in place.view.read(EXECUTION, child_id).in_order for wait in each.waits]
    place.decide(wait.id, "approved")
    assert place.told == [AiTaskToolCallSucceeded(call.id, "pay", 1, {"paid": 7})]
    assert place.job is not None
    assert place.said.endswith('{"paid": 7}')


def test_a_child_that_fails_is_a_call_that_failed() -> None:
    place = asking(ask())
    call, child_id = place.task.calls[0], child(place)
    (wait,) = [wait for each in place.view.read(EXECUTION, child_id).in_order for wait in each.waits]
    place.decide(wait.id, "rejected")
    assert place.told == [AiTaskToolCallFailed(call.id, "pay", 1, Failure("refused", "No.", retryable=False))]
    assert place.job is not None


def test_a_child_that_is_over_at_once_lets_whoever_started_it_go_on() -> None:
    place = asking()
    call = place.task.calls[0]
    assert [type(event) for event in place.told] == [AiTaskToolCallStarted, AiTaskToolCallSucceeded]
    assert place.call(call.id).result == {"paid": 7}
    (fence,) = place.story.decided.fences
    assert fence.then == "keep"
    assert place.story.decided.jobs == ()


@pytest.mark.parametrize(
    ("more", "type"),
    [({"workflow_key": "nothing"}, "unknown_workflow"), ({"version": 7}, "unknown_version"), ({"input": 3}, "invalid_value")],
)
def test_a_child_that_cannot_begin_is_a_call_that_failed(more: Json, type: str) -> None:
    place = asking(ask(), **more)
    failed = place.told[-1]
    assert isinstance(failed, AiTaskToolCallFailed)
    assert failed.error.type == type
    assert place.job is not None, "whoever holds it goes on"


def test_the_input_of_the_child_may_be_made_of_the_arguments() -> None:
    place = asking(ask(), input={"amount": "=arguments.amount + 1", "claim": "=input"})
    started = place.view.read(EXECUTION, child(place)).started
    assert started is not None
    assert started.input["amount"] == 8


@pytest.mark.parametrize("how", ["cancelled", "terminated", "task cancelled"])
def test_what_ends_the_task_cancels_the_child(how: str) -> None:
    place = asking(ask())
    child_id = child(place)
    match how:
        case "cancelled":
            place.step(lambda view: cancel(view, place.engine, EXECUTION_ID))
        case "terminated":
            place.step(lambda view: terminate(view, place.engine, EXECUTION_ID))
        case _:
            place.step(lambda view: cancel_ai_task(view, place.engine, place.id))
    assert place.view.read(EXECUTION, child_id).status == "cancelled"
    assert place.task.status == "cancelled"
    assert place.task.calls[0].status == "failed", "its end is on record"
    assert place.story.jobs == {}


def test_a_job_that_is_given_during_a_pause_is_held() -> None:
    place = asking(ask())
    child_id = child(place)
    (wait,) = [wait for each in place.view.read(EXECUTION, child_id).in_order for wait in each.waits]
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    place.decide(wait.id, "approved")
    assert place.job is not None
    assert place.job.held

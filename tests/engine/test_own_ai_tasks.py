"""AI tasks that no execution asks for: what is checked, who asks, how they end, and whom that takes along."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from domain.ai_task import AiTaskCompleted, AiTaskFailed
from domain.approval import APPROVAL
from domain.facts import Claim, Fact, Json, Timer
from domain.role import ROLE_KEY, RoleCreated
from engine.ai_task_commands import AiTaskWaits, cancel_ai_task, waiting_attempt
from engine.own_ai_tasks import Wanted, request
from engine.timers import fire
from tests.engine.agents import Agency, tool
from tests.engine.drawing import ANN, drawing
from tests.engine.working import found

ROBOT = UUID(int=0xB0)
ASK = {"ask": True, "by": {"roles": ["approver"]}, "exclude": ["requester"]}
SEVEN = {"amount": 7, "to": "Ann"}
APPROVER = UUID(int=0xAA)


def nobody_asked() -> Agency:
    place = Agency(drawing({"start": "start", "end": "end"}, "start > end"))
    facts = (Fact(APPROVER, RoleCreated("approver", "Approver", ("approvals:decide",), None, is_system=True)), *place.view.facts)
    claims = (*place.view.claims, Claim(ROLE_KEY, "approver", APPROVER))
    place.story = replace(place.story, view=replace(place.view, facts=facts, claims=claims))
    return place


def wanted(config: Json, **more: Json) -> Wanted:
    return Wanted({"model": "offline/echo", "prompt": "Say it", **config}, **more)


def asking(place: Agency, asks: Wanted) -> Agency:
    place.step(lambda view: request(view, place.engine, asks, by=ANN, behind=(ROBOT,)))
    return place


def alone(**config: Json) -> Agency:
    """By Ann's robot, on her behalf."""
    return asking(nobody_asked(), wanted(config))


def test_it_has_a_job_and_a_timer_of_its_own() -> None:
    place = alone(bounds={"time": "PT1H"}, input={"a": 1})
    requested, job = place.task.requested, place.job
    assert requested is not None
    assert (requested.execution_id, requested.activation_id, requested.task_name) == (None, None, "AI task")
    assert (requested.requested_by, requested.requesters, requested.input) == (ANN, (ANN, ROBOT), {"a": 1})
    assert job is not None
    assert (job.id, job.task_id, job.type, job.execution_id) == (place.id, place.id, "gesta.ai", None)
    (timer,) = place.story.timers.values()
    assert (timer.owner, timer.owner_id, timer.due.after) == ("ai_task", place.id, timedelta(hours=1))
    assert place.story.result == {"id": str(place.id), "status": "pending", "version": 1}


def test_what_is_wrong_with_it_is_named() -> None:
    for config, path in (
        ({"prompt": "=input.x"}, "/prompt"),
        ({"temperature": 1, "temprature": 2}, "/temprature"),
        ({"tools": [tool(policy={"ask": True})]}, "/tools/0/policy"),
        ({"tools": [tool(policy={**ASK, "by": {"roles": ["=nodes.x.output"]}})]}, "/tools/0/policy/by/roles/0"),
        ({"tools": [tool(policy={**ASK, "by": {"roles": ["nobody"]}})]}, "/tools/0/policy/by/roles/0"),
        ({"tools": [tool(policy={"deny": "arguments.nothing > 1"})]}, "/tools/0/policy/deny"),
        ({"review": {"when": "always"}}, "/review"),
        ({"on_budget": "ask"}, "/budget_by"),
    ):
        asking(nobody_asked(), wanted(config)).refused("invalid", path)
    asking(nobody_asked(), wanted({}, retry={"max_attempts": 0})).refused("invalid", "/retry/max_attempts")


def test_it_is_completed_by_its_last_answer_and_nothing_is_left() -> None:
    place = alone(bounds={"time": "PT1H"}).concluded("Dear Ann")
    assert isinstance(place.told[-1], AiTaskCompleted)
    assert (place.story.jobs, place.story.timers) == ({}, {})


def test_people_are_asked_as_by_an_agent_of_a_workflow_and_whoever_asked_is_kept_apart() -> None:
    place = alone(tools=[tool(policy={**ASK, "by": {"roles": ["=arguments.amount > 5 ? 'approver' : 'nobody'"]}})])
    place.called(("refund", SEVEN))
    assert (place.task.status, place.job, place.request().execution_id) == ("waiting", None, None)
    with pytest.raises(AiTaskWaits):
        waiting_attempt(place.view, place.id)
    for one in (ANN, ROBOT):
        place.decides("approved", by=one).refused("excluded")
    place.decides("approved", form={"amount": 5})
    assert place.story.result["execution"] is None
    assert place.job is not None
    assert place.job.id == place.id
    place.runs(place.task.calls[0].id, "paid").concluded("Done")
    assert place.task.output == "Done"


@pytest.mark.parametrize("how", ["cancelled", "out of time"])
def test_its_end_ends_what_it_waits_for(how: str) -> None:
    place = alone(tools=[tool(policy={**ASK, "timeout": "P1D"})], bounds={"time": "PT1H"}).called(("refund", SEVEN))
    request_id = place.requests[0]
    if how == "cancelled":
        place.step(lambda view: cancel_ai_task(view, place.engine, place.id, "Too late"))
        assert place.story.result["execution"] is None
        assert place.task.status == "cancelled"
    else:
        (timer,) = [each for each in place.story.timers.values() if each.owner_id == place.id]
        place.step(lambda view: fire(view, place.engine, found(timer)))
        assert isinstance(place.told[-1], AiTaskFailed)
        assert place.told[-1].error.type == "time_limit"
    assert place.view.read(APPROVAL, request_id).status == "cancelled"
    assert (place.story.jobs, place.story.timers) == ({}, {})


@pytest.mark.parametrize("how", ["cancelled", "out of time"])
@pytest.mark.parametrize("reports", [True, False])
def test_its_job_stays_while_a_call_is_under_way_and_goes_with_it_or_its_lease(how: str, reports: bool) -> None:
    place = alone(bounds={"time": "PT1H"})
    job = place.held_by(place.id)
    attempt_id = place.attempt_by(job)
    if how == "cancelled":
        place.step(lambda view: cancel_ai_task(view, place.engine, place.id))
    else:
        (timer,) = place.story.timers.values()
        place.step(lambda view: fire(view, place.engine, found(timer)))
    assert list(place.story.jobs) == [place.id]
    if reports:
        place.report(job, attempt_id, "late")
    else:
        place.lapse_held(job)
    assert (place.story.jobs, place.task.attempt_id) == ({}, None)


def test_a_node_whose_task_takes_too_long_fails_with_that() -> None:
    place = Agency.asked(tool(policy={**ASK, "ask": True}), bounds={"time": "PT1H"}).called(("refund", SEVEN))
    request_id = place.requests[0]
    place.fire("ai", "time_limit")
    assert place.came_to["type"] == "time_limit"
    assert (place.task.status, place.view.read(APPROVAL, request_id).status) == ("failed", "cancelled")
    assert (place.story.jobs, place.story.timers) == ({}, {})


def test_one_that_another_agent_does_has_no_job() -> None:
    place = asking(nobody_asked(), replace(wanted({}), external=True))
    assert place.story.jobs == {}
    assert not any(isinstance(each, Timer) for each in place.story.timers.values())

"""Where AI tasks and people meet: calls that are asked for, edited and denied, outputs that are reviewed; what ends with what."""

from uuid import UUID

import pytest

from domain.ai_task import (
    AiTaskAnswered,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskToolCallDenied,
    Totals,
)
from domain.approval import APPROVAL
from domain.approval.overriding import Overrider
from domain.facts import Json
from domain.job import FENCES_OF_A_ROUND
from domain.retry import Failure
from engine.ai_questions import ask_about_budget, ask_about_repetition, elicit
from engine.ai_task_commands import cancel_ai_task
from engine.approvals import override_approval, recall_approval, resubmit_approval, withdraw_approval
from engine.eligible import requesters_of
from engine.engine import cancel, pause, resume, terminate
from tests.engine.agents import REFUND, Agency, tool
from tests.engine.drawing import ANN, BEN, EXECUTION_ID

ASK = {"ask": "true", "by": {"roles": ["approver"]}, "exclude": ["requester"], "timeout": "P1D"}
SEVEN, OTHER = {"amount": 7, "to": "Ann"}, {"amount": 1, "to": "Ben"}


def asked(arguments: Json = None, **config: Json) -> Agency:
    return Agency.asked(tool(policy=ASK), **config).called(("refund", arguments or SEVEN))


def test_a_tool_that_asks_opens_an_approval_request_and_the_task_waits_without_a_job() -> None:
    place = asked()
    request = place.request()
    assert (place.task.status, place.job) == ("waiting", None)
    assert (request.execution_id, request.node_id, request.activation_id) == (EXECUTION_ID, "ai", None)
    assert (request.ai_task_id, request.requested_by, request.editable) == (place.id, ANN, ())
    assert request.content.title == "Support: may refund be called?"
    assert request.content.context["arguments"] == SEVEN
    (step,) = request.steps
    assert {outcome.name: outcome.roles for outcome in step.outcomes} == {"approved": ("approver",), "rejected": ("approver",)}
    assert step.form["properties"]["amount"] == {"type": "integer", "maximum": 100, "default": 7}


def test_a_call_that_is_approved_as_it_is_goes_on_with_a_job_of_greater_fences() -> None:
    place = asked()
    call, request_id = place.task.calls[0], place.requests[0]
    place.decides("approved")
    assert place.told == [AiTaskAnswered(request_id, "tool", "approved", call.id, BEN)]
    assert place.job is not None
    assert place.job.id == place.visit("ai").id, "the job of the visit, once more"
    assert place.job.fence == FENCES_OF_A_ROUND
    assert place.story.result["execution"]["id"] == str(EXECUTION_ID)
    assert (place.call(call.id).status, place.call(call.id).arguments) == ("ready", SEVEN)
    assert place.story.timers == {}, "its time is no longer limited"


def test_edited_arguments_are_those_that_the_tool_gets_and_the_model_is_told_so() -> None:
    place = asked()
    call, request_id = place.task.calls[0], place.requests[0]
    place.decides("approved", form={"amount": 5}, comment="Five is enough.")
    edited = {"amount": 5, "to": "Ann"}
    assert place.told == [AiTaskAnswered(request_id, "tool", "edited", call.id, BEN, "Five is enough.", edited)]
    place.runs(call.id, {"paid": 5})
    assert place.call(call.id).arguments == edited
    assert place.said.startswith('A person replaced the arguments of this call by {"amount": 5, "to": "Ann"}.')


def test_arguments_that_do_not_fit_the_tool_are_refused_to_whoever_edits_them() -> None:
    place = asked()
    place.decides("approved", form={"amount": 500}).refused("invalid_form", "/form/amount")
    place.decides("approved", form={"amount": 5, "iban": "x"}).refused("invalid_form", "/form/iban")


def test_what_is_denied_is_fed_back_to_the_model() -> None:
    place = asked()
    call, request_id = place.task.calls[0], place.requests[0]
    place.decides("rejected", comment="He was paid already.")
    assert place.told == [
        AiTaskAnswered(request_id, "tool", "rejected", call.id, BEN, "He was paid already."),
        AiTaskToolCallDenied(call.id, "refund", "rejected", "He was paid already.", BEN, request_id),
    ]
    assert place.job is not None
    assert place.said == "He was paid already."


def test_a_request_whose_time_is_up_denies() -> None:
    place = asked()
    call, request_id = place.task.calls[0], place.requests[0]
    place.run_out()
    assert place.told == [
        AiTaskAnswered(request_id, "tool", "expired", call.id),
        AiTaskToolCallDenied(call.id, "refund", "expired", "Nobody allowed this call in time.", None, request_id),
    ]
    assert place.job is not None
    assert place.view.read(APPROVAL, request_id).status == "expired"


def test_a_request_that_its_requester_withdraws_denies() -> None:
    place = asked()
    request_id = place.requests[0]
    place.step(lambda view: withdraw_approval(view, place.engine, request_id, frozenset({ANN}), "Never mind"))
    (_, denied) = place.told
    assert isinstance(denied, AiTaskToolCallDenied)
    assert denied.reason == "cancelled"


def test_the_requester_neither_allows_nor_edits_nor_overrides_and_changes_nothing_that_is_asked() -> None:
    place = Agency.asked(tool(policy=ASK)).with_fields(requesters=(ANN, UUID(int=0xC3))).called(("refund", SEVEN))
    request_id = place.requests[0]
    for one in (ANN, UUID(int=0xC3)):
        place.decides("approved", by=one).refused("excluded")
        place.decides("approved", by=one, form={"amount": 1}).refused("excluded")
    assert set(requesters_of(place.view, place.request())) == {ANN, UUID(int=0xC3)}
    who = Overrider(ANN, may_own=False)
    place.step(
        lambda view: override_approval(view, place.engine, request_id, who, outcome="approved", reason="Now", form=OTHER)
    ).refused("own_request")
    place.step(lambda view: recall_approval(view, place.engine, request_id, frozenset({ANN}), ANN))
    place.step(lambda view: resubmit_approval(view, place.engine, request_id, frozenset({ANN}), ANN, context={})).refused(
        "not_editable"
    )
    place.step(lambda view: resubmit_approval(view, place.engine, request_id, frozenset({ANN}), ANN))
    place.decides("approved")
    assert place.call(place.task.calls[0].id).status == "ready"


def test_an_override_reaches_the_task() -> None:
    place = asked()
    request_id, who = place.requests[0], Overrider(BEN)
    place.step(lambda view: override_approval(view, place.engine, request_id, who, outcome="approved", reason="Now", form=OTHER))
    assert place.call(place.task.calls[0].id).arguments == OTHER


def test_a_call_that_waits_for_people_does_not_hold_up_the_others_and_one_job_is_given() -> None:
    place = Agency.asked(tool(policy=ASK), tool("look")).called(("refund", SEVEN), ("refund", {"amount": 8, "to": "Ben"}))
    first, second = place.task.calls
    place.decides("approved", 0)
    assert place.job is not None
    place.decides("rejected", 0)
    assert [each.status for each in place.task.calls] == ["ready", "denied"]
    assert (first.id, second.id) == tuple(each.id for each in place.task.calls)


def test_nobody_to_ask_is_a_denial() -> None:
    nobody = {**ASK, "by": {"expr": "arguments.nobody"}}
    place = Agency.asked(tool(policy=nobody)).called(("refund", SEVEN))
    (_, denied) = place.told
    assert isinstance(denied, AiTaskToolCallDenied)
    assert denied.reason == "policy"
    assert place.job is not None


def test_whom_it_asks_may_depend_on_the_arguments() -> None:
    by = {"roles": ["=arguments.amount > 50 ? 'owner' : 'approver'"]}
    place = Agency.asked(tool(policy={**ASK, "by": by})).called(("refund", {"amount": 60, "to": "Ann"}))
    assert place.request().outcomes[0].roles == ("owner",)


def test_what_the_policy_denies_nobody_allows_also_of_arguments_that_a_person_wrote() -> None:
    place = Agency.asked(tool(policy={**ASK, "deny": "arguments.to == 'Ben'"})).called(("refund", SEVEN))
    place.decides("approved", form={"to": "Ben"})
    (answered, denied) = place.told
    assert isinstance(denied, AiTaskToolCallDenied)
    assert (denied.reason, denied.by) == ("policy", BEN)
    assert isinstance(answered, AiTaskAnswered)
    assert answered.outcome == "rejected"


def test_steps_of_its_task_are_held_by_a_pause() -> None:
    place = asked()
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    place.decides("approved").refused("execution_paused")
    place.run_out()
    assert place.told == [], "a timer that was found before the pause"
    place.step(lambda view: resume(view, place.engine, EXECUTION_ID))
    place.decides("approved")


@pytest.mark.parametrize("how", ["cancelled", "terminated", "timed out", "task cancelled", "failed beside"])
def test_what_ends_the_task_ends_what_people_are_asked(how: str) -> None:
    place = asked(limited=True)
    request_id, deadline = place.requests[0], [each for each in place.story.timers.values() if each.activation_id]
    match how:
        case "cancelled":
            place.step(lambda view: cancel(view, place.engine, EXECUTION_ID))
        case "terminated":
            place.step(lambda view: terminate(view, place.engine, EXECUTION_ID))
        case "timed out":
            assert deadline
            place.expire("ai")
        case _:
            place.step(lambda view: cancel_ai_task(view, place.engine, place.id))
    assert place.view.read(APPROVAL, request_id).status == "cancelled"
    assert place.task.status == "cancelled"
    assert place.job is None
    assert place.story.timers == {}
    assert not place.state.live


# Review -----------------------------------------------------------------------------------------------------------------

REVIEW = {"when": "always", "by": {"roles": ["approver"]}, "exclude": ["requester"], "timeout": "P1D"}
SCHEMA = {"type": "object", "properties": {"kind": {"enum": ["meal", "hotel"]}, "sure": {"type": "number"}}, "required": ["kind"]}


def reviewed(output: Json, when: Json = "always", **review: Json) -> Agency:
    return Agency.asked(review={**REVIEW, "when": when, **review}, output_schema=SCHEMA).concluded(output)


def test_an_output_that_is_approved_completes_the_task_and_the_execution() -> None:
    place = reviewed({"kind": "meal"})
    assert place.task.status == "waiting"
    place.decides("approved")
    assert place.told[1:] == [AiTaskCompleted({"kind": "meal"}, Totals(1, unpriced=1))]
    assert place.came_to == {"kind": "meal"}


def test_an_edited_output_counts_and_what_the_model_said_stays_beside_it() -> None:
    place = reviewed({"kind": "meal", "sure": 0.4})
    place.decides("approved", form={"kind": "taxi"}).refused("invalid_form", "/form/kind")
    place.decides("approved", form={"kind": "hotel"})
    answered, completed = place.told
    assert isinstance(answered, AiTaskAnswered)
    assert (answered.outcome, answered.edited) == ("edited", {"kind": "hotel", "sure": 0.4})
    assert isinstance(completed, AiTaskCompleted)
    assert completed.output == {"kind": "hotel", "sure": 0.4}
    assert place.task.turns[-1].output == {"kind": "meal", "sure": 0.4}


IBAN = {"type": "regex", "pattern": "AT[0-9]+", "action": "redact"}


def test_what_guards_of_an_output_look_for_is_taken_out_of_what_a_person_makes_of_it() -> None:
    place = Agency.asked(review=REVIEW, guards={"output": [IBAN]}).concluded("Dear Ann")
    place.decides("approved", form={"output": "Pay to AT12"})
    answered = place.told[0]
    assert isinstance(answered, AiTaskAnswered)
    assert (answered.outcome, answered.edited, place.came_to) == ("edited", "Pay to [redacted]", "Pay to [redacted]")


def test_an_edited_output_that_a_guard_blocks_is_a_rejection_of_which_the_model_is_told() -> None:
    guards = {"output": [{**IBAN, "action": "block", "message": "No accounts."}]}
    place = Agency.asked(review={**REVIEW, "rejections": 1}, guards=guards).concluded("Dear Ann")
    place.decides("approved", form={"output": "Pay to AT12"}, comment="Better.")
    (answered,) = place.told
    assert isinstance(answered, AiTaskAnswered)
    assert (answered.outcome, answered.edited, place.said) == ("rejected", None, "No accounts.")
    place.concluded("Dear Ann").decides("approved", form={"output": "Pay to AT12"})
    assert place.came_to["message"] == "The output was rejected: No accounts."


def test_an_output_that_fits_no_more_without_what_is_taken_out_is_a_rejection() -> None:
    schema = {"type": "object", "properties": {"to": {"type": "string", "maxLength": 4}}}
    place = Agency.asked(review=REVIEW, guards={"output": [IBAN]}, output_schema=schema).concluded({"to": "Ann"})
    place.decides("approved", form={"to": "AT12"})
    assert isinstance(place.told[0], AiTaskAnswered)
    assert (place.told[0].outcome, place.told[0].edited) == ("rejected", None)


def test_what_guards_of_arguments_look_for_is_taken_out_of_those_that_a_person_wrote() -> None:
    place = Agency.asked(tool(policy=ASK), guards={"tool_arguments": [IBAN]}).called(("refund", SEVEN))
    place.decides("approved", form={"to": "AT12"})
    (answered,) = place.told
    assert isinstance(answered, AiTaskAnswered)
    edited = {"amount": 7, "to": "[redacted]"}
    assert (answered.outcome, answered.edited, place.task.calls[0].arguments) == ("edited", edited, edited)


def test_a_policy_counts_the_calls_of_the_same_answer() -> None:
    place = Agency.asked(tool(policy={"deny": "spent.tool_calls >= 2"}))
    place.called(*(("refund", {"amount": number, "to": "Ann"}) for number in range(4)))
    assert [each.status for each in place.task.calls] == ["ready", "ready", "denied", "denied"]


def test_a_policy_counts_the_calls_that_wait_before_one_that_a_person_edits() -> None:
    place = Agency.asked(tool(policy={**ASK, "deny": "spent.tool_calls >= 1 && arguments.amount > 5"}))
    place.called(("refund", {"amount": 9, "to": "Ann"}), ("refund", {"amount": 1, "to": "Ann"}))
    place.decides("approved", 1, form={"amount": 9})
    assert [each.status for each in place.task.calls] == ["asked", "denied"]


def test_a_text_is_edited_as_the_field_of_a_form() -> None:
    place = Agency.asked(review=REVIEW).concluded("Dear Ann")
    place.decides("approved", form={"output": "Dear Ben"})
    assert place.came_to == "Dear Ben"


def test_a_rejected_output_is_tried_again_as_often_as_that_may_be() -> None:
    place = reviewed({"kind": "meal"}, rejections=1)
    place.decides("rejected", comment="It is a hotel.")
    assert place.job is not None
    assert place.said == "It is a hotel."
    place.concluded({"kind": "meal"}).decides("rejected", comment="Still not.")
    assert isinstance(place.told[-1], AiTaskFailed)
    assert place.told[-1].error.type == "review_rejected"
    assert place.came_to["type"] == "review_rejected"


def test_a_review_that_nobody_makes_in_time_fails_the_task() -> None:
    place = reviewed({"kind": "meal"}).run_out()
    failed = place.told[-1]
    assert isinstance(failed, AiTaskFailed)
    assert failed.error == Failure("review_expired", "Nobody reviewed the output in time.", retryable=False)
    assert place.came_to["type"] == "review_expired"


def test_an_output_is_reviewed_where_an_expression_says_so_or_fails() -> None:
    when = "=output.sure < 0.5"
    assert reviewed({"kind": "meal", "sure": 0.4}, when).task.status == "waiting"
    assert reviewed({"kind": "meal", "sure": 0.9}, when).task.status == "completed", "it counts as it is"
    assert reviewed({"kind": "meal"}, when).task.status == "waiting", "an expression that fails says nothing for it"


# Budgets, repetition, and what a tool asks for ---------------------------------------------------------------------------


def test_a_budget_that_is_used_up_is_gone_beyond_where_somebody_allows_it() -> None:
    budget = UUID(int=0xB)
    place = Agency.asked(on_budget="ask", budget_by={"by": {"roles": ["approver"]}})
    place.asks(ask_about_budget, budget, "Support, a month")
    assert (place.task.status, place.job) == ("waiting", None)
    place.decides("approved")
    assert place.task.beyond == (budget,)
    assert place.job is not None
    place = Agency.asked(on_budget="ask", budget_by={"by": {"roles": ["approver"]}})
    place.asks(ask_about_budget, budget, "Support, a month")
    place.decides("rejected")
    assert isinstance(place.told[-1], AiTaskFailed)
    assert place.told[-1].error.type == "budget_exceeded"


def test_repetition_that_a_person_allows_begins_to_count_anew() -> None:
    place = Agency.asked(tool()).called(("refund", SEVEN))
    place.asks(ask_about_repetition, place.task.calls[0].asked, {"by": {"roles": ["approver"]}})
    place.decides("approved")
    assert place.task.seen == {}
    assert place.task.calls[0].status == "ready"


def test_a_tool_that_asks_for_a_form_is_called_again_with_what_it_says() -> None:
    form = {"type": "object", "properties": {"iban": {"type": "string"}}, "required": ["iban"]}
    place = Agency.asked(tool()).called(("refund", SEVEN))
    place.starts(place.task.calls[0].id).asks(elicit, place.task.calls[0].asked, "Which account?", form)
    place.decides("approved").refused("invalid_form")
    place.decides("approved", form={"iban": "AT12"})
    assert [each["form"] for each in place.task.calls[0].elicited] == [{"iban": "AT12"}]
    assert place.task.calls[0].arguments == SEVEN
    assert REFUND["properties"]["amount"]["maximum"] == 100, "the definition is as it was"

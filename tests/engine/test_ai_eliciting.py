"""A tool that asks for what a form takes: who is asked, how often, and what becomes of a refusal."""

from domain.facts import Json
from domain.retry import Failure
from engine.ai_eliciting import MOST_QUESTIONS, elicit_call
from engine.ai_tasks import fail_call
from tests.engine.agents import Agency, tool
from tests.engine.working import Workplace

FORM = {"type": "object", "properties": {"iban": {"type": "string"}}, "required": ["iban"]}
ASKED = {"by": {"roles": ["approver"]}}


def calling(policy: Json = ASKED, **config: Json) -> Agency:
    return Agency.asked(tool(policy=policy), **config).called(("refund", {"amount": 7, "to": "Ann"}))


def asks(place: Agency, message: str = "Which account?") -> Agency:
    call = place.task.calls[0]
    job = place._held()
    place.starts(call.id)
    assert isinstance(place, Workplace)
    return place._step(lambda view: elicit_call(view, place.engine, job, call.id, call.number + 1, message, FORM, 7))


def breaks(place: Agency) -> Agency:
    call, job = place.task.calls[0], place._held()
    place.starts(call.id)
    failure = Failure("http_503", "Not now.")
    return place._step(lambda view: fail_call(view, place.engine, job, call.id, call.number + 1, failure, jitter=0.5))


def test_a_call_asks_only_so_often() -> None:
    place = calling()
    for number in range(MOST_QUESTIONS):
        asks(place, f"Question {number}?")
        assert place.task.status == "waiting"
        assert place.job is None, "no worker is held"
        place.decides("approved", form={"iban": "AT12"})
    asks(place)
    assert place.task.calls[0].status == "failed"
    assert "questions" in place.said


def test_a_question_uses_up_no_try_of_the_retry_policy() -> None:
    retry = {"max_attempts": 2, "initial_interval": "PT0.01S"}
    place = Agency.asked(tool(policy=ASKED, retry=retry)).called(("refund", {"amount": 7, "to": "Ann"}))
    asks(place).decides("approved", form={"iban": "AT12"})
    assert breaks(place).task.calls[0].status == "ready", "it is tried again"
    assert breaks(place).task.calls[0].status == "failed"


def test_a_refusal_denies_the_call_and_the_model_is_told() -> None:
    place = asks(calling()).decides("rejected", comment="Not him.")
    assert (place.task.calls[0].status, place.said) == ("denied", "Not him.")


def test_where_nobody_can_be_asked_the_call_is_denied() -> None:
    place = asks(calling({"by": {"expr": "arguments.nobody"}}))
    assert place.task.calls[0].status == "denied"
    assert "Nobody can be asked" in place.said


def test_a_guard_of_results_keeps_a_question_from_people() -> None:
    guards = {"tool_results": [{"type": "regex", "pattern": "account", "action": "block"}]}
    place = asks(calling(guards=guards))
    assert place.task.calls[0].status == "failed"
    assert not place.requests

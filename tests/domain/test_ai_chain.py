"""A chain of models: who fails gives way to the next at once, and the retry policy counts rounds."""

from datetime import timedelta

from domain import ai_task
from domain.ai_task import AI_TASK, AiTaskAttemptFailed, AiTaskAttemptStarted, AiTaskFailed, Progress
from domain.facts import Decided, Due, View
from tests.domain.test_ai_task import AGAIN, BUSY, FIRST, REQUESTED, SECOND, STARTED, TASK, facts, succeed
from tests.given import given

AT_ONCE = Due(after=timedelta(0))
FELL_BACK = AiTaskAttemptFailed(FIRST, 1, BUSY, 30, retry=AT_ONCE, turn=1, falls_back=True)
NEXT = AiTaskAttemptStarted(SECOND, 2, "local", "small", "worker-1", 1)


def fails(view: View, falls_back: bool) -> Decided:
    task = Progress.of(view, TASK)
    attempt_id = task.state.attempt_id
    assert attempt_id is not None
    ai_task.fail_attempt(task, attempt_id, BUSY, jitter=0.5, latency_ms=30, falls_back=falls_back)
    return task.decided()


def test_the_next_model_is_asked_at_once() -> None:
    given(facts(REQUESTED, STARTED)).when(lambda view: fails(view, True)).then(FELL_BACK)


def test_the_policy_counts_what_the_whole_chain_came_to_and_begins_it_again() -> None:
    failed = AiTaskAttemptFailed(SECOND, 2, BUSY, 30, retry=AGAIN, turn=1)
    begun = given(facts(REQUESTED, STARTED, FELL_BACK, NEXT))
    begun.when(lambda view: fails(view, False)).then(failed)
    third = AiTaskAttemptStarted(FIRST, 3, "openai", "m", "worker-1", 1)
    last = AiTaskAttemptFailed(FIRST, 3, BUSY, 30, turn=1)
    over = given(facts(REQUESTED, STARTED, FELL_BACK, NEXT, failed, third)).when(lambda view: fails(view, False))
    assert [type(fact.event) for fact in over.decided.facts] == [AiTaskAttemptFailed, AiTaskFailed]
    assert over.decided.facts[0].event == last


def test_a_place_in_the_chain_is_of_one_turn() -> None:
    state = AI_TASK.initial
    for event in (REQUESTED, STARTED, FELL_BACK):
        state = AI_TASK.evolve(state, event)
    assert (state.link, state.failures) == (1, 0)
    after = given(facts(REQUESTED, STARTED, FELL_BACK, NEXT)).when(lambda view: succeed(view, SECOND))
    for fact in (*facts(NEXT), *after.decided.facts):
        state = AI_TASK.evolve(state, fact.event)
    assert state.link == 0

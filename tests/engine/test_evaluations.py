"""Evaluations: what is asked of whom, which tools act, what is checked, and what all of it comes to."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from domain.ai_task import (
    AI_TASK,
    AiTask,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskRequested,
    AiTaskToolCallDenied,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
    Configuration,
    SensitivePart,
    ToolCall,
    Usage,
)
from domain.effort import Effort
from domain.evaluation import (
    EVALUATION,
    EvaluationBudgetSpent,
    EvaluationCompleted,
    EvaluationOver,
    EvaluationResultRecorded,
    cancel,
    judge_id_of,
    run_id_of,
)
from domain.facts import Decided, Event, Fact, Invalid, Json, View
from domain.prompt import PromptContent, PromptDrafted, PromptPublished, Variable, prompt_id_of
from domain.retry import Failure, RetryPolicy
from engine.ai_doubles import NO_ANSWER
from engine.ai_messages import CallMessage
from engine.ai_policies import judged as judged_calls
from engine.context import Engine
from engine.evaluations import go_on, start
from engine.expressions import Budgeted
from tests.engine.drawing import ANN, EVALUATOR
from tests.given import TENANT_ID, FactsView

ENGINE = Engine(EVALUATOR)
OBJECT: Json = {"type": "object"}
PAY: Json = {
    "name": "pay",
    "type": "http",
    "parameters": OBJECT,
    "request": {"url": "https://shop.example/pay", "method": "POST"},
}
PAST = UUID(int=0x9A)
USED: Any = {"provider": "double", "model": "m", "latency_ms": 40, "usage": Usage(10, 5), "currency": "USD"}


class Bench:
    """One evaluation. Its tasks are done by hand."""

    def __init__(self, suite: Json, *before: Fact) -> None:
        self.facts: tuple[Fact, ...] = before
        self.given = {"cases": [{"name": "one", "input": {"n": 1}}], "checks": [], "repeat": 1, "concurrency": 1, **suite}
        self.decided = Decided()
        self.id = UUID(self.do(lambda view: start(view, ENGINE, "Sorting", self.given)).result["id"])

    @property
    def view(self) -> FactsView:
        return FactsView(self.facts)

    def do(self, decide: Callable[[View], Decided]) -> Decided:
        self.decided = decide(self.view)
        self.facts += self.decided.facts
        return self.decided

    def run(self, variant: str = "a", case: str = "one", repeat: int = 1) -> Json:
        return self.do(lambda view: go_on(view, ENGINE, self.id, variant, case, repeat)).result["run"]

    def task(self, variant: str = "a", case: str = "one", repeat: int = 1) -> AiTask:
        return self.view.read(AI_TASK, run_id_of(self.id, variant, case, repeat))

    def said(self, task_id: UUID, output: Json, *calls: Event, cost: str | None = "0.10", ms: int = 40) -> None:
        """The model of this task, at last."""
        attempt = UUID(int=task_id.int ^ 1)
        about = {**USED, "latency_ms": ms, "cost": None if cost is None else Decimal(cost)}
        totals = replace(AI_TASK.initial.totals, attempts=1)
        facts = (
            AiTaskAttemptStarted(attempt, 1, "double", "m", "worker", turn=1),
            *calls,
            AiTaskAttemptSucceeded(attempt, 1, output, **about),
            AiTaskCompleted(output, totals),
        )
        self.facts += tuple(Fact(task_id, each) for each in facts)

    def ran(self, output: Json, variant: str = "a", case: str = "one", repeat: int = 1, **more: Any) -> Json:
        """Asked for, done and recorded."""
        self.run(variant, case, repeat)
        self.said(run_id_of(self.id, variant, case, repeat), output, **more)
        return self.run(variant, case, repeat)

    @property
    def last(self) -> EvaluationResultRecorded:
        return next(each.event for each in reversed(self.facts) if isinstance(each.event, EvaluationResultRecorded))

    @property
    def completed(self) -> EvaluationCompleted:
        event = self.facts[-1].event
        assert isinstance(event, EvaluationCompleted)
        return event


def variant(name: str = "a", **fields: Json) -> Json:
    return {"name": name, "model": "offline/echo", "prompt": "Sort it.", **fields}


def refused(suite: Json, path: str, *before: Fact) -> None:
    with pytest.raises(Invalid) as found:
        Bench(suite, *before)
    assert path in {found.value.path, *(each.path for each in found.value.errors)}, found.value


def past(*calls: tuple[str, Json, Json], **fields: Any) -> tuple[Fact, ...]:
    """A task of before, whose tools answered so."""
    about: Any = {"tools": [{**PAY, "carrying": [], "idempotent": False}], "input": {"n": "=7"}, "system_prompt": "Be kind."}
    requested = AiTaskRequested(
        *(None, None, None, "Pay", "offline/echo", "Pay =it", Configuration(temperature=0.5), RetryPolicy()),
        **{**about, **fields},
    )
    asked = tuple(ToolCall(UUID(int=0x9B0 + at), tool, arguments, "c") for at, (tool, arguments, _) in enumerate(calls))
    attempt = UUID(int=0x9A1)
    events: list[Event] = [requested, AiTaskAttemptStarted(attempt, 1, "double", "m", "worker", turn=1)]
    events.append(AiTaskAttemptSucceeded(attempt, 1, None, **USED, turn=1, calls=asked))
    for call, (_, _, result) in zip(asked, calls, strict=True):
        events.append(AiTaskToolCallStarted(call.id, call.tool, 1, call.arguments, "key"))
        events.append(AiTaskToolCallSucceeded(call.id, call.tool, 1, result))
    return tuple(Fact(PAST, each) for each in (*events, AiTaskCompleted("Paid", AI_TASK.initial.totals)))


def test_each_run_is_asked_for_once_and_recorded_by_its_record_alone() -> None:
    bench = Bench({"variants": [variant(), variant("b", temperature=0.5)], "repeat": 2})
    assert (bench.decided.result["planned"], bench.run()["state"]) == (4, "running")
    events = len(bench.facts)
    assert bench.run() == {
        "state": "running",
        "task_id": (id := str(run_id_of(bench.id, "a", "one", 1))),
        "waits_for": [id],
        "passed": None,
    }
    assert len(bench.facts) == events, "it is there already"
    requested = bench.task().requested
    assert requested is not None
    assert (requested.task_name, requested.input, requested.correlation_id) == ("Sorting: a, one", {"n": 1}, bench.id)
    bench.said(run_id_of(bench.id, "a", "one", 1), "sorted")
    assert (bench.run()["state"], bench.run()["passed"]) == ("recorded", True)
    spent = bench.last.spent
    assert (spent.cost, spent.currency, spent.input_tokens, spent.latency_ms) == (Decimal("0.10"), "USD", 10, 40)
    bench.ran("sorted", repeat=2)
    bench.ran("sorted", "b")
    bench.ran("sorted", "b", repeat=2, ms=90)
    a, b = bench.completed.variants
    assert bench.completed.passed
    assert (a.runs, a.passed, a.spent.cost, a.median_latency_ms, b.p95_latency_ms) == (2, 2, Decimal("0.20"), 40, 90)
    assert bench.run("b", repeat=2)["state"] == "recorded", "also of one that is over"


def test_every_check_says_why() -> None:
    checks = [
        {"name": "shape", "type": "schema", "schema": {"type": "object", "required": ["kind"]}},
        {"name": "right", "type": "cel", "expression": "output.kind == expected.kind && usage.tokens < 100"},
        {"name": "tools", "type": "forbidden_tools", "tools": ["pay"]},
    ]
    case = {"name": "one", "input": {}, "expected": {"kind": "taxi"}}
    bench = Bench({"variants": [variant()], "cases": [case], "checks": checks, "repeat": 3})
    assert bench.ran({"kind": "taxi"})["passed"] is True
    assert bench.ran({"kind": "train"}, repeat=2)["passed"] is False
    assert [(each.check, each.verdict, each.why) for each in bench.last.verdicts][1] == (
        "right",
        "fail",
        "The expression is false.",
    )
    bench.ran("taxi", repeat=3)
    shape, right, _ = bench.last.verdicts
    assert shape.verdict == right.verdict == "fail"
    assert "cannot be evaluated" in (right.why or "")
    (totals,) = bench.completed.variants
    assert ([(each.check, each.failed) for each in totals.checks], totals.holds) == (
        [("shape", 1), ("right", 2), ("tools", 0)],
        False,
    )


def test_a_tool_that_is_forbidden_is_one_that_was_asked_for_even_if_it_was_not_called() -> None:
    bench = Bench({"variants": [variant(tools=[PAY])], "checks": [{"name": "no", "type": "forbidden_tools", "tools": ["pay"]}]})
    bench.run()
    id, call = run_id_of(bench.id, "a", "one", 1), UUID(int=5)
    turn = (
        AiTaskAttemptSucceeded(UUID(int=id.int ^ 1), 1, None, **USED, turn=1, calls=(ToolCall(call, "pay", {}, "c", "deny"),)),
        AiTaskToolCallDenied(call, "pay", "policy", NO_ANSWER),
        AiTaskAttemptStarted(UUID(int=id.int ^ 1), 2, "double", "m", "worker", turn=2),
    )
    bench.said(id, "Done", *turn)
    assert bench.run()["passed"] is False
    assert bench.last.verdicts[0].why == "The model asked for pay (denied)."


JUDGE: Json = {"name": "kind", "type": "judge", "model": "offline/judge", "prompt": "Is it kind?", "min_score": 0.5}


@pytest.mark.parametrize(
    ("says", "verdict"),
    [
        ({"pass": True, "score": 0.9, "reason": "Kind."}, "pass"),
        ({"pass": True, "score": 0.4, "reason": "Hardly."}, "fail"),
        ({"pass": False, "score": 0.9, "reason": "No."}, "fail"),
        ({"pass": True, "reason": "Kind."}, "unjudged"),
    ],
)
def test_a_judge_is_a_task_of_its_own_whose_cost_is_told_apart(says: Json, verdict: str) -> None:
    bench = Bench({"variants": [variant()], "checks": [JUDGE]})
    assert bench.ran("Dear Ann")["state"] == "judging"
    id = judge_id_of(run_id_of(bench.id, "a", "one", 1), "kind")
    assert bench.run()["waits_for"] == [str(id)]
    requested = bench.view.read(AI_TASK, id).requested
    assert requested is not None
    assert (requested.model, requested.input) == ("offline/judge", {"input": {"n": 1}, "output": "Dear Ann"})
    bench.said(id, says, cost="0.03")
    assert bench.run()["state"] == "recorded"
    assert (bench.last.verdicts[0].verdict, bench.last.verdicts[0].task_id) == (verdict, id)
    assert (bench.last.spent.cost, bench.last.judging.cost) == (Decimal("0.10"), Decimal("0.03"))
    assert bench.completed.passed is (verdict == "pass")


def test_a_judge_that_fails_is_no_pass_whatever_the_threshold() -> None:
    bench = Bench({"variants": [variant()], "checks": [JUDGE], "thresholds": {"pass_rate": 0}})
    bench.ran("Dear Ann")
    id = judge_id_of(run_id_of(bench.id, "a", "one", 1), "kind")
    bench.facts += (Fact(id, AiTaskFailed(Failure("overloaded", "Too busy."), AI_TASK.initial.totals)),)
    assert bench.run()["passed"] is False
    (totals,) = bench.completed.variants
    assert (totals.unjudged, bench.completed.passed, bench.last.verdicts[0].why) == (1, False, "The judge is failed: Too busy.")


def test_thresholds_are_of_each_variant() -> None:
    cheap = variant("cheap", thresholds={"mean_cost": {"amount": "0.05", "currency": "USD"}, "p95_latency_ms": 50})
    bench = Bench({"variants": [cheap, variant("free")], "thresholds": {"pass_rate": 0.5}, "repeat": 2})
    bench.ran("x", "cheap", cost="0.04")
    bench.ran("x", "cheap", repeat=2, cost="0.08", ms=51)
    bench.ran("x", "free")
    bench.run("free", repeat=2)
    failed = AiTaskFailed(Failure("overloaded", "Too busy."), AI_TASK.initial.totals)
    bench.facts += (Fact(run_id_of(bench.id, "free", "one", 2), failed),)
    bench.run("free", repeat=2)
    of_cheap, of_free = bench.completed.variants
    assert [(each.name, each.found, each.holds) for each in of_cheap.thresholds] == [
        ("pass_rate", "1.0000", True),
        ("mean_cost", "0.0600000000 USD", False),
        ("p95_latency_ms", "51", False),
    ]
    assert (of_free.holds, of_free.passed, bench.completed.passed) == (True, 1, False)


def test_what_is_not_known_to_be_cheap_enough_is_not() -> None:
    bench = Bench({"variants": [variant()], "thresholds": {"mean_cost": {"amount": 1, "currency": "EUR"}}})
    bench.ran("x")
    assert bench.completed.variants[0].thresholds[1].found is None
    assert not bench.completed.passed


def test_the_budget_begins_no_run_once_it_is_spent() -> None:
    bench = Bench({"variants": [variant()], "repeat": 3, "budget": {"amount": "0.15", "currency": "USD"}})
    bench.ran("x")
    bench.ran("x", repeat=2)
    with pytest.raises(EvaluationBudgetSpent, match=r"0\.20 USD of the 0\.15"):
        bench.run(repeat=3)
    other = Bench({"variants": [variant()], "repeat": 2, "budget": {"amount": "0.15", "currency": "USD"}})
    other.ran("x", cost=None)
    with pytest.raises(EvaluationBudgetSpent, match="no known cost"):
        other.run(repeat=2)


def test_a_cancelled_one_begins_nothing_and_keeps_its_totals() -> None:
    bench = Bench({"variants": [variant()], "repeat": 2})
    bench.ran("x")
    bench.do(lambda view: cancel(view, bench.id, "Enough"))
    assert bench.view.read(EVALUATION, bench.id).status == "cancelled"
    with pytest.raises(EvaluationOver):
        bench.run(repeat=2)


def called(bench: Bench, arguments: Json) -> tuple[Json, str | None]:
    """The tool as the task has it, and why a call of it is denied, if it is."""
    task = bench.task()
    assert task.requested is not None
    (found,) = judged_calls(UUID(int=1), task, [CallMessage("c", "pay", arguments)], Budgeted(EVALUATOR, Effort()))
    return found.tool, None if found.denial is None else found.denial.message


def test_a_past_task_is_asked_again_of_another_model_and_its_tools_answer_as_they_did() -> None:
    case = {"name": "past", "from_task": str(PAST)}
    bench = Bench(
        {"variants": [{"name": "a", "model": "offline/other"}], "cases": [case]}, *past(("pay", {"to": "Ann"}, "=paid"))
    )
    bench.run(case="past")
    requested = bench.task(case="past").requested
    assert requested is not None
    assert (requested.model, requested.prompt, requested.system_prompt) == ("offline/other", "Pay =it", "Be kind.")
    assert (requested.input, requested.configuration.temperature) == ({"n": "=7"}, 0.5)
    bench.task = lambda *_: bench.view.read(AI_TASK, run_id_of(bench.id, "a", "past", 1))  # type: ignore[method-assign]
    tool, denial = called(bench, {"to": "Ann"})
    assert (tool["type"], tool["answers"], denial) == ("double", [{"arguments": {"to": "Ann"}, "returns": "=paid"}], None)
    assert "request" not in tool
    assert called(bench, {"to": "Ben"})[1] == NO_ANSWER


def test_a_tool_acts_only_where_the_suite_says_so() -> None:
    policy = {"ask": "arguments.amount > 5", "deny": "arguments.amount > 9", "by": {"users": [str(ANN)]}}
    tool = {**PAY, "policy": policy}
    for said, kind, answer in (({"returns": "ok"}, "double", None), (None, "double", NO_ANSWER), ("call", "http", None)):
        bench = Bench({"variants": [variant(tools=[tool])], **({} if said is None else {"tools": {"pay": said}})})
        bench.run()
        found, denial = called(bench, {"amount": 1})
        assert (found["type"], denial) == (kind, answer)
        if kind == "double":
            assert called(bench, {"amount": 6})[1] == "The policy of this tool denies the call.", "nobody is asked"


def test_a_prompt_is_pinned_and_a_case_fills_it_in() -> None:
    id = prompt_id_of(TENANT_ID, "greet")
    content = PromptContent(
        "Greet {{ name }}.", None, (Variable("name"), Variable("code", required=False, sensitive=True)), "offline/echo"
    )
    before = (Fact(id, PromptDrafted("greet", content)), Fact(id, PromptPublished(1, content)))
    by_prompt, case = {"name": "a", "prompt": {"key": "greet"}}, {"name": "one", "variables": {"name": "=Ann"}}
    bench = Bench({"variants": [by_prompt], "cases": [case]}, *before)
    bench.facts += (Fact(id, PromptPublished(2, replace(content, user="Bye {{ name }}."))),)
    bench.run()
    requested = bench.task().requested
    assert requested is not None
    assert (requested.prompt, requested.model) == ("Greet =Ann.", "offline/echo")
    leaks = {"name": "one", "variables": {"name": "Ann", "code": "secret-7"}}
    refused({"variants": [by_prompt], "cases": [leaks]}, "/cases/0/variables/code", *before)


def test_a_run_that_cannot_be_asked_for_has_failed() -> None:
    guards = {"input": [{"type": "regex", "pattern": "forbidden", "action": "block"}]}
    cases = [{"name": "one", "input": "fine"}, {"name": "two", "input": "forbidden"}]
    bench = Bench({"variants": [variant(guards=guards)], "cases": cases})
    assert bench.run(case="two")["passed"] is False
    assert (bench.last.status, bench.last.error.type if bench.last.error else None) == ("failed", "refused")


def test_what_is_wrong_with_a_suite_is_named() -> None:
    both = {"returns": 1, "error": {"type": "e"}}
    for suite, path in (
        ({"variants": [variant(), variant()]}, "/variants/1/name"),
        ({"variants": [variant(temprature=1)]}, "/variants/0/temprature"),
        ({"variants": [{"name": "a", "prompt": "Sort"}]}, "/variants/0/model"),
        ({"variants": [{"name": "a", "model": "offline/echo"}]}, "/variants/0/prompt"),
        ({"variants": [variant(tools="pay")]}, "/variants/0/tools"),
        ({"variants": [variant(tools=[1])]}, "/variants/0/tools/0"),
        ({"variants": [variant(tools=[{**PAY, "name": []}])]}, "/variants/0/tools/0/name"),
        ({"variants": [variant(tools=[{**PAY, "policy": 1}])]}, "/variants/0/tools/0/policy"),
        ({"variants": [variant(prompt=5)]}, "/variants/0/prompt"),
        ({"variants": [variant(tools=[PAY])], "tools": {"pay": both}}, "/variants/0/tools/0/error"),
        ({"variants": [variant(temperature=-1)]}, "/variants/0/temperature"),
        ({"variants": [variant()], "repeat": 50, "cases": [{"name": str(each)} for each in range(41)]}, "/cases"),
        ({"variants": [variant()], "cases": [{"name": "one", "input": "x" * 500_000}]}, "/cases"),
        ({"variants": [variant()], "cases": [{"name": "one", "variables": {"x": 1}}]}, "/variants/0/prompt"),
        ({"variants": [variant()], "cases": [{"name": "one", "from_task": str(PAST)}]}, "/cases/0/from_task"),
        (
            {"variants": [variant()], "checks": [{"name": "c", "type": "cel", "expression": "outputs > 1"}]},
            "/checks/0/expression",
        ),
        (
            {"variants": [variant()], "checks": [{"name": "c", "type": "schema", "schema": {"type": "no"}}]},
            "/checks/0/schema/type",
        ),
        ({"variants": [variant()], "checks": [{**JUDGE, "model": "careful"}]}, "/checks/0/model"),
        ({"variants": [variant()], "checks": [{**JUDGE, "prompt": {"key": "p"}}]}, "/checks/0/prompt/version"),
        ({"variants": [variant()], "checks": [{**JUDGE, "temperature": -1}]}, "/checks/0/temperature"),
        ({"variants": [variant()], "budget": {"amount": "lots", "currency": "USD"}}, "/budget/amount"),
        (
            {"variants": [variant(thresholds={"mean_cost": {"amount": 1, "currency": "euro"}})]},
            "/variants/0/thresholds/mean_cost/currency",
        ),
    ):
        refused(suite, path)
    hidden = past(sensitive=(SensitivePart("x", "prompt", 0, 3),))
    refused({"variants": [{"name": "a"}], "cases": [{"name": "one", "from_task": str(PAST)}]}, "/variants/0/prompt", *hidden)
    refused({"variants": [{"name": "a"}], "cases": [{"name": "one", "from_task": str(PAST)}]}, "/cases/0/from_task", *past()[:-1])

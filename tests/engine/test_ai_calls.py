"""Agents with tools: what becomes of each call that a model asks for, and how far a task may go."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.ai_task import (
    AI_TASK,
    AiTask,
    AiTaskCancelled,
    AiTaskFailed,
    AiTaskToolCallFailed,
    AiTaskToolCallSucceeded,
    Call,
    Usage,
)
from domain.ai_task.steps import CallModel, CallTool, Pause, next_step
from domain.budget import BUDGET_PERIOD, Limits, Wish, set_budget
from domain.facts import Json
from domain.retry import LEASE_LOST, Failure
from domain.usage_report import UsageReport
from engine.ai_messages import AssistantMessage, CallMessage, ToolMessage, UserMessage, conversation_of, messages_of
from engine.ai_tasks import fail_call, start_call, succeed_call
from engine.engine import cancel, pause
from engine.validate import validate
from tests.engine.drawing import ANN, BEN, EVALUATOR, EXECUTION_ID, drawing
from tests.engine.working import Workplace, agent, check_work

PARAMETERS = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"], "additionalProperties": False}
ASK = {"ask": "arguments.id == 7", "by": {"roles": ["approver"]}}


def tool(name: str = "look", **more: Json) -> Json:
    request = {"url": "='https://x.example/' + string(arguments.id)", **more.pop("request", {})}
    return {"name": name, "type": "http", "parameters": PARAMETERS, "request": request, **more}


class Loop(Workplace):
    """An execution of Ann's whose node `ai` has tools."""

    @classmethod
    def of(cls, *tools: Json, of: Json = None, **config: Json) -> "Loop":
        nodes = {
            "start": "start",
            "ai": agent(tools=list(tools), **config),
            "end": ("end", {"output": "=nodes.ai.output"}),
            "broken": ("end", {"output": "=nodes.ai.error"}),
        }
        place = cls(drawing(nodes, "start > ai", "ai > end", "ai.error > broken", "ai.timeout > broken"))
        place.start(of, created_by=ANN)
        return place

    @property
    def task(self) -> AiTask:
        (task_id,) = {fact.stream_id for fact in self.view.facts if type(fact.event).__name__ == "AiTaskRequested"}
        return self.view.read(AI_TASK, task_id)

    def says(self, *calls: tuple[str, Json], **more: Any) -> "Loop":
        """The model asks for these tools."""
        asked = tuple(CallMessage(f"c{place}", name, arguments) for place, (name, arguments) in enumerate(calls))
        self.answer("ai", None, calls=asked, **more)
        return self

    def calls(self, result: Json = "done") -> "Loop":
        """The tool that is due is called, and answers."""
        job, call = self.held("ai"), self.begins()
        self.step(lambda view: succeed_call(view, self.engine, job, call.id, call.number, result))
        return self

    def begins(self) -> Call:
        step, job = next_step(self.task), self.held("ai")
        assert isinstance(step, CallTool), step
        self.step(lambda view: start_call(view, self.engine, job, step.call_id, worker_id="w"))
        call = self.task.call(step.call_id)
        assert call is not None
        return call

    def breaks(self, failure: Failure, **more: Any) -> "Loop":
        job, call = self.held("ai"), self.begins()
        self.step(lambda view: fail_call(view, self.engine, job, call.id, call.number, failure, jitter=0.5, **more))
        return self

    @property
    def statuses(self) -> list[tuple[str, str | None]]:
        return [(call.status, call.denied) for call in self.task.calls]

    @property
    def then(self) -> str:
        """What becomes of its job."""
        (fence,) = self.story.decided.fences
        return fence.then

    @property
    def told(self) -> list[str]:
        return [said.content for said in messages_of(self.task) if isinstance(said, ToolMessage)]

    @property
    def error(self) -> str:
        return str(getattr(self.end, "output", {})["type"])


def test_each_call_is_on_record_before_it_is_made_and_the_lease_is_kept_until_the_answer() -> None:
    place = Loop.of(tool())
    place.says(("look", {"id": 1}), ("look", {"id": 2}), text="I look.")
    assert place.then == "keep"
    first = place.begins()
    assert (place.task.status, next_step(place.task)) == ("running", Pause("tool"))
    job = place.held("ai")
    place.step(lambda view: succeed_call(view, place.engine, job, first.id, 1, {"a": 1}))
    assert isinstance(next_step(place.task), CallTool)
    place.calls("b")
    assert (next_step(place.task), place.task.totals.tool_calls) == (CallModel(2), 2)
    assert [each.splitlines()[-1] for each in place.told] == ['{"a": 1}', '"b"']
    place.answer("ai", "both")
    assert getattr(place.end, "output", None) == "both"
    check_work(place)


def test_only_calls_of_its_tools_with_arguments_that_fit_are_made() -> None:
    place = Loop.of(tool(), tool("other"))
    wrong: list[tuple[str, Json]] = [
        ("none", {"id": 1}),
        ("look", "{"),
        ("look", {"id": "x"}),
        ("look", {"id": 1, "secret": 2}),
        ("look", {"id": 1, "a": "x" * 70_000}),
        ("look", {}),
    ]
    place.says(*wrong, ("other", {"id": 1}))
    denied = [("denied", "not_allowed"), *[("denied", "malformed")] * 5]
    assert place.statuses == [*denied, ("ready", None)]
    assert place.task.calls[1].arguments is None
    assert "/id" in place.told[2]


def test_deny_wins_then_ask_then_allow_and_what_cannot_be_evaluated_denies() -> None:
    def of(policy: Json, arguments: Json) -> tuple[str, str | None]:
        return Loop.of(tool(policy=policy), input={"most": 5}).says(("look", arguments)).statuses[0]

    allowed, denied = ("ready", None), ("denied", "policy")
    assert of({}, {"id": 1}) == allowed
    assert of({"deny": "arguments.id > input.most"}, {"id": 6}) == denied
    assert of({"deny": "arguments.id > input.most"}, {"id": 5}) == allowed
    assert of({"allow": "arguments.id < 3"}, {"id": 3}) == denied
    assert of({"allow": False}, {"id": 3}) == denied
    assert of({"allow": "arguments.id / 0 == 1"}, {"id": 3}) == denied
    assert of({"deny": True, "ask": True, "by": {"users": [str(BEN)]}}, {"id": 3}) == denied
    assert of({"ask": True, "allow": False, "by": {"users": [str(BEN)]}}, {"id": 3}) == ("asked", None)
    assert of({"allow": f"caller.user_id == '{ANN}' && spent.turns == 0 && spent.tokens == 0"}, {"id": 3}) == allowed


def test_who_is_asked_is_asked_in_the_same_append_and_what_people_edit_goes_by_deny_too() -> None:
    place = Loop.of(tool(policy={**ASK, "deny": "arguments.id == 13"}))
    place.says(("look", {"id": 7}), ("look", {"id": 8}))
    assert place.statuses == [("asked", None), ("ready", None)]
    assert place.then == "keep"
    place.calls("8")
    assert next_step(place.task) == Pause("people")
    assert place.then == "done"
    (question,) = place.task.questions
    place.decide(question.request_id, "approved", BEN, ("approver",), form={"id": 13})
    assert place.statuses[0] == ("denied", "policy")
    assert next_step(place.task) == CallModel(2)


def test_the_same_call_again_and_again_is_denied_and_then_ends_the_task() -> None:
    place = Loop.of(tool(), bounds={"repeats": 2})
    same = ("look", {"id": 1})
    place.says(same).calls().says(same).calls().says(same, ("look", {"id": 2}))
    assert place.statuses == [("denied", "repetition"), ("ready", None)]
    place.calls().says(same)
    assert place.error == "repetition"
    check_work(place)


def test_people_may_be_asked_whether_the_same_call_may_be_made_again() -> None:
    place = Loop.of(tool(), bounds={"repeats": 1}, repetition_by={"by": {"roles": ["approver"]}})
    place.says(("look", {"id": 1})).calls().says(("look", {"id": 1}))
    (question,) = place.task.questions
    assert (question.purpose, place.then) == ("repetition", "done")
    place.decide(question.request_id, "approved", BEN, ("approver",))
    place.calls("again").answer("ai", "so be it")
    assert getattr(place.end, "output", None) == "so be it"


def test_beyond_its_calls_of_tools_it_is_told_to_answer_and_ends_if_it_does_not() -> None:
    place = Loop.of(tool(), bounds={"tool_calls": 2})
    place.says(("look", {"id": 1})).calls().says(("look", {"id": 2}), ("look", {"id": 3}))
    assert place.statuses == [("ready", None), ("denied", "too_many")]
    place.calls()
    other = Loop.of(tool(), bounds={"tool_calls": 0}).says(("look", {"id": 2})).answer("ai", "fine")
    assert getattr(other.end, "output", None) == "fine"
    place.says(("look", {"id": 4}))
    assert place.error == "too_many_tool_calls"


def test_turns_tokens_and_money_end_it_before_the_next_call_of_a_model() -> None:
    def ends(bounds: Json) -> str:
        place = Loop.of(tool(), bounds=bounds)
        place.says(("look", {"id": 1}), report=UsageReport(Usage(60, 40), Decimal("0.5"), "EUR")).calls()
        place.attempt("ai")
        failed = place.story.decided.facts[0].event
        assert isinstance(failed, AiTaskFailed), "no attempt was started"
        assert place.story.result["task"]["attempt_id"] is None
        return place.error

    assert ends({"turns": 1}) == "too_many_turns"
    assert ends({"tokens": 100}) == "token_limit"
    assert ends({"cost": {"amount": "0.5", "currency": "EUR"}}) == "cost_limit"


def test_a_tool_is_called_again_by_its_own_policy_and_then_the_model_is_told() -> None:
    place = Loop.of(tool(retry={"max_attempts": 2, "initial_interval": "PT5S"}))
    busy = Failure("http_503", "Busy.")
    place.says(("look", {"id": 1})).breaks(busy)
    assert (place.then, place.story.decided.fences[0].delay) == ("retry", timedelta(seconds=5))
    assert isinstance(next_step(place.task), CallTool)
    place.breaks(busy)
    assert (place.statuses, place.told) == ([("failed", None)], ["Busy."])
    assert next_step(place.task) == CallModel(2)


def test_of_a_worker_that_dies_the_call_under_way_is_lost_and_no_other() -> None:
    place = Loop.of(tool(), tool("order", request={"method": "POST"}))
    place.says(("look", {"id": 1}), ("order", {"id": 2})).calls()
    place.lapse("ai")
    assert len(place.story.decided.facts) == 0, "between two calls nothing was lost"
    call = place.begins()
    place.lapse("ai")
    event = place.view.facts[-1].event
    assert isinstance(event, AiTaskToolCallFailed)
    assert (event.call_id, event.retry, event.error.type) == (call.id, None, LEASE_LOST.type)
    assert "not known" in place.told[1]
    again = Loop.of(tool()).says(("look", {"id": 1}))
    first = again.begins()
    again.lapse("ai")
    second = again.begins()
    assert (first.id, first.number, second.number) == (second.id, 1, 2)
    attempt = Loop.of(tool())
    attempt.attempt("ai")
    attempt.lapse("ai")
    attempt.says(("look", {"id": 1}))
    assert attempt.task.number == 2


def test_what_a_tool_answers_is_cut_to_size_and_is_always_stored() -> None:
    place = Loop.of(tool(max_result=100))
    place.says(("look", {"id": 1}), ("look", {"id": 2})).calls("x" * 200)
    place.story.then(AiTaskToolCallSucceeded(place.task.calls[0].id, "look", 1, "x" * 100, None, 200))
    place.calls({"a": "\0"})
    assert place.task.calls[1].status == "succeeded"


def test_guards_look_at_what_goes_in_and_out() -> None:
    hide = {"type": "regex", "pattern": "[0-9]{4}", "action": "redact"}
    guards: Json = {
        "input": [hide],
        "tool_arguments": [{"type": "cel", "when": "value.id == 13", "message": "Not thirteen."}],
        "tool_results": [{"type": "regex", "pattern": "IGNORE", "action": "block"}, hide],
        "output": [hide],
    }
    place = Loop.of(tool(), guards=guards, prompt="My code is 1234")
    assert place.task.requested is not None
    assert place.task.requested.prompt == "My code is [redacted]"
    place.says(("look", {"id": 13}), ("look", {"id": 1}), ("look", {"id": 2}), text="9999")
    assert (place.statuses[0], place.told[0]) == (("denied", "guard"), "Not thirteen.")
    assert place.task.turns[0].text == "[redacted]"
    place.calls("IGNORE all").calls("code 5678").answer("ai", "It is 5678.")
    assert "5678" not in str(place.view.facts)
    assert "IGNORE" not in str([fact.event for fact in place.view.facts if type(fact.event).__name__.startswith("AiTaskTool")])
    assert getattr(place.end, "output", None) == "It is [redacted]."
    block = Loop.of(tool(), guards={"input": [{**hide, "action": "block"}]}, prompt="1234")
    assert block.error == "guard"


def test_an_output_is_reviewed_where_that_is_wanted() -> None:
    review: Json = {"when": "=output != 'sure'", "by": {"roles": ["approver"]}}
    place = Loop.of(review=review).answer("ai", "perhaps")
    assert isinstance(place, Loop)
    (question,) = place.task.questions
    assert (question.purpose, place.task.status) == ("review", "waiting")
    place.decide(question.request_id, "rejected", BEN, ("approver",), comment="Be sure.")
    assert next_step(place.task) == CallModel(2)
    place.answer("ai", "sure")
    assert getattr(place.end, "output", None) == "sure"


def test_budgets_are_taken_from_before_each_call_and_settled_after_it() -> None:
    place = Loop.of(tool())
    place.step(lambda view: set_budget(view, "all", Wish(period="total", limits=Limits(tool_calls=1, calls=2))))
    place.says(("look", {"id": 1}), ("look", {"id": 2})).calls()
    place.begins()
    assert place.statuses[1] == ("denied", "budget")
    (period,) = {fact.stream_id for fact in place.view.facts if isinstance(fact.event, BUDGET_PERIOD.events)}
    state = place.view.read(BUDGET_PERIOD, period)
    assert (state.used.tool_calls, state.used.calls, state.reserved.calls) == (1, 1, 0)
    place.answer("ai", "done")
    assert getattr(place.end, "output", None) == "done"


@pytest.mark.parametrize("of", ["model", "tool"])
def test_what_was_put_aside_for_a_call_of_a_task_that_is_over_counts_when_its_lease_ends(of: str) -> None:
    """Its worker has died, and nobody knows what was used."""
    place = Loop.of(tool())
    place.step(lambda view: set_budget(view, "all", Wish(period="total", limits=Limits(tool_calls=5, calls=5))))
    if of == "tool":
        place.says(("look", {"id": 1}))
    job = place.held("ai")
    place.begins() if of == "tool" else place.attempt("ai")
    place.step(lambda view: cancel(view, place.engine, EXECUTION_ID))
    (period,) = {fact.stream_id for fact in place.view.facts if isinstance(fact.event, BUDGET_PERIOD.events)}
    aside = place.view.read(BUDGET_PERIOD, period).reserved
    assert (aside.calls, aside.tool_calls) == ((0, 1) if of == "tool" else (1, 0))
    place.lapse_held(job)
    state = place.view.read(BUDGET_PERIOD, period)
    assert (state.used.calls, state.used.tool_calls) == (1, int(of == "tool"))
    assert (state.reserved.calls, state.reserved.tool_calls, place.story.jobs) == (0, 0, {})
    assert place.task.status == "cancelled"


def test_a_pause_holds_the_next_call_and_a_task_that_is_cancelled_still_tells_what_its_call_came_to() -> None:
    place = Loop.of(tool()).says(("look", {"id": 1}))
    job, call = place.held("ai"), place.begins()
    place.step(lambda view: pause(view, place.engine, EXECUTION_ID))
    place.step(lambda view: succeed_call(view, place.engine, job, call.id, 1, "x"))
    assert next_step(place.task) == CallModel(2)
    refused = place.story.when(lambda view: start_call(view, place.engine, job, call.id, worker_id="w")).refusal
    assert refused is not None
    assert refused.code == "execution_paused"
    other = Loop.of(tool()).says(("look", {"id": 1}))
    job, call = other.held("ai"), other.begins()
    other.step(lambda view: cancel(view, other.engine, EXECUTION_ID))
    assert any(isinstance(fact.event, AiTaskCancelled) for fact in other.story.decided.facts)
    other.step(lambda view: succeed_call(view, other.engine, job, call.id, 1, "x"))
    assert (other.task.status, other.task.calls[0].status) == ("cancelled", "succeeded")
    assert other.story.result["job"] is None


def test_what_an_expression_comes_to_is_a_text_whatever_it_looks_like() -> None:
    place = Loop.of(
        tool(
            request={"headers": {"X-Who": "=input.who"}, "body": {"who": "=input.who", "id": "=arguments.id"}, "method": "POST"}
        ),
        of={"who": "=arguments.id"},
    )
    assert place.task.requested is not None
    (resolved,) = place.task.requested.tools
    assert resolved["request"]["headers"] == {"X-Who": "==arguments.id"}
    assert resolved["request"]["body"] == {"who": "==arguments.id", "id": "=arguments.id"}
    assert (resolved["idempotent"], resolved["carrying"]) == (False, [])


def test_an_author_is_told_what_is_wrong_with_tools() -> None:
    def codes(*tools: Json, **config: Json) -> set[tuple[str, str]]:
        nodes = {"start": "start", "ai": agent(tools=list(tools), **config), "end": "end", "broken": "end"}
        found = validate(drawing(nodes, "start > ai", "ai > end", "ai.error > broken"), EVALUATOR)
        return {(finding.code, finding.path.removeprefix("/nodes/1/config")) for finding in found}

    assert codes(tool(), tool("other", policy=ASK)) == set()
    assert codes(tool(), tool()) == {("duplicate_name", "/tools/1/name")}
    assert codes(tool("1")) == {("pattern", "/tools/0/name")}
    assert codes({**tool(), "x": 1}) == {("unknown_field", "/tools/0/x")}
    assert codes({**tool(), "type": "mail"}) == {("enum", "/tools/0/type")}
    assert codes({**tool(), "parameters": {"type": "array"}}) == {("invalid_schema", "/tools/0/parameters/type")}
    assert codes(tool(policy={"deny": "arguments.nope == 1"})) == {("unknown_field", "/tools/0/policy/deny")}
    assert codes(tool(policy={"deny": "nodes.x == 1"})) == {("undeclared", "/tools/0/policy/deny")}
    assert codes(tool(policy={"deny": "1 +"})) == {("syntax", "/tools/0/policy/deny")}
    assert codes(tool(policy={"ask": True})) == {("nobody_asked", "/tools/0/policy")}
    assert codes(tool(request={"url": "=arguments.id + nodes.x"})) == {("undeclared", "/tools/0/request/url")}
    assert codes(tool(request={"method": "=arguments.id"})) >= {("invalid_value", "/tools/0/request/method")}
    assert codes(tool(), bounds={"turns": 0}) >= {("anyOf", "/bounds/turns")}
    assert codes(tool(), bounds={"time": "soon"}) == {("invalid_value", "/bounds")}
    assert codes(tool(), review={"when": "often", "by": {"roles": ["approver"]}}) == {("anyOf", "/review/when")}
    assert codes(tool(), on_budget="ask") == {("nobody_asked", "/budget_by")}
    assert codes({**tool(), "type": "workflow", "request": None}) != set()


def test_an_agent_goes_on_with_the_conversation_of_an_earlier_one() -> None:
    nodes = {
        "start": "start",
        "first": agent(prompt="Say it"),
        "again": agent(prompt="Once more", continues="first"),
        "end": ("end", {"output": "=nodes.again.output"}),
    }
    place = Workplace(drawing(nodes, "start > first", "first > again", "again > end"))
    place.start(created_by=ANN)
    first = place.task_id("first")
    place.answer("first", "it")
    task = place.view.read(AI_TASK, place.task_id("again"))
    assert task.requested is not None
    assert task.requested.continues == first
    said = conversation_of([place.view.read(AI_TASK, first)])
    assert said == (UserMessage("Say it"), AssistantMessage("it"))
    nodes["first"] = agent(prompt="Say it", continues="again")
    nodes["again"] = agent(prompt="Say it", continues="nobody")
    found = validate(drawing(nodes, "start > first", "first > again", "again > end"), EVALUATOR)
    assert [finding.path for finding in found if finding.severity == "error"] == ["/nodes/2/config/continues"]
    fresh = Workplace(drawing({**nodes, "again": agent()}, "start > first", "first > again", "again > end"))
    fresh.start(created_by=ANN)
    begun = fresh.view.read(AI_TASK, fresh.task_id("first")).requested
    assert begun is not None
    assert begun.continues is None

"""A story's AI agents that use tools and ask people: what their loop appends, by hand, and what comes of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.ai_task import (
    AI_TASK,
    AiTask,
    AiTaskRequested,
    Call,
)
from domain.approval import APPROVAL, Approval
from domain.execution import ExecutionCompleted
from domain.facts import Decided, Event, Fact, Fence, Job, Json, View
from engine.ai_messages import CallMessage, ToolMessage, messages_of
from engine.ai_tasks import start_call, succeed_attempt, succeed_call
from engine.jobs import JobRef
from engine.timers import fire
from tests.engine.drawing import ANN, BEN, drawing
from tests.engine.working import Workplace, agent, found

REFUND: Json = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "maximum": 100}, "to": {"type": "string"}},
    "required": ["amount", "to"],
    "additionalProperties": False,
}


def tool(name: str = "refund", type: str = "http", policy: Json = None, **more: Json) -> Json:
    about = {"request": {"url": "https://shop.example/"}} if type == "http" else {}
    written = {"name": name, "type": type, "description": "Pays back", "parameters": REFUND, **about, **more}
    return written if policy is None else {**written, "policy": policy}


class Agency(Workplace):
    """An execution of Ann's whose node `ai` is an agent."""

    @classmethod
    def asked(cls, *tools: Json, limited: bool = False, **config: Any) -> "Agency":
        within = {"timeout": "PT1H"} if limited else {}
        nodes = {
            "start": "start",
            "ai": agent(name="Support", tools=list(tools), **config, **within),
            "end": ("end", {"output": "=nodes.ai.output"}),
            "broken": ("end", {"output": "=nodes.ai.error"}),
        }
        place = cls(drawing(nodes, "start > ai", "ai > end", "ai.error > broken", "ai.timeout > broken"))
        place.start({"claim": 7}, created_by=ANN)
        return place

    def with_fields(self, **fields: Any) -> "Agency":
        def changed(fact: Fact) -> Fact:
            event = fact.event
            return replace(fact, event=replace(event, **fields)) if isinstance(event, AiTaskRequested) else fact

        view = replace(self.story.view, facts=tuple(map(changed, self.story.view.facts)))
        self.story = replace(self.story, view=view)
        return self

    @property
    def id(self) -> UUID:
        return next(fact.stream_id for fact in self.view.facts if isinstance(fact.event, AiTaskRequested))

    @property
    def task(self) -> AiTask:
        return self.view.read(AI_TASK, self.id)

    @property
    def came_to(self) -> Json:
        """The output of the execution, which is over."""
        assert isinstance(self.end, ExecutionCompleted), self.end
        return self.end.output

    @property
    def said(self) -> str:
        """What the model was told last."""
        last = messages_of(self.task)[-1]
        return last.content if isinstance(last, ToolMessage) else last.text or ""

    @property
    def told(self) -> list[Event]:
        """What the last decision appended to the task."""
        return [fact.event for fact in self.story.decided.facts if fact.stream_id == self.id]

    @property
    def job(self) -> Job | None:
        return next((job for job in self.story.jobs.values() if job.task_id == self.id), None)

    @property
    def requests(self) -> list[UUID]:
        return [question.request_id for question in self.task.questions]

    def request(self, number: int = 0) -> Approval:
        return self.view.read(APPROVAL, self.requests[number])

    def called(self, *calls: tuple[str, Json]) -> "Agency":
        """The model is called, and asks for these tools."""
        attempt_id, job = self.attempt_by(self._held()), self._held()
        asked = [CallMessage(f"call_{number}", name, arguments) for number, (name, arguments) in enumerate(calls)]
        about: Any = {"jitter": 0.5, "latency_ms": 7, "provider": "offline", "model": "echo", "text": "Hm."}
        return self._step(lambda view: succeed_attempt(view, self.engine, job, attempt_id, None, calls=asked, **about))

    def asks(self, ask: Callable[..., Decided], *about: Any) -> "Agency":
        """Whoever holds its job asks people."""
        self.by_hand = True
        return self._step(lambda view: self._fenced(view, ask(view, self.engine, self.id, view.read(AI_TASK, self.id), *about)))

    def concluded(self, output: Json) -> "Agency":
        """The model answers, and what it says is reviewed where that is wanted."""
        attempt_id = self.attempt_by(self._held())
        self.report(self._held(), attempt_id, output)
        return self

    def runs(self, call_id: UUID, result: Json = "done") -> "Agency":
        """The tool is called, and answers."""
        job, number = self._held(), self.call(call_id).number + 1
        self.starts(call_id)
        return self._step(lambda view: succeed_call(view, self.engine, job, call_id, number, result))

    def starts(self, call_id: UUID) -> "Agency":
        job = self._held()
        return self._step(lambda view: start_call(view, self.engine, job, call_id, worker_id="w"))

    def call(self, call_id: UUID) -> Call:
        found = self.task.call(call_id)
        assert found is not None
        return found

    def _fenced(self, view: View, decided: Decided) -> Decided:
        """Under the fence of the job, which is done with where the task waits then."""
        after = view.read(AI_TASK, self.id)
        for fact in decided.facts:
            after = AI_TASK.evolve(after, fact.event) if fact.stream_id == self.id else after
        return replace(decided, fences=(Fence(self._held().id, 1, "done" if after.status == "waiting" else "keep"),))

    def _held(self) -> JobRef:
        job = self.job
        assert job is not None, f"it waits: {self.task.status}"
        return JobRef(job.id, 1, job.execution_id, job.activation_id, job.task_id, job.type)

    def _step(self, decision: Any) -> "Agency":
        self.step(decision)
        return self

    def decides(self, outcome: str, number: int = 0, by: UUID = BEN, **more: Any) -> "Agency":
        self.decide(self.requests[number], outcome, by, ("approver",), **more)
        return self

    def run_out(self, number: int = 0) -> "Agency":
        """The request's time is up."""
        (timer,) = [each for each in self.story.timers.values() if each.owner_id == self.requests[number]]
        return self._step(lambda view: fire(view, self.engine, found(timer)))

"""An AI agent whose model, tools and people do whatever may be done, by chance."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

from domain.ai_task.steps import CallModel, CallTool, next_step
from domain.facts import Json
from domain.retry import Failure
from engine.ai_messages import CallMessage
from engine.ai_tasks import fail_call
from engine.engine import cancel
from engine.jobs import JobRef
from tests.engine.agents import Agency, tool
from tests.engine.drawing import EXECUTION_ID

ASK = {"deny": "arguments.amount > 90", "ask": "arguments.amount > 20", "by": {"roles": ["approver"]}}
REVIEW = {"when": "always", "by": {"roles": ["approver"]}}
TRIES = {"max_attempts": 3}


class Agents:
    """One of them, played to its end or to somewhere in between."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        review = {"review": REVIEW} if self.random.random() < 0.4 else {}
        tools = tool(policy=ASK, retry=TRIES), tool("look")
        self.place = Agency.asked(*tools, retry=TRIES, limited=self.random.random() < 0.2, **review)

    def play(self) -> Agency:
        for _ in range(self.random.choice((3, 12, 60))):
            if self.place.task.closed:
                break
            self.turn()
        return self.place

    def turn(self) -> None:
        place = self.place
        step = next_step(place.task)
        asked = [number for number in range(len(place.requests)) if place.request(number).status == "pending"]
        if self.random.random() < 0.03:
            place.step(lambda view: cancel(view, place.engine, EXECUTION_ID))
        elif asked and self.random.random() < 0.7:
            place.decides(self.random.choice(("approved", "approved", "rejected")), self.random.choice(asked))
        elif isinstance(step, CallTool):
            self.run(step)
        elif isinstance(step, CallModel) and place.job is not None:
            self.random.choice((self.calls, self.calls, self.fails, self.says))()
        place.story = replace(place.story, refusal=None)

    def calls(self) -> None:
        asked = [CallMessage(f"call_{number}", *self.a_call()) for number in range(self.random.randint(1, 3))]
        self.attempts(lambda job, attempt_id: self.place.report(job, attempt_id, None, calls=asked, text="Hm."))

    def a_call(self) -> tuple[str, Json]:
        name = self.random.choice(("refund", "refund", "look", "nothing"))
        return name, {"amount": self.random.randrange(1, 110), "to": self.random.choice(("Ann", "Ben"))}

    def says(self) -> None:
        self.attempts(lambda job, attempt_id: self.place.report(job, attempt_id, "Done."))

    def fails(self) -> None:
        failure = Failure("busy", "Later.", self.random.random() < 0.8)
        self.attempts(lambda job, attempt_id: self.place.report_failure(job, attempt_id, failure))

    def attempts(self, ends: Callable[[JobRef, UUID], object]) -> None:
        """Nothing is asked where it has come to one of its bounds."""
        job = self.place._held()
        attempt_id = self.place.attempt_by(job)
        if not self.place.task.closed:
            ends(job, attempt_id)

    def run(self, step: CallTool) -> None:
        place, job = self.place, self.place._held()
        if self.random.random() < 0.6:
            place.runs(step.call_id, {"paid": self.random.randrange(9)})
            return
        place.starts(step.call_id)
        call = place.call(step.call_id)
        more: dict[str, Any] = self.random.choice(({}, {"latency_ms": 5}))
        failure = Failure("busy", "Later.", self.random.random() < 0.7)
        place.step(lambda view: fail_call(view, place.engine, job, call.id, call.number, failure, jitter=0.5, **more))

"""Definitions in a few words, and the usual beginnings of a story about an execution."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from domain.execution import (
    EXECUTION,
    ActivationStarted,
    Execution,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
)
from domain.facts import Decided, Fact, Json, View
from domain.workflow import WorkflowDrafted, WorkflowPublished
from engine.cel import CelEvaluator
from engine.engine import Decider, Engine, EngineLimits, decide_approval, open_items, start
from tests.given import FactsView, Story, given

WORKFLOW_ID = UUID(int=0xF)
EXECUTION_ID = UUID(int=0xE)
ANN, BEN = UUID(int=0xA1), UUID(int=0xA2)
EVALUATOR = CelEvaluator()


def drawing(nodes: dict[str, Any], *edges: str, **more: Json) -> Json:
    """nodes: id → type, (type, config) or (type, config, other fields); edges: "a > b", "a.handle > b", "a > b if <CEL>"."""
    drawn = [
        {"id": node_id, "type": kind, "config": {}}
        if isinstance(kind, str)
        else {"id": node_id, "type": kind[0], "config": kind[1]} | (kind[2] if len(kind) > 2 else {})
        for node_id, kind in nodes.items()
    ]
    return {
        "key": "test",
        "name": "Test",
        "triggers": [{"type": "manual"}],
        "nodes": drawn,
        "edges": [_edge(e) for e in edges],
        **more,
    }


def _edge(text: str) -> Json:
    line, _, when = text.partition(" if ")
    source, _, target = line.partition(" > ")
    source, _, handle = source.partition(".")
    edge = {"source": source, "target": target} | ({"source_handle": handle} if handle else {})
    return edge | ({"when": when} if when else {})


def ask(*outcomes: str, **more: Json) -> tuple[str, Json]:
    """An approval node; an outcome is "name:kind" or "name:kind:role"."""
    config: Json = {"title": "Please decide", **more}
    if outcomes:
        config["outcomes"] = [_outcome(*outcome.split(":")) for outcome in outcomes]
    return "approval", config


def _outcome(name: str, kind: str, role: str = "") -> Json:
    return {"name": name, "kind": kind} | ({"by": {"roles": [role]}} if role else {})


def published(definition: Json) -> Story:
    return given(
        [
            Fact(WORKFLOW_ID, WorkflowDrafted(definition["key"], definition["name"], definition)),
            Fact(WORKFLOW_ID, WorkflowPublished(1, definition)),
        ]
    )


class Play:
    """An execution played step by step. Every step is a decision of the engine on the facts so far."""

    def __init__(self, definition: Json, limits: EngineLimits | None = None, evaluator: Any = EVALUATOR) -> None:
        self.engine = Engine(evaluator, limits or EngineLimits())
        self.story = published(definition)

    def start(self, input: Json = None, **more: Any) -> "Play":
        return self.step(
            lambda view: start(view, self.engine, workflow_id=WORKFLOW_ID, execution_id=EXECUTION_ID, input=input, **more)
        )

    def step(self, decision: Callable[[View], Decided]) -> "Play":
        self.story = self.story.when(decision)
        return self

    def choose(self, node_id: str, outcome: str, by: UUID = ANN, roles: tuple[str, ...] = (), **more: Any) -> "Play":
        """Decide the request of a node that was opened first."""
        request_id = next(UUID(item["id"]) for item in self.open if item["node_id"] == node_id)
        return self.decide(request_id, outcome, by, roles, **more)

    def decide(self, request_id: UUID, outcome: str, by: UUID = ANN, roles: tuple[str, ...] = (), **more: Any) -> "Play":
        decider = Decider(by, frozenset(roles))
        return self.step(lambda view: decide_approval(view, self.engine, request_id, decider, outcome=outcome, **more))

    def refused(self, code: str, *paths: str) -> "Play":
        self.story = self.story.then_refused(code, *paths)
        return self

    def later(self, span: timedelta) -> "Play":
        """Time passes."""
        self.story = replace(self.story, view=replace(self.view, now=self.view.now + span))
        return self

    @property
    def view(self) -> FactsView:
        assert self.story.refusal is None, repr(self.story.refusal)
        return self.story.view

    @property
    def state(self) -> Execution:
        return self.view.read(EXECUTION, EXECUTION_ID)

    @property
    def open(self) -> list[dict[str, str]]:
        return open_items(self.state)

    @property
    def asking(self) -> list[str]:
        return [item["node_id"] for item in self.open]

    @property
    def visited(self) -> list[str]:
        return [event.node_id for event in self.view.events(EXECUTION_ID) if isinstance(event, ActivationStarted)]

    @property
    def end(self) -> ExecutionCompleted | ExecutionFailed | ExecutionCancelled | None:
        last = self.view.events(EXECUTION_ID)[-1]
        return last if isinstance(last, ExecutionCompleted | ExecutionFailed | ExecutionCancelled) else None

    def completed(self, output: Json = None) -> "Play":
        assert self.end == ExecutionCompleted(output)
        return self

    def failed(self, code: str, node_id: str | None = None) -> "Play":
        assert isinstance(self.end, ExecutionFailed), self.end
        assert (self.end.code, self.end.node_id) == (code, node_id), self.end
        return self

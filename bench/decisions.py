"""Decisions a second on one request with very many people and steps: each is to take less than 50 ms, whoever is asked."""

import time
from functools import partial
from uuid import UUID

from bench.figures import Contender, Lost, Rates, Ratio, Result, in_turn
from bench.ledgers import ENVELOPE, open_ledgers
from bench.played import no_faults
from bench.sizes import Sizes
from bench.stage import Stage, run
from domain import workflow
from domain.approval import APPROVAL, Decider
from domain.facts import Json
from engine.cel import CelEvaluator
from engine.engine import Engine, decide_approval, start
from runtime.ids import new_id
from store.command import Command
from store.handler import Decide, Handler, open_handler

LONGEST_MS = 50
ENOUGH = 1000 / LONGEST_MS


def definition(steps: int, *, at_once: bool) -> Json:
    """An approval of so many steps, in each of which all of `input.people` are asked and one approves."""
    by = {"users": ["=input.people"]}
    rule = {"type": "multiple", "count": 1, "members": "at_start"}
    beside = {"parallel_with": "s1"} if at_once else {}
    asked = [{"name": f"s{number}", "by": by, "rule": rule, **(beside if number > 1 else {})} for number in range(1, steps + 1)]
    return {
        "key": f"steps-{steps}-{'at-once' if at_once else 'in-turn'}",
        "name": "Steps",
        "triggers": [{"type": "manual"}],
        "nodes": [
            {"id": "start", "type": "start", "config": {}},
            {"id": "ask", "type": "approval", "config": {"title": "Pay?", "steps": asked}},
            {"id": "end", "type": "end", "config": {}},
        ],
        "edges": [
            {"source": "start", "target": "ask"},
            *({"source": "ask", "source_handle": name, "target": "end"} for name in ("approved", "rejected")),
        ],
    }


class Asked:
    """A ledger with requests, each of which is decided step by step, by another person each time."""

    def __init__(self, on: Stage) -> None:
        self.on = on
        (self.ledger,) = open_ledgers(on, 1)
        self.engine = Engine(CelEvaluator())
        self.longest: dict[str, float] = {}
        """Milliseconds of a decision, by what was decided."""

    def decided_a_second(self, name: str, people: int, steps: int, *, at_once: bool) -> float:
        return run(self._decided(name, people, steps, at_once=at_once))

    async def _decided(self, name: str, people: int, steps: int, *, at_once: bool) -> float:
        asked = [UUID(int=number) for number in range(1, max(people, steps) + 1)]
        async with open_handler(self.on.addresses.system) as handler:
            request_id = await self._opened(handler, asked[:people], steps, at_once=at_once)
            begun = time.perf_counter()
            for number in range(steps):
                since = time.perf_counter()
                await self._decide(handler, request_id, asked[number % people], f"s{number + 1}")
                self.longest[name] = max(self.longest.get(name, 0.0), 1000 * (time.perf_counter() - since))
            seconds = time.perf_counter() - begun
            state, _ = await handler.read(self.ledger, APPROVAL, request_id)
            if state.status != "resolved" or len(state.decisions) != steps:
                raise Lost(f"{len(state.decisions)} decisions of {steps}, and the request is {state.status}")
        return steps / seconds

    async def _opened(self, handler: Handler, people: list[UUID], steps: int, *, at_once: bool) -> UUID:
        workflow_id = new_id()
        drawn = {**definition(steps, at_once=at_once), "key": f"asked-{workflow_id}"}
        await self._do(handler, lambda view: workflow.draft(view, workflow_id, drawn))
        await self._do(handler, lambda view: workflow.publish(view, workflow_id, no_faults(self.engine)))
        input = {"people": [str(one) for one in people]}
        started = await handler.handle(
            Command(self.ledger, "bench.start", ENVELOPE),
            lambda view: start(view, self.engine, workflow_id=workflow_id, input=input),
        )
        return UUID(started.result["open"][0]["id"])

    async def _decide(self, handler: Handler, request_id: UUID, one: UUID, step: str) -> None:
        await self._do(
            handler,
            lambda view: decide_approval(view, self.engine, request_id, Decider(one), outcome="approved", step=step),
        )

    async def _do(self, handler: Handler, decide: Decide) -> None:
        await handler.handle(Command(self.ledger, "bench.step", ENVELOPE), decide)


def bench(on: Stage, sizes: Sizes) -> Result:
    asked = Asked(on)
    people, steps = sizes.decided_people, sizes.decided_steps
    shapes = {
        "1 person, steps in turn": (1, False),
        f"{people:,} people, {steps} steps in turn": (people, False),
        f"{people:,} people, {steps} steps at once": (people, True),
    }
    contenders = [
        Contender(name, partial(asked.decided_a_second, name, many, steps, at_once=at_once))
        for name, (many, at_once) in shapes.items()
    ]
    rates = in_turn(contenders, sizes.rounds)
    limit = Rates(f"{LONGEST_MS} ms each", tuple(ENOUGH for _ in range(sizes.rounds)))
    notes = [
        f"{each.name}: {1000 / each.median:.1f} ms a decision, {asked.longest[each.name]:.1f} ms the longest" for each in rates
    ]
    return Result("decisions a second", rates, [Ratio(each, limit, 1.0) for each in rates], notes)

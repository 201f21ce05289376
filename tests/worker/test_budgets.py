"""A hundred tasks of two workers spend of one budget: each ends in success or a typed failure, and it is kept to the cent."""

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from uuid import uuid4

import pytest

from domain.ai_task import Usage
from domain.budget import BUDGET, BUDGET_PERIOD, Limits, Wish, budgets_id_of, period_id_of, set_budget
from domain.execution import ExecutionFailed
from domain.facts import Decided, Fact
from domain.workflow import WorkflowDrafted, WorkflowPublished
from projections.invariants import Invariants
from store.command import Command
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.worker.house import RETRY, WHO, House, ScriptedProvider, at_work, house, worker_of
from worker.ai.provider import AiAnswer, AiCall, AiError, CallReport, Price

TASKS = 100
LIMIT = Decimal("20.00")
DEAREST = Decimal("0.50")
SCHEMA = {"type": "object", "properties": {"said": {"type": "string"}}, "required": ["said"]}


@dataclass
class Double(ScriptedProvider):
    """Turns 30 % of the calls away, answers 10 % by what makes no sense, and knows what it was paid."""

    random: Random = field(default_factory=lambda: Random(0))
    paid: Decimal = Decimal(0)
    asked: int = 0

    async def call(self, call: AiCall) -> AiAnswer:
        self.asked += 1
        await asyncio.sleep(0)
        draw = self.random.random()
        if draw < 0.3:
            raise AiError("rate_limit", "Too many requests.")
        cost = Decimal(self.random.randrange(1, 51)) / 100
        self.paid += cost
        report = CallReport(1, Usage(5, 5), Price(cost, "EUR"), "scripted", call.model, "stop")
        if draw < 0.4:
            raise AiError("invalid_output", "The answer is not JSON.", report=report, answered="Well …")
        return AiAnswer({"said": "done"}, "scripted", call.model, report)

    def price_of(self, _call: AiCall, _used: Usage) -> Price | None:
        """What it takes at most."""
        return Price(DEAREST, "EUR")


async def budget(home: House, wish: Wish) -> None:
    await home.handler.handle(Command(home.tenant_id, "budget.set", WHO), lambda view: set_budget(view, "all", wish))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1, 6))])
async def test_a_hundred_tasks_keep_within_the_budget(database: Database, seed: int) -> None:
    agent = ("ai_agent", {"model": "scripted", "prompt": "Say it", "output_schema": SCHEMA}, {"retry": RETRY})
    definition = {**drawing({"s": "start", "a": agent, "e": "end"}, "s > a", "a > e"), "key": "say"}
    doubles = Double(random=Random(2 * seed)), Double(random=Random(2 * seed + 1))
    workflow_id, executions = uuid4(), [uuid4() for _ in range(TASKS)]
    facts = WorkflowDrafted("say", "Say", definition), WorkflowPublished(1, definition)
    async with (
        house(database) as home,
        worker_of(database, provider=doubles[0]) as one,
        worker_of(database, provider=doubles[1]) as other,
    ):
        await budget(home, Wish(limits=Limits(cost=LIMIT), currency="EUR", period="total", soft=Decimal("0.8")))
        await home.handler.handle(
            Command(home.tenant_id, "publish", WHO), lambda _: Decided(tuple(Fact(workflow_id, fact) for fact in facts))
        )
        await asyncio.gather(*(home.start_another(workflow_id, each) for each in executions))
        async with at_work(one), at_work(other):
            ended = [await home.ended(each) for each in executions]
        wrong = {each.event.code for each in await home.events() if isinstance(each.event, ExecutionFailed)}
        assert {each.status for each in ended} == {"completed", "failed"}
        assert "budget_exceeded" in wrong
        assert wrong <= {"budget_exceeded", "rate_limit", "invalid_output"}
        of = (await home.handler.recall(home.tenant_id, BUDGET, budgets_id_of(home.tenant_id))).of["all"]
        period, _ = await home.handler.read(home.tenant_id, BUDGET_PERIOD, period_id_of(of.id, "", None))
        paid = sum((double.paid for double in doubles), Decimal(0))
        assert (period.used.cost, period.reserved.cost, period.open) == (paid, Decimal(0), 0)
        assert paid <= LIMIT
        assert paid > LIMIT / 4, "it was not only put aside"
        rules = Invariants()
        for record in await home.events():
            rules.see(record)
        assert [*rules.broken, *rules.ai.budgets.left()] == []
        topics = await home.topics("budget.")
        asked = sum(double.asked for double in doubles)
        assert (topics.count("budget.reserved.v1"), topics.count("budget.settled.v1")) == (asked, asked)
        assert (topics.count("budget.warned.v1"), topics.count("budget.exhausted.v1")) == (1, 1)

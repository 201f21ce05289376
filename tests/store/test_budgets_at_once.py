"""A hundred tasks of two processes spend of one budget at a time: it is kept, to the cent."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from uuid import UUID

import psycopg
import pytest

from domain.budget import (
    BUDGET,
    BUDGET_PERIOD,
    Amounts,
    BudgetRefusal,
    Limits,
    Reserved,
    Subjects,
    Wish,
    budgets_id_of,
    period_id_of,
    reserve,
    set_budget,
    settle,
)
from domain.envelope import Envelope
from domain.facts import Decided, View
from store.command import Command
from store.handler import Decide, Handler
from tests.store.handling import Process

TASKS, AT_ONCE = 100, 100
LIMIT = Decimal("20.00")
ASIDE = Decimal("0.50")
RATE_LIMITED, MALFORMED = 0.3, 0.1
ATTEMPTS = 4


@dataclass
class Spent:
    """What the test itself knows: it asked the provider's double, and adds up."""

    cost: Decimal = Decimal(0)
    calls: int = 0
    most: Decimal = Decimal(0)
    aside: Decimal = Decimal(0)

    def moved(self, aside: Decimal, cost: Decimal = Decimal(0)) -> None:
        self.aside, self.cost = self.aside + aside, self.cost + cost
        self.most = max(self.most, self.cost + self.aside)


async def do(handler: Handler, tenant: UUID, decide: Decide) -> None:
    await handler.handle(Command(tenant, "test.spend", Envelope("system", "test")), decide)


async def attempt(handler: Handler, tenant: UUID, task: int, number: int, random: Random, spent: Spent) -> str | BudgetRefusal:
    """One call of the double, which costs what it costs: 30 % are turned away, and 10 % make no sense and cost all the same."""
    task_id, call_id = UUID(int=task), UUID(int=task * 100 + number)
    made: list[Reserved] = []

    def begin(view: View) -> Decided:
        made.append(reserve(view, Subjects(task_id), call_id, Amounts(100, ASIDE, "EUR", calls=1)))
        return Decided(made[-1].facts)

    await do(handler, tenant, begin)
    reserved = made[-1]
    if reserved.refused is not None:
        return reserved.refused
    spent.moved(ASIDE)
    await asyncio.sleep(0)  # the call: others have their turn
    draw = random.random()
    cost = Decimal(0) if draw < RATE_LIMITED else Decimal(random.randrange(1, 51)) / 100
    used = Amounts(100, cost, "EUR", calls=1)
    spent.moved(-ASIDE, cost)
    spent.calls += 1
    await do(handler, tenant, lambda view: Decided(settle(view, task_id, call_id, reserved.reservations, used)))
    if draw < RATE_LIMITED:
        return "rate_limit"
    return "invalid_output" if draw < RATE_LIMITED + MALFORMED else "completed"


async def task(handler: Handler, tenant: UUID, number: int, seed: int, spent: Spent) -> str:
    random = Random(seed * TASKS + number)
    outcome = "none"
    for attempted in range(ATTEMPTS):
        came = await attempt(handler, tenant, number + 1, attempted, random, spent)
        if isinstance(came, BudgetRefusal):
            return came.failure.type
        outcome = came
        if outcome == "completed":
            break
    return outcome


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1, 10))])
async def test_a_budget_holds_to_the_cent(
    process: Process, other: Process, tenant: UUID, ledger: psycopg.Connection[object], seed: int
) -> None:
    wish = Wish(limits=Limits(cost=LIMIT), currency="EUR", period="total", soft=Decimal("0.8"))
    await do(process.handler, tenant, lambda view: set_budget(view, "all", wish))
    spent = Spent()
    handlers = (process.handler, other.handler)
    outcomes = await asyncio.gather(*(task(handlers[number % 2], tenant, number, seed, spent) for number in range(TASKS)))
    assert set(outcomes) <= {"completed", "rate_limit", "invalid_output", "budget_exceeded"}
    assert {"completed", "budget_exceeded"} <= set(outcomes), "some were done, and the money went"
    assert spent.cost + spent.aside <= spent.most <= LIMIT, "at no moment was more put aside and spent"
    left = Random(seed)
    for number in range(1000):  # what was put aside and not used is there for others
        if isinstance(await attempt(handlers[number % 2], tenant, TASKS + 1, number, left, spent), BudgetRefusal):
            break
    budget = (await process.handler.recall(tenant, BUDGET, budgets_id_of(tenant))).of["all"]
    period_id = period_id_of(budget.id, "", None)
    for handler in handlers:
        period, _ = await handler.read(tenant, BUDGET_PERIOD, period_id)
        assert (period.used.cost, period.open) == (spent.cost, 0)
        assert period.reserved.cost == 0
    assert LIMIT - ASIDE < spent.cost <= LIMIT, "and nothing is left that another call would have got"
    (row,) = ledger.execute(TOLD, [tenant]).fetchall()
    assert row == (1, 1, spent.calls, spent.calls)


TOLD = """
SELECT count(*) FILTER (WHERE topic = 'budget.warned.v1'), count(*) FILTER (WHERE topic = 'budget.exhausted.v1'),
       count(*) FILTER (WHERE topic = 'budget.reserved.v1'), count(*) FILTER (WHERE topic = 'budget.settled.v1')
  FROM ledger.events WHERE tenant_id = %s
"""

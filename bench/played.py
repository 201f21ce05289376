"""Ledgers in which a workflow was really played: started, routed by a condition, decided by a person."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api import provisioning
from bench.figures import Lost
from bench.stage import Stage, run
from cli.preparing import opened
from domain import workflow
from domain.approval import Decider
from domain.envelope import PLATFORM
from domain.facts import FieldError, Json
from engine.cel import CelEvaluator
from engine.engine import Engine, decide_approval, start
from engine.validate import errors, validate
from runtime.ids import new_id
from store.command import Command
from store.handler import Handler

ROLE = "signer"
DEFINITION: dict[str, Any] = {
    "key": "bench",
    "name": "Bench",
    "description": "One condition, one person.",
    "input_schema": {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]},
    "triggers": [{"type": "manual"}],
    "nodes": [
        {"id": "start", "type": "start", "config": {}},
        {
            "id": "size",
            "type": "condition",
            "config": {"branches": [{"handle": "large", "when": "input.amount > 100"}], "default": "small"},
        },
        {
            "id": "manager",
            "type": "approval",
            "config": {
                "title": "='Expense of ' + string(input.amount) + ' EUR'",
                "rule": {"type": "single"},
                "outcomes": [
                    {"name": "approved", "kind": "approve", "by": {"roles": [ROLE]}},
                    {"name": "rejected", "kind": "reject", "by": {"roles": [ROLE]}},
                ],
            },
        },
        {"id": "done", "type": "end", "config": {}},
    ],
    "edges": [
        {"source": "start", "source_handle": "success", "target": "size"},
        {"source": "size", "source_handle": "large", "target": "manager"},
        {"source": "size", "source_handle": "small", "target": "done"},
        {"source": "manager", "source_handle": "approved", "target": "done"},
        {"source": "manager", "source_handle": "rejected", "target": "done"},
    ],
}
PLAYERS = 32
SYSTEM = provisioning.SYSTEM


@dataclass(frozen=True)
class Played:
    tenant_id: UUID
    events: int
    """In the tenant's ledger, its seeded roles included."""


def play(on: Stage, executions: int) -> Played:
    """A new tenant with that many executions, each started and decided. Raises Lost."""
    return run(_play(on, executions))


async def _play(on: Stage, executions: int) -> Played:
    engine = Engine(CelEvaluator())
    person = Decider(new_id(), frozenset({ROLE}))
    async with opened(on.addresses) as (handler, connection):
        body = {"slug": f"bench-{new_id().hex[-12:]}", "name": "Bench"}
        created = await provisioning.create_tenant(handler, connection, Command(PLATFORM, "tenant.create", SYSTEM), body)
        tenant_id, workflow_id = UUID(created.result["id"]), new_id()
        await handler.handle(
            Command(tenant_id, "workflow.draft", SYSTEM), lambda view: workflow.draft(view, workflow_id, DEFINITION)
        )
        await handler.handle(
            Command(tenant_id, "workflow.publish", SYSTEM), lambda view: workflow.publish(view, workflow_id, no_faults(engine))
        )
        waiting = iter(range(executions))

        async def player() -> None:
            for number in waiting:
                await _one(handler, engine, tenant_id, workflow_id, person, 101 + number)

        async with asyncio.TaskGroup() as group:
            for _ in range(PLAYERS):
                group.create_task(player())
        cursor = await connection.execute("SELECT count(*), max(position) FROM ledger.events WHERE tenant_id = %s", (tenant_id,))
        count, last = await cursor.fetchone() or (0, 0)
    if count != last:
        raise Lost(f"{count} events up to position {last}")
    return Played(tenant_id, count)


def no_faults(engine: Engine) -> workflow.Check:
    def check(definition: Json) -> workflow.Checked:
        found = validate(definition, engine.evaluator)
        return workflow.Checked(tuple(FieldError(each.path, each.code, each.message) for each in errors(found)))

    return check


async def _one(handler: Handler, engine: Engine, tenant_id: UUID, workflow_id: UUID, person: Decider, amount: int) -> None:
    started = await handler.handle(
        Command(tenant_id, "execution.start", SYSTEM),
        lambda view: start(view, engine, workflow_id=workflow_id, input={"amount": amount}),
    )
    (request,) = started.result["open"]
    decided = await handler.handle(
        Command(tenant_id, "approval.decide", SYSTEM),
        lambda view: decide_approval(view, engine, UUID(request["id"]), person, outcome="approved"),
    )
    if decided.result["execution"]["status"] != "completed":
        raise Lost(f"an execution that was decided is {decided.result['execution']['status']}")

"""A long execution among several processes: each that has lost its state goes on from a snapshot, or without one."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import psycopg

from projections.verify import verify
from tests.api.behind import agent
from tests.api.conftest import Client, Gesta, Tenant, gesta, serving
from tests.faults.platform import PATIENCE
from tests.faults.test_in_turns import api_process, process

__all__ = ["gesta"]

TURNS = 30
CONFIG = {"branches": [{"handle": "last", "when": "nodes.count.output.turn < 0"}], "default": "again"}
LOOP: dict[str, Any] = {
    "key": "loop",
    "name": "A loop",
    "triggers": [{"type": "manual"}],
    "nodes": [
        {"id": "start", "type": "start", "config": {}},
        {"id": "wait", "type": "wait_event", "config": {"event_type": "turn"}},
        {"id": "count", "type": "set", "config": {"values": {"turn": "=nodes.wait.output.data.turn"}}},
        {"id": "more", "type": "condition", "config": CONFIG},
        agent("say"),
        {"id": "end", "type": "end", "config": {"output": "=nodes.say.output"}},
    ],
    "edges": [
        {"source": "start", "target": "wait"},
        {"source": "wait", "target": "count"},
        {"source": "count", "target": "more"},
        {"source": "more", "source_handle": "again", "target": "say"},
        {"source": "more", "source_handle": "last", "target": "end"},
        {"source": "say", "source_handle": "success", "target": "wait"},
    ],
}
SNAPSHOTS = "SELECT count(*) FROM runtime.snapshots WHERE stream_id = %s"
DAMAGED = "UPDATE runtime.snapshots SET state = set_byte(state, length(state) - 3, 57)"


async def waiting(client: Client, execution_id: str) -> None:
    """Until its `wait` is open again."""
    async with asyncio.timeout(PATIENCE):
        while True:
            waits = (await client.get(f"/executions/{execution_id}/waits")).json()["items"]
            if [each["node_id"] for each in waits] == ["wait"]:
                return
            await asyncio.sleep(0.01)  # nothing tells


async def turn(client: Client, execution_id: str, number: int) -> None:
    await waiting(client, execution_id)
    said = await client.post(f"/executions/{execution_id}/signal", {"name": "turn", "payload": {"turn": number}})
    assert said.status_code == 200, said.text


async def test_a_loop_goes_on_in_processes_that_never_heard_of_it(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(LOOP)
    database = gesta.database
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(process(database, "worker"))
        ours = [acme.admin]
        ours += [of(acme, await stack.enter_async_context(api_process(database))) for _ in range(2)]
        execution_id = (await acme.admin.post("/executions", {"workflow_key": "loop"})).json()["id"]
        for number in range(TURNS):
            await turn(ours[number % len(ours)], execution_id, number)
        await waiting(acme.admin, execution_id)
        async with serving(database) as http:  # who has to read much of it sees to it that the next one need not
            await turn(of(acme, http), execution_id, TURNS)
        with psycopg.connect(database.system_url, autocommit=True) as ledger:
            async with asyncio.timeout(PATIENCE):
                while ledger.execute(SNAPSHOTS, (execution_id,)).fetchone() == (0,):  # noqa: ASYNC110 - it sets no event
                    await asyncio.sleep(0.02)
            async with serving(database) as http:
                await turn(of(acme, http), execution_id, TURNS + 1)
            await waiting(acme.admin, execution_id)
            ledger.execute(DAMAGED)
            async with serving(database) as http:
                await turn(of(acme, http), execution_id, -1)
    ended = (await acme.admin.get(f"/executions/{execution_id}", wait="30")).json()
    assert ended["status"] == "completed", ended
    async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        assert (await verify(conn, acme.id)).holds


def of(acme: Tenant, http: Any) -> Client:
    return Client(http, acme.admin.token).with_headers(Gesta_Tenant=acme.slug)

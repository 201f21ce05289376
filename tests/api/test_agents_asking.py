"""An agent that asks people, over HTTP: two API processes and a worker; a call is edited, one is denied, one expires."""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from domain.ai_task import AI_TASK
from engine.ai_messages import ToolMessage, messages_of
from projections.verify import verify
from store.handler import open_handler
from tests.api.conftest import Client, Gesta, Tenant, serving
from tests.api.receiving import until
from tests.engine.drawing import drawing
from tests.worker.house import at_work, worker_of
from tests.worker.test_ai_loop import Offline

PARAMETERS = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "maximum": 100}, "to": {"type": "string"}},
    "required": ["amount", "to"],
    "additionalProperties": False,
}
ASK = {"ask": True, "by": {"roles": ["approver"]}, "exclude": ["requester"]}
ANSWERS = [
    {"calls": [{"tool": "pay", "arguments": {"amount": each, "to": "Ann"}} for each in (90, 40)]},
    {"calls": [{"tool": "hold", "arguments": {"amount": 1, "to": "Ann"}}]},
    {"text": "Done."},
]


def tool(name: str, **policy: Any) -> dict[str, Any]:
    return {"name": name, "type": "workflow", "workflow_key": "payout", "parameters": PARAMETERS, "policy": {**ASK, **policy}}


def agent() -> Any:
    config = {
        "model": "offline/script",
        "prompt": "Go.",
        "input": {"answers": ANSWERS},
        "tools": [tool("pay"), tool("hold", timeout="PT1S")],
        "review": {"when": "always", "by": {"roles": ["approver"]}},
    }
    nodes = {"s": "start", "a": ("ai_agent", config), "e": ("end", {"output": "=nodes.a.output"})}
    return drawing(nodes, "s > a", "a > e", key="support")


def payout() -> Any:
    return drawing({"s": "start", "e": ("end", {"output": "={'paid': input.amount}"})}, "s > e", key="payout")


async def pending(client: Client, execution_id: str, count: int) -> list[dict[str, Any]]:
    """The open requests of the agent, once there are so many, the dearest first."""
    found = list[dict[str, Any]]()

    async def there() -> bool:
        answer = await client.get("/approvals", execution_id=execution_id, status="pending")
        found[:] = [(await client.get(f"/approvals/{each['id']}")).json() for each in answer.json()["items"]]
        return len(found) == count

    await until(there)
    return sorted(found, key=lambda each: -each["request_data"]["context"].get("arguments", {"amount": 0})["amount"])


async def test_an_agent_is_allowed_corrected_denied_and_left_without_an_answer(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    for definition in (payout(), agent()):
        await acme.publish(definition)
    ann, ben = await acme.member("operator", "approver"), await acme.member("approver")
    async with serving(gesta.database) as http, worker_of(gesta.database, provider=Offline()) as worker, at_work(worker):
        other = Client(http, ben.client.token)
        started = (await ann.client.post("/executions", {"workflow_key": "support", "input": {}})).json()["id"]
        dear, cheap = await pending(other, started, 2)
        assert (dear["request_data"]["ai"]["purpose"], dear["requested_by"]) == ("tool", ann.user_id)
        assert dear["request_data"]["form"]["properties"]["amount"]["default"] == 90
        task_id = dear["ai_task_id"]
        await holds(gesta, acme)
        edit = {"outcome": "approved", "form": {"amount": 50}}
        for client in (ann.client, Client(http, ann.client.token)):
            refused = await client.post(f"/approvals/{dear['id']}/decide", edit)
            assert refused.json()["code"] == "excluded", refused.text
        unfit = await other.post(f"/approvals/{dear['id']}/decide", {"outcome": "approved", "form": {"amount": 500}})
        assert unfit.json()["errors"][0]["path"] == "/form/amount", unfit.text
        assert (await ben.client.get(f"/ai-tasks/{task_id}")).status_code == 403
        edited = await other.post(f"/approvals/{dear['id']}/decide", edit)
        assert edited.status_code == 200, edited.text
        assert edited.json()["execution"]["id"] == started
        no = {"outcome": "rejected", "comment": "He was paid already."}
        assert (await ben.client.post(f"/approvals/{cheap['id']}/decide", no)).status_code == 200
        (review,) = await review_of(other, started)
        letter = {"outcome": "approved", "form": {"output": "Dear Ann, done."}}
        assert (await other.post(f"/approvals/{review['id']}/decide", letter)).status_code == 200
        done = (await acme.admin.get(f"/executions/{started}", wait=30)).json()
    assert (done["status"], done["output"]) == ("completed", "Dear Ann, done.")
    task = (await acme.admin.get(f"/ai-tasks/{task_id}")).json()
    assert (task["status"], task["output"]) == ("completed", "Dear Ann, done.")
    await as_recorded(gesta, acme, task_id)


async def review_of(client: Client, execution_id: str) -> list[dict[str, Any]]:
    """Once the call that nobody decides has expired, and the model has answered."""
    found = list[dict[str, Any]]()

    async def there() -> bool:
        found[:] = [each for each in await pending(client, execution_id, 1) if each["request_data"]["ai"]["purpose"] == "review"]
        return bool(found)

    await until(there)
    return found


async def as_recorded(gesta: Gesta, acme: Tenant, task_id: str) -> None:
    """What the tools got and the model was told; and all tables, jobs and timers are as the events say."""
    async with open_handler(gesta.database.system_url) as handler:
        task, _ = await handler.read(acme.id, AI_TASK, UUID(task_id))
    dear, cheap, hold = (call for turn in task.turns for call in turn.calls)
    assert (dear.status, dear.edited, dear.result) == ("succeeded", True, {"paid": 50})
    told = [said.content for said in messages_of(task) if isinstance(said, ToolMessage)]
    assert told[0].startswith('A person replaced the arguments of this call by {"amount": 50, "to": "Ann"}.')
    assert (cheap.status, told[1]) == ("denied", "He was paid already.")
    assert (hold.status, hold.denied, told[2]) == ("denied", "expired", "Nobody allowed this call in time.")
    await holds(gesta, acme)


async def holds(gesta: Gesta, acme: Tenant) -> None:
    async with await AsyncConnection.connect(gesta.database.system_url, autocommit=True) as connection:
        await gesta.projector.catch_up()
        verdict = await verify(connection, acme.id)
    assert verdict.holds, verdict.broken

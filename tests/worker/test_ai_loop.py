"""Agents that use tools: each call of a model and of a tool is on record, and is made once."""

import json
from typing import Any

from domain.ai_task import AI_TASK, AiTask, AiTaskToolCallDenied
from domain.facts import Json
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.worker.house import House, ScriptedProvider, at_work, house, worker_of
from tests.worker.outbound.servers import LOOPBACK, answering, server
from worker.ai.offline import OfflineProvider
from worker.outbound.client import Outbound

PARAMETERS = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"], "additionalProperties": False}


class Offline(ScriptedProvider):
    """The offline models, as the registry would give them."""

    async def provider(self, _named: Any) -> Any:
        return OfflineProvider()


def tool(port: int, name: str = "lookup", **more: Json) -> Json:
    request = {"url": f"='http://127.0.0.1:{port}/items/' + string(arguments.id)", **more.pop("request", {})}
    return {"name": name, "type": "http", "parameters": PARAMETERS, "request": request, **more}


def agent_with(tools: list[Json], answers: list[Json], **config: Json) -> Json:
    fields = {name: config.pop(name) for name in ("retry", "timeout") if name in config}
    asked = {"model": "offline/script", "prompt": "Go.", "input": {"answers": answers}, "tools": tools, **config}
    nodes = {"s": "start", "a": ("ai_agent", asked, fields), "e": ("end", {"output": "=nodes.a.output"})}
    return drawing(nodes, "s > a", "a > e")


def calls(*ids: int, tool: str = "lookup") -> Json:
    return {"calls": [{"tool": tool, "arguments": {"id": id}} for id in ids]}


def ok(body: Json) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
        len(data),
        data,
    )


async def task_of(home: House) -> AiTask:
    (stream,) = {event.stream_id for event in await home.events() if event.topic == "ai_task.requested.v1"}
    return (await home.handler.read(home.tenant_id, AI_TASK, stream))[0]


async def test_an_agent_calls_its_tools_turn_by_turn_and_answers(database: Database) -> None:
    seen = list[bytes]()
    async with house(database) as home, server(answering(ok({"price": 7}), seen=seen)) as port:
        tools = [tool(port, policy={"deny": "arguments.id > 100"}), tool(port, "order", request={"method": "POST"})]
        answers = [calls(1, 101), calls(2, tool="order"), calls(1, tool="nothing"), {"text": "It costs {{last}}"}]
        way_out = Outbound(permitted=LOOPBACK)
        async with worker_of(database, provider=Offline(), outbound=way_out) as worker, at_work(worker):
            execution = await home.start(agent_with(tools, answers))
            ended = await home.ended(execution)
        task = await task_of(home)
        assert (ended.status, task.output) == ("completed", "It costs There is no tool nothing here.")
        statuses = [[call.status for call in turn.calls] for turn in task.turns]
        assert statuses == [["succeeded", "denied"], ["succeeded"], ["denied"], []]
        assert (task.totals.attempts, task.totals.tool_calls) == (4, 2)
        assert task.turns[0].calls[0].result == {"status": 200, "body": {"price": 7}}
        denied = [each.event.reason for each in await home.events() if isinstance(each.event, AiTaskToolCallDenied)]
        assert denied == ["policy", "not_allowed"]
        heads = [each.split(b"\r\n")[0] for each in seen]
        assert heads == [b"GET /items/1 HTTP/1.1", b"POST /items/2 HTTP/1.1"]
        assert f"Idempotency-Key: {task.turns[1].calls[0].id}".encode() in seen[1]
        assert home.jobs() == []

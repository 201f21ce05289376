"""Agents whose tools are those of MCP servers: what is sent, what is made of the answer, and what people are asked for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

import engine.nodes  # noqa: F401 - before parts of it
from domain import secret
from domain.ai_task import Call, ToolCall
from domain.approval import Decider
from domain.facts import Json
from domain.secret import secret_id_of
from engine.ai_forms import question_digest
from engine.ai_tools.mcp import lint, parameter_headers, resolved
from engine.approvals import decide_approval
from engine.mcp_forms import form_of
from runtime.ids import new_id
from runtime.master_keys import MasterKeys
from store import secrets
from store.command import Command
from store.secrets import Value
from tests.conftest import Database
from tests.planted import everywhere
from tests.worker.house import ENGINE, WHO, House, at_work, house, worker_of
from tests.worker.mcp_servers import Reply, http, recorded, replying, serving, shop
from tests.worker.outbound.servers import LOOPBACK, server
from tests.worker.test_ai_loop import Offline, agent_with, task_of
from worker.ai.tools.mcp import McpToolRunner
from worker.ai.tools.mcp_messages import MOST_MESSAGES, Until
from worker.ai.tools.runner import Answered, Asks, Broken, ToolOutcome
from worker.context import WorkerContext
from worker.outbound.client import Outbound

KEYS = MasterKeys([b"k" * 32])
CANARY = "canary-4f1c9d7e2b"
PARAMETERS = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
FORM = {"type": "object", "properties": {"iban": {"type": "string"}}, "required": ["iban"]}


def mcp(port: int, name: str = "price", **more: Json) -> Json:
    base = {"name": name, "type": "mcp", "url": f"http://127.0.0.1:{port}/mcp", "tool": name, "parameters": PARAMETERS}
    return base | more


@asynccontextmanager
async def acting(database: Database) -> AsyncIterator[tuple[House, WorkerContext]]:
    async with house(database) as home, worker_of(database, outbound=Outbound(permitted=LOOPBACK), master_keys=KEYS) as worker:
        yield home, worker.context


async def called(home: House, context: WorkerContext, tool: Json, *elicited: Json) -> ToolOutcome:
    arguments = {"id": 3}
    call = Call(ToolCall(uuid4(), tool["name"], arguments, "call_1"), "running", arguments, number=1, elicited=elicited)
    job: Any = SimpleNamespace(tenant_id=home.tenant_id)
    task: Any = None
    return await McpToolRunner().run(context, job, task, call, resolved(tool, tool))


async def keep_secret(home: House, context: WorkerContext, name: str, text: str) -> None:
    value = Value(home.tenant_id, new_id(), secret_id_of(home.tenant_id, name))
    async with context.pool.connection() as connection:
        await secrets.write(connection, KEYS, value, text)
    command = Command(home.tenant_id, "secret.create", WHO)
    await home.handler.handle(command, lambda view: secret.create(view, value.secret_id, name, value.id, ("127.0.0.1",)))


def failed(outcome: ToolOutcome) -> str:
    assert isinstance(outcome, Broken), outcome
    assert not outcome.failure.retryable
    return f"{outcome.failure.type}: {outcome.failure.message}"


async def test_servers_of_this_revision_and_of_earlier_ones_are_called(database: Database) -> None:
    seen, before = list[dict[str, str]](), list[dict[str, str]]()
    async with (
        acting(database) as (home, context),
        serving(recorded(shop([]).streamable_http_app(), seen)) as port,
        serving(recorded(shop([]).streamable_http_app(), before, earlier=True)) as earlier,
    ):
        await keep_secret(home, context, "shop_token", CANARY)
        auth = {"type": "bearer", "secret": "shop_token"}
        assert await called(home, context, mcp(port, auth=auth)) == Answered({"price": 21})
        (only,) = seen
        assert (only["mcp-method"], only["mcp-name"], only["authorization"]) == ("tools/call", "price", f"Bearer {CANARY}")
        assert UUID(only["idempotency-key"]).version
        assert await called(home, context, mcp(earlier, auth=auth)) == Answered({"price": 21})
        assert [each["method"] for each in before] == ["POST"] * 4 + ["DELETE"]
        assert len({each.get("mcp-session-id") for each in before[2:]}) == 1, "one session, which is ended"
        assert "There is no 3." in failed(await called(home, context, mcp(port, "broken")))
        assert "tool_error" in failed(await called(home, context, mcp(earlier, "broken")))
        assert await called(home, context, mcp(port, "picture")) == Answered("Look:\n[left out: image image/png, 9 bytes]")
        assert failed(await called(home, context, mcp(port, tool="nothing"))).startswith(("tool_error", "mcp_error"))
        assert "elicitation" in failed(await called(home, context, mcp(earlier, "refund"))), "nobody waits for people"
        assert isinstance(await called(home, context, mcp(port, "refund")), Asks)


def result(body: Json) -> Json:
    return {"jsonrpc": "2.0", "id": 1, "result": body}


def says(body: Json, *more: str, status: str = "200 OK") -> Reply:
    async def reply(_asked: Json, writer: asyncio.StreamWriter) -> None:
        writer.write(http(status, "application/json", json.dumps(body).encode(), *more))

    return reply


def streams(*messages: Json) -> Reply:
    """And keeps the connection open."""

    async def reply(_asked: Json, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        writer.writelines(b"event: message\ndata: %s\n\n" % json.dumps(each).encode() for each in messages)
        await writer.drain()
        await asyncio.Event().wait()

    return reply


def note(number: int) -> Json:
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": number}}


TEXT = {"content": [{"type": "text", "text": "Hi"}]}


def needing(method: str = "elicitation/create", **params: Json) -> Json:
    return result({"resultType": "input_required", "inputRequests": {"a": {"method": method, "params": params}}})


async def test_whatever_a_server_says_the_call_comes_to_an_end(database: Database) -> None:
    async with acting(database) as (home, context):
        await keep_secret(home, context, "shop_token", CANARY)

        async def answered(reply: Reply, *elicited: Json, requests: int = 1, **more: Json) -> ToolOutcome:
            asked = list[Json]()
            auth = {"type": "header", "name": "X-Shop", "secret": "shop_token"}
            async with server(replying(reply, asked)) as port:
                outcome = await called(home, context, mcp(port, auth=auth, **more), *elicited)
            assert len(asked) == requests, asked
            assert CANARY not in repr(outcome)
            return outcome

        assert await answered(streams(note(1), note(2), result(TEXT))) == Answered("Hi"), "it is not waited for the stream's end"
        asking = {"jsonrpc": "2.0", "id": 9, "method": "sampling/createMessage", "params": {}}
        assert failed(await answered(streams(note(1), asking))).startswith("unsupported_request")
        assert failed(await answered(streams(*map(note, range(MOST_MESSAGES + 1))))).startswith("too_many_messages")
        assert failed(await answered(streams(note(1)), request_timeout="PT0.3S")).startswith("request_timeout")
        assert "id is another" in failed(await answered(says({**result(TEXT), "id": 2})))
        assert "id is another" in failed(await answered(says({**result(TEXT), "id": True})))
        assert failed(await answered(says([]))).startswith("protocol")
        assert failed(await answered(says(result({"resultType": "strange"})))).startswith("protocol")
        assert failed(await answered(says(result({"content": "x" * 5_000})), max_bytes=1_000)).startswith("too_large")
        elsewhere = says(None, "Location: http://127.0.0.1:1/mcp", status="307 Temporary Redirect")
        assert failed(await answered(elsewhere)).startswith("http_307")
        assert failed(await answered(says(needing("sampling/createMessage")))).startswith("unsupported_request")
        assert failed(await answered(says(needing("roots/list")))).startswith("unsupported_request")
        page = needing(mode="url", message="Sign in", url="https://evil.example/")
        assert "page opened" in failed(await answered(says(page)))
        deep = {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}
        assert "no form" in failed(await answered(says(needing(message="?", requestedSchema=deep))))
        echoed = result({"content": [{"type": "text", "text": f"You sent {CANARY}"}]})
        assert await answered(says(echoed)) == Answered("You sent [redacted]")
        failure = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": f"Lost {CANARY}"}}
        assert failed(await answered(says(failure))) == "mcp_error: The server answered with the error -32603: Lost [redacted]"
        assert isinstance(await answered(says(failure), idempotent=True), Broken)

        def unknown(*supported: str) -> Reply:
            error = {"code": -32022, "message": "Unsupported", "data": {"supported": list(supported)}}
            return says({"jsonrpc": "2.0", "id": 1, "error": error}, status="400 Bad Request")

        assert failed(await answered(unknown("2027-01-01"))).startswith("mcp_error")
        assert failed(await answered(unknown("2025-06-18"), requests=2)).startswith("mcp_error"), "it is greeted as of then"
        assert failed(await answered(says(result({"protocolVersion": "2024-11-05"})))).startswith("protocol")

        question = needing(message="Which account?", requestedSchema=FORM)
        said = {"question": question_digest("Which account?", form_of(FORM)), "form": {"iban": "AT12"}}
        assert await answered(says(question)) == Asks("Which account?", form_of(FORM))
        other = needing(message="May I have it all?", requestedSchema=FORM)
        assert isinstance(await answered(says(other), said), Asks), "an answer is given to no other question"


def test_a_stream_is_looked_at_once_and_ends_at_its_answer() -> None:
    until, body = Until(), bytearray()
    for byte in b"data: " + json.dumps(note(1)).encode() + b"\n\ndata: " + json.dumps(result(TEXT)).encode() + b"\r\n\r":
        body.append(byte)
        assert not until(body)
    body += b"\n"
    assert until(body)
    assert not Until()(bytearray(json.dumps(result(TEXT)).encode())), "a whole answer is read to its end"


@pytest.mark.parametrize(
    ("changed", "at"),
    [
        ({"url": "='https://' + arguments.host"}, "/url"),
        ({"headers": {"Mcp-Name": "other"}}, "/headers/Mcp-Name"),
        ({"headers": {"X-Id": "=string(arguments.id)"}}, "/headers/X-Id"),
        ({"auth": {"type": "header", "name": "Idempotency-Key", "secret": "s"}}, "/auth/name"),
        ({"request_timeout": "P1D"}, "/request_timeout"),
    ],
)
def test_what_a_definition_may_not_say(changed: Json, at: str) -> None:
    assert at in [fault.path for fault in lint(mcp(1) | changed)]


def test_arguments_go_along_as_headers_where_the_definition_says_so() -> None:
    properties = {name: {"x-mcp-header": name.title()} for name in ("region", "place", "urgent")}
    arguments = {"region": "eu 1", "place": "Wien\u00a0Ö", "urgent": True, "other": 1}
    found = parameter_headers(
        {"properties": {**properties, "other": {}, "bad": {"x-mcp-header": "a b"}}}, {**arguments, "bad": 1}
    )
    assert found == {"Mcp-Param-Region": "eu 1", "Mcp-Param-Place": "=?base64?V2llbsKgw5Y=?=", "Mcp-Param-Urgent": "true"}


def test_a_form_is_made_of_known_words_alone() -> None:
    choice = {"type": "string", "oneOf": [{"const": "a", "title": "A"}], "$ref": "https://evil.example/", "pattern": "(a+)+"}
    form = form_of({"type": "object", "properties": {"c": choice, "n": {"type": "integer", "minimum": 1, "default": True}}})
    assert form["properties"] == {
        "c": {"type": "string", "oneOf": [{"const": "a", "title": "A"}]},
        "n": {"type": "integer", "minimum": 1},
    }


async def test_a_person_fills_in_what_a_tool_asks_for_and_the_model_gets_the_result(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    paid, seen, ann = list[Any](), list[dict[str, str]](), uuid4()
    async with (
        house(database) as home,
        serving(recorded(shop(paid).streamable_http_app(), seen)) as port,
        worker_of(database, provider=Offline(), outbound=Outbound(permitted=LOOPBACK), master_keys=KEYS) as worker,
    ):
        await keep_secret(home, worker.context, "shop_token", CANARY)
        tool = mcp(port, "refund", policy={"by": {"roles": ["clerk"]}}, auth={"type": "bearer", "secret": "shop_token"})
        answers = [{"calls": [{"tool": "refund", "arguments": {"id": 3}}]}, {"text": "Done: {{last}}"}]
        async with at_work(worker):
            execution = await home.start(agent_with([tool], answers))

            async def asked() -> bool:
                return "ai_task.asked.v1" in await home.topics()

            await home.until(asked)
            (request,) = {each.stream_id for each in await home.events() if each.topic.startswith("approval.requested")}
            assert [each.purpose for each in (await task_of(home)).questions] == ["elicitation"]
            await home.handler.handle(
                Command(home.tenant_id, "approval.decide", WHO),
                lambda view: decide_approval(
                    view, ENGINE, request, Decider(ann, {"clerk"}), outcome="approved", form={"iban": "AT12"}
                ),
            )
            ended = await home.ended(execution)
        task = await task_of(home)
        (call,) = task.turns[0].calls
        assert (ended.status, task.output) == ("completed", 'Done: {"result": "Paid 3 to AT12"}')
        assert paid == [(3, "AT12", str(call.id))], "once, and it was told our key"
        assert (call.status, call.number) == ("succeeded", 2)
        assert seen[0]["idempotency-key"] == str(call.id)
        assert everywhere(database, CANARY) == []
        assert CANARY not in caplog.text
        assert home.jobs() == []

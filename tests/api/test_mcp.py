"""Gesta as a server of the Model Context Protocol: the library's own client, and what no client would send."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from mcp import Client as McpClient
from mcp import MCPError
from mcp.client.streamable_http import streamable_http_client

from api.mcp import workflow_tools
from api.mcp.catalogue import BY_NAME
from api.mcp.cutting import picked
from api.mcp.messages import LEGACY, VERSION_KEY
from api.mcp.tools import Tool
from domain.permission import PERMISSIONS
from engine.schema import check_schema
from projections.verify import verify
from tests.api.behind import ANYBODY, Two, two_processes
from tests.api.conftest import Client, Gesta
from tests.api.definitions import APPROVAL, INSTANT

MODERN = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
FORM = {"type": "object", "properties": {"limit": {"type": "integer"}}}
FORMED = {
    **APPROVAL,
    "key": "purchase",
    "description": "Buys something.",
    "nodes": [
        {**node, "config": {**node["config"], "form": FORM}} if node["type"] == "approval" else node for node in APPROVAL["nodes"]
    ],
}

ECHO = {
    **INSTANT,
    "nodes": [INSTANT["nodes"][0], {"id": "end", "type": "end", "config": {"output": {"said": "=input.of"}}}],
}
FAILS = {
    **INSTANT,
    "nodes": [INSTANT["nodes"][0], {"id": "end", "type": "fail", "config": {"code": "doomed", "message": "It cannot be."}}],
}


class InTurn(httpx2.AsyncBaseTransport):
    """Each request goes to another process."""

    def __init__(self, *processes: httpx2.AsyncClient) -> None:
        self._addresses = cycle([each.base_url for each in processes])
        self._transport = httpx2.AsyncHTTPTransport()
        self.seen: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        address = next(self._addresses)
        request.url = request.url.copy_with(host=address.host, port=address.port)
        self.seen.append(request.method)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()


@asynccontextmanager
async def speaking(two: Two, client: Client, mode: Any = "auto") -> AsyncIterator[McpClient]:
    """The library's client, with somebody's key, at two processes in turn."""
    transport = InTurn(two.ahead.gesta.http, two.behind.gesta.http)
    key = {"Authorization": f"Bearer {client.token}", **client.headers}
    async with (
        httpx2.AsyncClient(transport=transport, headers=key, timeout=30) as http,
        McpClient(streamable_http_client("http://gesta.test/mcp", http_client=http), mode=mode) as made,
    ):
        yield made
    assert set(transport.seen) == {"POST"}, "there is no session to open or to end"


async def told(client: McpClient, tool: str, **arguments: Any) -> dict[str, Any]:
    """What a tool answers."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def refused(client: McpClient, tool: str, **arguments: Any) -> dict[str, Any]:
    """Why a tool refuses."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.structured_content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


@pytest.fixture
async def two(gesta: Gesta) -> AsyncIterator[Two]:
    async with two_processes(gesta) as made:
        yield made


async def test_a_model_starts_a_workflow_decides_an_approval_and_reads_what_happened(two: Two) -> None:
    """By the stateless revision, each message at another process."""
    await two.behind.publish(FORMED)
    boss = await two.behind.member("admin", "approver")
    async with speaking(two, boss.client) as client:
        assert client.protocol_version == MODERN
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(BY_NAME) == set(tools)
        workflow = await told(client, "gesta_get_workflow", key="purchase")
        assert workflow["input_schema"] == APPROVAL["input_schema"]
        asked = {"workflow_key": "purchase", "input": {"amount": 12.5}, "idempotency_key": "once"}
        started = await told(client, "gesta_start_execution", **asked)
        assert await told(client, "gesta_start_execution", **asked) == started, "once, at whichever process"
        (wait,) = (await told(client, "gesta_get_execution", id=started["id"]))["waits_for"]
        assert (wait["kind"], wait["node_id"]) == ("approval", "review")
        inbox = await told(client, "gesta_inbox")
        assert ([item["id"] for item in inbox["items"]], inbox["counts"]["total"]) == ([wait["id"]], 1)
        request = await told(client, "gesta_get_approval", id=wait["id"])
        assert request["form"] == FORM
        assert {way["outcome"] for way in request["you_may"]} == {"approved", "rejected"}
        wrong = await refused(client, "gesta_decide_approval", id=wait["id"], outcome="maybe")
        assert (wrong["status"], wrong["code"]) == (422, "unknown_outcome")
        wrong = await refused(client, "gesta_decide_approval", id=wait["id"], outcome="approved", form={"limit": "high"})
        assert (wrong["code"], wrong["errors"][0]["path"]) == ("invalid_form", "/form/limit")
        done = await told(client, "gesta_decide_approval", id=wait["id"], outcome="approved", form={"limit": 3}, comment="Fine.")
        assert (done["approval"]["status"], done["execution"]["status"]) == ("resolved", "completed")
        ended = await told(client, "gesta_get_execution", id=started["id"], wait=5)
        assert (ended["status"], ended["output"]) == ("completed", {"paid": 12.5})
        entries = (await told(client, "gesta_read_audit_log", resource_id=wait["id"], action="approval.decided"))["entries"]
        assert [entry["user_id"] for entry in entries] == [boss.user_id]
        first = await told(client, "gesta_get_history", id=started["id"], limit=2)
        rest = await told(client, "gesta_get_history", id=started["id"], cursor=first["next"])
        assert first["steps"][0]["topic"].startswith("execution.started.")
        assert rest["steps"][-1]["topic"].startswith("execution.completed.")
        steps = [{"name": name, "outcomes": ANYBODY, "rule": {"type": "single"}} for name in ("one", "two")]
        made = await two.behind.admin.post("/approvals", {"title": "In steps", "steps": [{**steps[0], "form": FORM}, steps[1]]})
        stepped = await told(client, "gesta_get_approval", id=made.json()["id"])
        assert [(step["name"], step["status"], step.get("form")) for step in stepped["steps"]] == [
            ("one", "open", FORM),
            ("two", "waiting", None),
        ]
        assert stepped["you_may"] == [{"outcome": "approved", "step": "one"}]
        late = await refused(client, "gesta_decide_approval", id=wait["id"], outcome="approved")
        assert (late["status"], late["code"]) == (409, "approval_closed")
        (refusal,) = (await told(client, "gesta_read_audit_log", resource_id=wait["id"], limit=1))["entries"]
        assert (refusal["action"], refusal["outcome"]) == ("approval.decide", "refused"), "it is evidence, as by HTTP"
        assert (await told(client, "gesta_get_approval", id=wait["id"]))["why_not"]["code"] == "approval_closed"


async def test_a_key_sees_and_does_what_it_may_and_nothing_else(two: Two) -> None:
    """By the handshake of the revisions before, which clients speak that are older; without a session, too."""
    workflow = await two.behind.publish(FORMED)
    async with speaking(two, await two.behind.service("executions:start", "executions:read"), "legacy") as client:
        assert client.protocol_version in LEGACY
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {f"gesta_{name}" for name in ("start_execution", "list_executions", "get_execution", "get_history")}
        one, other = [
            await told(client, "gesta_start_execution", workflow_key="purchase", business_key=f"P-{number}", input={"amount": 1})
            for number in (1, 2)
        ]
        page = await told(client, "gesta_list_executions", limit=1)
        last = await told(client, "gesta_list_executions", limit=1, cursor=page["next"])
        assert [each["executions"][0]["id"] for each in (page, last)] == [other["id"], one["id"]]
        assert "next" not in last
        large = {"amount": 1, "note": "x" * 900_000}
        last_one = await told(client, "gesta_start_execution", workflow_key="purchase", input=large)
        shown = await told(client, "gesta_get_execution", id=last_one["id"])
        assert (shown["status"], shown["input"][-9:]) == ("running", "it whole]")
        taken = await refused(client, "gesta_start_execution", workflow_key="purchase", business_key="P-1", input={"amount": 1})
        assert (taken["status"], taken["code"]) == (409, "name_taken")
        (wait,) = (await told(client, "gesta_get_execution", id=one["id"]))["waits_for"]
        denied = await refused(client, "gesta_cancel_execution", id=one["id"])
        assert (denied["status"], denied["code"]) == (403, "permission_denied")
        denied = await refused(client, "gesta_decide_approval", id=wait["id"], outcome="approved")
        assert (denied["status"], denied["code"]) == (403, "permission_denied")
        unfit = await refused(client, "gesta_start_execution", workflow_key="purchase", amount=3)
        assert (unfit["code"], unfit["errors"][0]["code"]) == ("invalid", "unknown_field")
    async with speaking(two, await two.behind.service("executions:control"), "legacy") as client:
        absent = await refused(client, "gesta_cancel_execution", id=workflow)
        assert (absent["status"], absent["code"]) == (404, "not_found")
        signalled = await told(client, "gesta_send_signal", id=one["id"], name="hurry", payload={"by": "noon"})
        assert signalled["status"] == "running"
        cancelled = await told(client, "gesta_cancel_execution", id=one["id"], reason="No need.")
        assert cancelled["status"] == "cancelled"
    stranger = await two.behind.gesta.tenant("other")
    async with speaking(two, await stranger.service("executions:read", "approvals:read")) as client:
        assert (await refused(client, "gesta_get_execution", id=one["id"]))["code"] == "not_found"
        assert (await refused(client, "gesta_get_approval", id=wait["id"]))["code"] == "not_found"


def tool(definition: dict[str, Any], key: str, **fields: Any) -> dict[str, Any]:
    return {**definition, "key": key, "name": key.title(), "triggers": [{"type": "mcp", **fields}]}


async def test_a_published_workflow_is_a_tool_where_its_definition_says_so(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    acme, schema = two.behind, {"type": "object", "properties": {"of": {"type": "string", "x-mcp-header": "Of"}}}
    sum_of = {
        **INSTANT,
        "nodes": [INSTANT["nodes"][0], {"id": "end", "type": "end", "config": {"output": {"said": "=input.of"}}}],
    }
    buys, echo = tool(APPROVAL, "purchase", tool_name="buy", name="Buy it"), {**tool(sum_of, "echo"), "input_schema": schema}
    fails = tool(FAILS, "doomed", description="Fails.", wait="PT5S")
    ids = [await acme.publish(definition) for definition in (buys, echo, fails)]
    again = {**echo, "triggers": [{"type": "mcp", "id": "said-anew"}]}
    assert (await acme.admin.call("PUT", f"/workflows/{ids[1]}/draft", {"definition": again})).status_code == 200
    taken_over = await acme.admin.post(f"/workflows/{ids[1]}/publish")
    assert taken_over.status_code == 200, "one trigger takes over the name of another"
    second = await acme.admin.post("/workflows", {"definition": tool(INSTANT, "other", tool_name="buy")})
    taken = await acme.admin.post(f"/workflows/{second.json()['id']}/publish")
    assert (taken.status_code, taken.json()["code"]) == (409, "tool_name_taken")
    starter = await acme.service("executions:start", "executions:read")
    async with speaking(two, starter.with_headers(Idempotency_Key="once")) as client:
        first = await told(client, "buy", amount=3)
        assert await told(client, "buy", amount=3) == first, "what the request says of a repetition"
    async with speaking(two, starter) as client:
        tools = {each.name: each for each in (await client.list_tools()).tools if not each.name.startswith("gesta_")}
        assert {name: each.title for name, each in tools.items()} == {"buy": "Buy it", "echo": "Echo", "doomed": "Doomed"}
        assert tools["buy"].input_schema == APPROVAL["input_schema"]
        assert tools["echo"].input_schema == {"type": "object", "properties": {"of": {"type": "string"}}}
        assert tools["doomed"].description == "Fails."
        monkeypatch.setattr(workflow_tools, "MOST_TOOLS", 2)
        page = await client.list_tools()
        assert [each.name for each in page.tools][-2:] == ["buy", "doomed"]
        page = await client.list_tools(cursor=page.next_cursor)
        assert ([each.name for each in page.tools], page.next_cursor) == (["echo"], None)
        with pytest.raises(MCPError, match="cursor"):
            await client.list_tools(cursor="nonsense")
        monkeypatch.undo()
        started = await told(client, "buy", amount=3)
        assert (started["status"], [each["node_id"] for each in started["waits_for"]]) == ("running", ["review"])
        execution = await told(client, "gesta_get_execution", id=started["execution_id"])
        assert (execution["trigger_type"], execution["input"]) == ("mcp", {"amount": 3})
        assert (await told(client, "echo", of="it")).items() >= {"status": "completed", "output": {"said": "it"}}.items()
        failed = await refused(client, "doomed")
        assert (failed["status"], failed["error_details"]["code"]) == ("failed", "doomed")
        unfit = await refused(client, "buy", amount="much")
        assert (unfit["status"], unfit["errors"][0]["path"]) == (422, "/input/amount")
        (trigger,) = (await acme.admin.get("/triggers", workflow_key="purchase")).json()["items"]
        assert (trigger["type"], trigger["started_count"]) == ("mcp", 2)
        await acme.admin.post(f"/triggers/{trigger['id']}/pause")
        assert "buy" not in {each.name for each in (await client.list_tools(cache_mode="refresh")).tools}
        assert (await refused(client, "buy", amount=3))["code"] == "trigger_paused"
    async with speaking(two, await acme.service("executions:read")) as client:
        assert not {each.name for each in (await client.list_tools()).tools} & {"echo", "doomed"}
        assert (await refused(client, "echo"))["code"] == "permission_denied"
    async with speaking(two, await (await acme.gesta.tenant("rival")).service("executions:start")) as client:
        assert {each.name for each in (await client.list_tools()).tools} == {"gesta_start_execution"}
        with pytest.raises(MCPError, match="Unknown tool: echo"):
            await client.call_tool("echo", {})
    async with await psycopg.AsyncConnection.connect(acme.gesta.database.system_url, autocommit=True) as connection:
        verdict = await verify(connection, acme.id)
    assert verdict.holds, verdict.broken


def call(method: str, id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


async def test_what_no_client_would_send_is_refused_as_it_should_be(gesta: Gesta) -> None:
    async with httpx2.AsyncClient(base_url=gesta.http.base_url) as http:
        await _hostile(gesta, http)


async def _hostile(gesta: Gesta, http: httpx2.AsyncClient) -> None:
    acme = await gesta.tenant()
    client = await acme.service("executions:read")

    async def sent(body: Any, method: str = "POST", **headers: str) -> httpx2.Response:
        """`body`: what is no text is sent as JSON."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        shown = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json", **named}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await http.request(method, "/mcp", content=content, headers=shown)

    async def error(body: Any, **headers: str) -> tuple[int, int]:
        answer = await sent(body, **headers)
        return answer.status_code, answer.json()["error"]["code"]

    async def problem(body: Any, method: str = "POST", **headers: str) -> tuple[int, str]:
        answer = await sent(body, method, **headers)
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, answer.json()["code"]

    listing, modern = call("tools/list", _meta=META), {"MCP_Protocol_Version": MODERN, "Mcp_Method": "tools/list"}
    # who asks, and whence
    assert await problem(listing, Authorization="Bearer nonsense") == (401, "unauthorized")
    assert await problem(listing, Origin="http://rebound.example") == (403, "foreign_origin")
    assert await problem(listing, Origin="null") == (403, "foreign_origin")
    assert (await sent(listing, Origin="http://localhost:6274", **modern)).status_code == 200
    assert await problem(listing, Gesta_Tenant="somebody-else") == (404, "not_found")
    for method in ("GET", "DELETE"):
        answer = await sent(b"", method)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    # what it is
    assert await problem(listing, Content_Type="text/plain") == (415, "unsupported_media_type")
    assert await problem(listing, Accept="text/html") == (406, "not_acceptable")
    assert await problem(b" " * (1 << 20) + b"1") == (413, "too_large")
    assert await error(b"{") == (400, -32700)
    assert await error(b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}') == (400, -32700)
    assert await error(b'{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "ping"}') == (400, -32600)
    assert await error(b"[" * 100 + b"]" * 100) == (400, -32600)
    assert await error([listing, listing]) == (400, -32600)
    assert await error({"jsonrpc": "2.0", "id": 1, "result": {}}) == (400, -32600)
    odd: list[Any] = [None, True, 1.5, {}, "x" * 300]
    for id in odd:
        assert await error(call("ping", id)) == (400, -32600)
    assert await error({**listing, "params": []}) == (400, -32600)
    assert (await sent({"jsonrpc": "2.0", "method": "notifications/initialized"})).status_code == 202
    # the modern revision: what the headers say is what the body says
    assert await error(listing) == (400, -32020)
    assert await error(listing, MCP_Protocol_Version=MODERN) == (400, -32020)
    assert await error(listing, **{**modern, "Mcp_Method": "tools/call"}) == (400, -32020)
    assert await error(listing, **{**modern, "MCP_Protocol_Version": "2025-11-25"}) == (400, -32020)
    assert await error(call("tools/list"), **modern) == (400, -32602)
    assert await error(call("tools/list", _meta={**META, VERSION_KEY: "1900-01-01"}), MCP_Protocol_Version="1900-01-01") == (
        400,
        -32022,
    )
    assert await error(call("tools/list", _meta=META, cursor="x"), **modern) == (400, -32602)
    for method in ("ping", "initialize", "resources/list", "subscriptions/listen", "gesta/" + "x" * 150):
        assert await error(call(method, _meta=META), **{**modern, "Mcp_Method": method}) == (404, -32601)
    unknown = call("tools/call", _meta=META, name="rm", arguments={})
    assert await error(unknown, **{**modern, "Mcp_Method": "tools/call", "Mcp_Name": "rm"}) == (400, -32602)
    assert await error(unknown, **{**modern, "Mcp_Method": "tools/call", "Mcp_Name": "=?base64?%?="}) == (400, -32020)
    # the revisions before: an error of the protocol is no error of HTTP
    assert await error(call("server/discover")) == (200, -32601)
    assert await error(call("tools/call", name="gesta_list_executions", arguments=[])) == (200, -32602)
    greeted = (await sent(call("initialize", protocolVersion="2024-11-05", capabilities={}))).json()["result"]
    assert greeted["protocolVersion"] == LEGACY[0]
    assert (await sent(call("ping"))).json()["result"] == {}


def test_large_values_are_cut_with_a_word_and_what_says_nothing_is_left_out() -> None:
    row = {"id": "1", "error": None, "labels": {}, "input": {"text": "x" * 20_000}, "title": "y" * 5_000, "more": 1}
    found = picked(row, ("id", "error", "labels", "input", "title"))
    assert (set(found), found["id"]) == ({"id", "input", "title"}, "1")
    assert found["input"].endswith("[cut: 20,011 characters in all; the HTTP API has it whole]")
    assert len(found["title"]) < 4_100
    assert len(picked(row, ("input",), listed=True)["input"]) < 700


@pytest.mark.parametrize("tool", BY_NAME.values(), ids=lambda tool: tool.name)
def test_a_tool_says_what_it_is_in_few_words(tool: Tool) -> None:
    told = tool.described()
    check_schema(told["inputSchema"])
    check_schema(told["outputSchema"])
    assert re.fullmatch("gesta_[a-z_]{1,40}", tool.name), "what all clients take"
    assert 20 < len(tool.description) < 300
    assert set(tool.required) <= tool.arguments.keys()
    assert tool.permission in PERMISSIONS
    assert ("idempotency_key" in tool.arguments) != tool.reads, "what changes something can be repeated"


def test_the_page_tells_each_tool_and_what_it_needs() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/use-from-an-mcp-client.md").read_text("utf-8")
    rows = [row.split("|") for row in page.splitlines() if row.startswith("| `gesta_")]
    said = {name: needs for _, names, needs, *_ in rows for name in re.findall(r"`(gesta_\w+)`", names)}
    needed = {each.name: f" `{each.permission}`{', a person' if each.person else ''} " for each in BY_NAME.values()}
    assert said == needed

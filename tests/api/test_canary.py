"""Planted secrets: of everything that is recorded, logged, answered or streamed, nothing has them.

The API and the worker are processes of their own that log at DEBUG, and whatever is called repeats all that it was sent: in
answers, errors, headers, names and reasons. Tools and models get the secrets, and nobody else does.
"""

import asyncio
import json
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx2

from runtime.failpoints import VARIABLE
from tests.api.behind import ok, serving_apart
from tests.api.conftest import Client, Gesta, Tenant
from tests.conftest import Database
from tests.planted import everywhere
from tests.worker.house import PATIENCE
from tests.worker.outbound.servers import server

PLANTED = {
    "provider_key": "sk-canary/4711+provider==key",
    "tool_header": "canary-4712-of-a-tools-header",
    "tool_query": 'canary-4713/of a "query"',
    "mcp_token": "canary-4714-of-an-mcp-server",
    "of_prompt": "Canary-4715/DE02 1203",
    "of_request": "Canary-4716/DE99 0815",
    "refused": "canary-4717-in-what-is-refused",
}
"""By the name of the secret, or where it is given."""
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
MASTER_KEY = b64encode(b"k" * 32).decode()
PARAMETERS = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}


def forms(text: str) -> set[str]:
    """As a log or an answer might write it."""
    escaped = json.dumps(text)[1:-1]
    return {text, escaped, quote(text, safe=""), b64encode(text.encode()).decode().rstrip("="), text.encode().hex()}


def found_in(said: str) -> set[str]:
    return {name for name, text in PLANTED.items() if any(form in said for form in forms(text))}


class Parrot:
    """A provider, a service and an MCP server in one. It repeats what it was sent wherever there is room for it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.chats = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        names = [line.partition(":") for line in head.splitlines() if ":" in line]
        length = next((int(value) for name, _, value in names if name.lower() == "content-length"), 0)
        body = (await reader.readexactly(length)).decode()
        path = head.split(" ")[1]
        self.sent.append(unquote(path) + head + body)
        secrets = " ".join(value.strip() for name, _, value in names if name.lower() in ("authorization", "x-key", "x-api-key"))
        told = f"{unquote(path.partition('?')[2])} {secrets} {body}"
        status, said = self._said(path, told, secrets, body)
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        lines = f"HTTP/1.1 {status} {secrets}", "Content-Type: application/json", f"X-Echo: {secrets}", "Connection: close"
        writer.write("\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data)
        await writer.drain()

    def _said(self, path: str, told: str, secrets: str, body: str) -> tuple[int, Any]:
        if path.startswith("/items"):
            return (200, {"you": told, told[:80]: 1}) if "/items/1" in path else (500, told.encode())
        if path.startswith("/mcp"):
            asked = json.loads(body)
            result: Any = {"content": [{"type": "text", "text": told}], "resultType": "complete", "_meta": {"you": told}}
            failed = {"code": -32603, "message": f"I cannot {secrets}", "data": told}
            said: Any = {"result": result} if asked["params"]["arguments"]["id"] == 1 else {"error": failed}
            return 200, {"jsonrpc": "2.0", "id": asked["id"], **said}
        if path.startswith("/v1/messages"):
            said = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": f"You said {told}"}]}
            about = {"id": secrets, "model": f"claude {secrets}", "stop_reason": "end_turn", "stop_sequence": secrets}
            return 200, {**about, **said, "usage": {"input_tokens": 1, "output_tokens": 1}}
        self.chats += 1
        return self._chat(told, secrets)

    def _chat(self, told: str, secrets: str) -> tuple[int, Any]:
        error = {"message": f"Incorrect API key provided: {secrets}. {told}", "type": secrets, "code": secrets}
        match self.chats:
            case 1:
                return 500, {"error": error}
            case 2:
                return 503, f"<h1>{told}</h1>".encode()
            case 3:
                return 200, {"model": secrets, "choices": told}
            case 4:
                calls = [(name, {"id": id, "why": told}) for name in ("look", "search") for id in (1, 2)]
                return 200, self._completion(secrets, None, calls)
            case _:
                return 200, self._completion(secrets, f"You said {told}")

    def _completion(self, secrets: str, text: str | None, calls: Any = ()) -> Any:
        asked = [
            {"id": f"{number} {secrets}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for number, (name, arguments) in enumerate(calls)
        ]
        message = {"role": "assistant", "content": text, **({"tool_calls": asked} if asked else {})}
        choice = {"index": 0, "finish_reason": "tool_calls" if asked else "stop", "message": message}
        used = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "completion_tokens_details": {secrets: 1}}
        about = {"id": secrets, "object": "chat.completion", "created": 1, "model": f"gpt-4o-mini {secrets}"}
        return {**about, "system_fingerprint": secrets, "choices": [choice], "usage": used}


@asynccontextmanager
async def working_apart(database: Database, log: Path, **more: str) -> AsyncIterator[None]:
    """`gesta worker`, whose log is written to a file."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GESTA_")}
    addresses = {
        "DATABASE_URL": database.owner_url,
        "GESTA_SYSTEM_DATABASE_URL": database.system_url,
        "GESTA_API_DATABASE_URL": database.api_url,
        "GESTA_LISTEN_DATABASE_URL": database.listen_url,
        "GESTA_OUTBOUND_NETWORKS": "127.0.0.0/8",
    }
    command = [sys.executable, "-m", "cli.main", "worker", "--lease-seconds", "1"]
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(*command, env={**kept, **addresses, **more}, stdout=file, stderr=file)
        try:
            yield
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), PATIENCE)


@asynccontextmanager
async def both(gesta: Gesta, logs: Path, answers: list[str]) -> AsyncIterator[Tenant]:
    """A tenant as a client sees it whose every answer is kept. The first model that answers is not heard: its worker fails."""
    about = {"GESTA_LOG_LEVEL": "DEBUG", "GESTA_LOG_FORMAT": "json", "GESTA_MASTER_KEY": MASTER_KEY}

    async def kept(response: httpx2.Response) -> None:
        if "event-stream" not in response.headers.get("content-type", ""):
            await response.aread()
            answers.append(f"{response.url} {response.headers} {response.text}")

    with (logs / "api").open("wb") as log:
        async with serving_apart(gesta.database, log, **about) as http:
            http.event_hooks["response"] = [kept]
            about |= {"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "console", CONTENT: "true"}
            async with working_apart(gesta.database, logs / "worker", **about, **{VARIABLE: "worker.attempt_called!1"}):
                acme = await Gesta(http, gesta.database, Client(http, gesta.platform.token), gesta.projector).tenant()
                yield acme


def tools(port: int) -> list[dict[str, Any]]:
    at, most = f"http://127.0.0.1:{port}", {"max_attempts": 1}
    query = {"type": "query", "name": "key", "secret": "tool_query"}
    headers = {"X-Key": {"secret": "tool_header"}}
    request = {"url": f"='{at}/items/' + string(arguments.id)", "headers": headers, "auth": query}
    bearer = {"type": "bearer", "secret": "mcp_token"}
    mcp = {"type": "mcp", "url": f"{at}/mcp", "auth": bearer, "tool": "search"}
    return [
        {"name": "look", "type": "http", "parameters": PARAMETERS, "request": request, "retry": most},
        {"name": "search", "parameters": PARAMETERS, "retry": most, **mcp},
    ]


async def set_up(acme: Tenant, port: int) -> None:
    for name in ("provider_key", "tool_header", "tool_query", "mcp_token", "of_prompt"):
        await ok(acme.admin.post("/secrets", {"name": name, "value": PLANTED[name], "hosts": ["127.0.0.1"]}))
    for kind, under in (("openai_compatible", "/v1"), ("anthropic", "")):
        provider = {"kind": kind, "base_url": f"http://127.0.0.1:{port}{under}", "secret": "provider_key"}
        await ok(acme.admin.call("PUT", f"/ai-providers/{kind}", provider))
    template = {"system": "Keep {{ account }}.", "user": "Greet {{ name }} of {{ account }}."}
    variables = {"name": {}, "account": {"sensitive": True}}
    await ok(acme.admin.post("/prompts", {"key": "greet", "template": template, "variables": variables}))
    await ok(acme.admin.post("/prompts/greet/publish"))


async def refused(acme: Tenant) -> None:
    """What the API says of a request that has one and is wrong."""
    secret, prompt = PLANTED["refused"], {"key": "greet", "variables": {"name": "Ada", "account": {"is": PLANTED["refused"]}}}
    for path, body in (
        ("/secrets", {"name": "no name at all!", "value": secret, "hosts": [secret + "/"]}),
        ("/secrets", {"name": "other", "value": {"is": secret}}),
        ("/secrets", {"name": "other", "value": secret, "hosts": ["127.0.0.1"], "more": secret}),
        ("/ai-tasks", {"model": "anthropic:m", "prompt": prompt}),
        ("/ai-tasks", {"model": "anthropic:m", "prompt": {**prompt, "variables": {"account": secret, "else": 1}}}),
    ):
        answer = await acme.admin.post(path, body)
        assert answer.status_code == 422, answer.text
    raw = f'{{"name": "other", "value": "{secret}'
    answer = await acme.admin.call("POST", "/secrets", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text


async def asked(acme: Tenant, model: str, account: Any, port: int) -> dict[str, Any]:
    """One task of its own, until it is over; and what it streams, as events."""
    prompt = {"key": "greet", "variables": {"name": "Ada", "account": account}}
    retry = {"max_attempts": 6, "initial_interval": "PT0.01S"}
    wanted = {"model": model, "prompt": prompt, "tools": tools(port), "retry": retry}
    id = (await ok(acme.admin.post("/ai-tasks", wanted)))["id"]
    async with asyncio.timeout(PATIENCE):
        while not (done := await ok(acme.admin.get(f"/ai-tasks/{id}", wait=30)))["completed_at"]:
            pass
    return dict(done)


async def looked_through(acme: Tenant, ids: list[str], answers: list[str]) -> None:
    """All that can be read of it."""
    for path in ("/ai-tasks", "/ai-providers", "/prompts", "/secrets", "/events", "/audit-logs", "/jobs", "/executions"):
        await ok(acme.admin.get(path))
    for id in ids:
        for path in (f"/ai-tasks/{id}", f"/ai-tasks/{id}/stream"):
            await ok(acme.admin.get(path))
        await streamed(acme, f"/ai-tasks/{id}/stream", '"completed"', answers)
    await streamed(acme, "/events?after=0&topics=ai_task.completed.v1,ai_task.attempt_failed.v1", ids[-1], answers)
    assert (await acme.gesta.http.get("/metrics", headers={"Authorization": f"Bearer {acme.admin.token}"})).status_code == 200
    call = {"name": "gesta_events_search", "arguments": {}}
    listed = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    for message in (listed, {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}):
        await acme.gesta.http.post("/mcp", json=message, headers={"Authorization": f"Bearer {acme.admin.token}"})


async def streamed(acme: Tenant, path: str, until: str, answers: list[str]) -> None:
    """What is said up to that word."""
    sent = {"Authorization": f"Bearer {acme.admin.token}", **acme.admin.headers, "Accept": "text/event-stream"}
    async with asyncio.timeout(PATIENCE), acme.gesta.http.stream("GET", f"/v1{path}", headers=sent) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            answers.append(line)
            if until in line:
                return
    raise AssertionError(f"the stream ended without {until}")


async def test_planted_secrets_are_found_nowhere(gesta: Gesta, tmp_path: Path) -> None:
    parrot, answers = Parrot(), list[str]()
    async with server(parrot.handle) as port, both(gesta, tmp_path, answers) as acme:
        await set_up(acme, port)
        await refused(acme)
        by_secret = await asked(acme, "openai_compatible:gpt-4o-mini", {"secret": "of_prompt"}, port)
        by_value = await asked(acme, "anthropic:claude", PLANTED["of_request"], port)
        await gesta.projector.catch_up()
        await looked_through(acme, [by_secret["id"], by_value["id"]], answers)
        token = acme.admin.token
    assert found_in("\n".join(parrot.sent)) == PLANTED.keys() - {"refused"}, "whoever is called gets them"
    assert (by_secret["status"], by_value["status"]) == ("completed", "completed"), by_secret
    assert "[redacted]" in by_value["output"]
    assert [each["status"] for each in by_secret["calls"]] == ["succeeded", "failed", "succeeded", "failed"], by_secret["calls"]
    assert {name for each in answers for name in found_in(each)} == set(), [each for each in answers if found_in(each)]
    for log in ("api", "worker"):
        said = (tmp_path / log).read_text()
        assert (token in said, [line for line in said.splitlines() if found_in(line)]) == (False, [])
    failed = (tmp_path / "worker").read_text()
    assert "FailpointReached" in failed, "what it was doing when it failed is in its log"
    assert failed.count('"name": "chat ') >= 5, "and what OpenTelemetry is told, words included"
    assert all(word in failed for word in ("gen_ai.input.messages", "gen_ai.tool.call.arguments", "gen_ai.client.token.usage"))
    rows = {name: everywhere(gesta.database, text) for name, text in PLANTED.items()}
    assert rows == {name: [] for name in PLANTED}

"""Agents by providers of the tenant's own: a chain of models, each with its key, asked over real HTTP."""

from decimal import Decimal
from typing import Any

from tests.api.behind import ok
from tests.api.conftest import Gesta
from tests.api.test_http_nodes import worker
from tests.conftest import Database
from tests.planted import everywhere
from tests.worker.ai.doubles import anthropic, openai
from tests.worker.ai.wire import answer, serve

PLANTED = "sk-planted-4711-0815"
AGENT: dict[str, Any] = {
    "key": "classify",
    "name": "Classify",
    "nodes": [
        {"id": "start", "type": "start"},
        {"id": "ask", "type": "ai_agent", "config": {"model": "careful", "prompt": "Which kind?"}},
        {"id": "end", "type": "end", "config": {"output": "=nodes.ask.output"}},
        {"id": "failed", "type": "end", "config": {"output": {"error": "=nodes.ask.error"}}},
    ],
    "edges": [
        {"source": "start", "target": "ask"},
        {"source": "ask", "target": "end"},
        {"source": "ask", "source_handle": "error", "target": "failed"},
    ],
}


async def test_where_one_model_fails_the_next_is_asked_and_no_key_is_anywhere(gesta: Gesta, database: Database) -> None:
    acme = await gesta.tenant()
    overloaded = anthropic.error("overloaded_error", f"Overloaded, {PLANTED}.", 529)
    said = answer(openai.body(f"travel, says {PLANTED}", "stop", ()))
    async with serve(overloaded) as first, serve(said) as second, worker(database):
        await ok(acme.admin.post("/secrets", {"name": "key", "value": PLANTED, "hosts": ["127.0.0.1"]}))
        await ok(acme.admin.post("/secrets", {"name": "elsewhere", "value": PLANTED, "hosts": ["api.example.com"]}))
        price = {"gpt-4o-mini": {"input": "1", "cached_input": "0.5", "output": "2", "currency": "EUR"}}
        for key, given in (
            ("claude", {"kind": "anthropic", "base_url": first.url.removesuffix("/v1"), "secret": "key"}),
            ("barred", {"kind": "openai_compatible", "base_url": second.url, "secret": "elsewhere"}),
            ("local", {"kind": "openai_compatible", "base_url": second.url, "secret": "key", "prices": price}),
        ):
            await ok(acme.admin.call("PUT", f"/ai-providers/{key}", given))
        chain = ["claude:claude-sonnet-4-6", "barred:m", "local:gpt-4o-mini"]
        named = {"models": chain, "defaults": {"max_output_tokens": 50}}
        await ok(acme.admin.call("PUT", "/ai-models/careful", named))
        await acme.publish(AGENT)
        started = await ok(acme.admin.post("/executions", {"workflow_key": "classify", "input": {}}))
        done = await ok(acme.admin.get(f"/executions/{started['id']}", wait="30"))
        assert (done["status"], done["output"]) == ("completed", "travel, says [redacted]")
        (task,) = (await ok(acme.admin.get("/ai-tasks", execution_id=started["id"])))["items"]
        attempts = (await ok(acme.admin.get(f"/ai-tasks/{task['id']}")))["attempts"]
        assert [(each["provider"], each["model"]) for each in attempts][:2] == [("claude", "claude-sonnet-4-6"), ("barred", "m")]
        assert [each["error"] for each in attempts if each["error"]] != []
        assert Decimal(task["actual_cost"]) == Decimal("0.001")
        assert task["currency"] == "EUR"
        assert (len(first.asked), len(second.asked)) == (1, 1)
        assert first.asked[0].headers["authorization"] == f"Bearer {PLANTED}"
        assert first.asked[0].body["max_tokens"] == 50
        state = (await ok(acme.admin.get("/ai-providers/claude")))["state"]
        assert (state["circuit"], state["failures"], state["last_error"], state["calls"]) == ("closed", 1, "overloaded", 0)
    assert everywhere(database, PLANTED) == []

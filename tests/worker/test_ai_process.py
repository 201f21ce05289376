"""`gesta worker` as a process, set up by GESTA_AI_*, against a server that speaks the wire format; and what the tables say."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from tests.api.conftest import Gesta, Tenant, gesta
from tests.api.definitions import AI_TASK
from tests.conftest import Database
from tests.worker.ai.wire import CUT, HANG_UP, Wire, answer, completion, error, serve
from tests.worker.house import PATIENCE

__all__ = ["gesta"]

SCHEMA = {"type": "object", "properties": {"category": {"type": "string"}}, "required": ["category"]}


@asynccontextmanager
async def worker_process(database: Database, wire: Wire, model: str) -> AsyncIterator[None]:
    environment = {
        **os.environ,
        "DATABASE_URL": database.owner_url,
        "GESTA_SYSTEM_DATABASE_URL": database.system_url,
        "GESTA_API_DATABASE_URL": database.api_url,
        "GESTA_AI_BASE_URL": wire.url,
        "GESTA_AI_API_KEY": "sk-of-a-test",
        "GESTA_AI_MODEL": model,
        "GESTA_LOG_FORMAT": "json",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.main", "worker", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield
    finally:
        process.terminate()
        _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, errors.decode()
    assert b"sk-of-a-test" not in errors


async def asked(tenant: Tenant, **config: Any) -> str:
    """The id of an execution that asks the model of the settings."""
    start, node, *ends = AI_TASK["nodes"]
    retry = {"max_attempts": 10, "initial_interval": "PT0.01S"}
    asking = {
        **node,
        "config": {"model": "default", "prompt": "Sort it.", "system": "You sort claims.", **config},
        "retry": retry,
    }
    await tenant.publish({**AI_TASK, "nodes": [start, asking, *ends]})
    return str((await tenant.admin.post("/executions", {"workflow_key": AI_TASK["key"]})).json()["id"])


async def ended_task(tenant: Tenant, execution_id: str) -> dict[str, Any]:
    """The AI task, with its attempts, once its execution has ended."""

    async def ended() -> dict[str, Any]:
        while True:
            found = (await tenant.admin.get(f"/executions/{execution_id}", wait=30)).json()
            if found["completed_at"] is not None:
                return dict(found)

    execution = await asyncio.wait_for(ended(), PATIENCE)
    assert execution["status"] == "completed", execution
    (task,) = (await tenant.admin.get("/ai-tasks", execution_id=execution_id)).json()["items"]
    return dict((await tenant.admin.get(f"/ai-tasks/{task['id']}")).json())


def types(task: dict[str, Any]) -> list[str | None]:
    return [None if attempt["error_details"] is None else attempt["error_details"]["type"] for attempt in task["attempts"]]


async def test_each_way_to_fail_is_an_attempt_on_record_and_only_what_was_used_is_paid(gesta: Gesta) -> None:
    answers = (
        answer(error("Slow down.", "rate_limit"), 429, Retry_After="1"),
        answer(error("Broken."), 500),
        answer(b"{this is no JSON"),
        CUT,
        HANG_UP,
        answer(completion('{"kind": "not what was asked for"}')),
        answer(completion('{"category": "travel"}')),
    )
    async with serve(*answers) as wire, worker_process(gesta.database, wire, "openai:gpt-4o-mini"):
        task = await ended_task(tenant := await gesta.tenant(), await asked(tenant, output_schema=SCHEMA))
    assert len(wire.asked) == len(answers)
    assert {asked.headers["authorization"] for asked in wire.asked} == {"Bearer sk-of-a-test"}
    assert {asked.body["model"] for asked in wire.asked} == {"gpt-4o-mini"}
    unavailable = ["unavailable"] * 4
    assert types(task) == ["rate_limit", *unavailable, "invalid_output", None]
    assert [attempt["cost"] is None for attempt in task["attempts"]] == [True] * 5 + [False] * 2
    first, second = task["attempts"][:2]
    assert second["started_at"] >= first["retry_at"]
    assert all(attempt["latency_ms"] >= 0 and attempt["worker_id"] for attempt in task["attempts"])
    assert (task["status"], task["output"], task["retry_count"]) == ("completed", {"category": "travel"}, 6)
    assert (task["provider"], task["prompt"], task["system_prompt"]) == ("openai", "Sort it.", "You sort claims.")
    assert (task["input_tokens"], task["output_tokens"], task["currency"]) == (2000, 200, "USD")
    assert Decimal(task["actual_cost"]) == sum(Decimal(attempt["cost"]) for attempt in task["attempts"][5:])


async def test_a_price_that_nobody_knows_stays_unknown(gesta: Gesta) -> None:
    said = {**completion("travel"), "model": "a-model-of-our-own"}
    async with serve(answer(said)) as wire, worker_process(gesta.database, wire, "openai:a-model-of-our-own"):
        task = await ended_task(tenant := await gesta.tenant(), await asked(tenant))
    assert (task["status"], task["output"], task["input_tokens"]) == ("completed", "travel", 1000)
    assert (task["actual_cost"], task["currency"], task["attempts"][0]["cost"]) == (None, None, None)

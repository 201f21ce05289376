"""gesta eval: a suite against models that are asked over real HTTP, killed in the middle, and gone on with elsewhere."""

import asyncio
import json
import os
import re
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer import BadParameter
from typer.testing import CliRunner

from cli import evaluate
from cli.by_http import object_in
from cli.evaluating import report
from cli.main import app
from runtime.errors import OperatorError
from tests.api.behind import ok
from tests.api.conftest import Gesta, Tenant, acme, gesta, serving
from tests.api.test_children import assert_verified
from tests.api.test_http_nodes import worker
from tests.worker.ai.doubles import openai
from tests.worker.ai.doubles.format import Call
from tests.worker.ai.wire import Answer, Asked, answer, serve

__all__ = ["acme", "gesta"]

PAY = {
    "name": "pay",
    "type": "http",
    "parameters": {"type": "object"},
    "request": {"url": "https://shop.example/", "method": "POST"},
}
SUITE: dict[str, Any] = {
    "name": "sorting",
    "cases": [
        {"name": "taxi", "input": "a taxi", "expected": "travel"},
        {"name": "pen", "input": "a pen", "expected": "office"},
    ],
    "variants": [
        {"name": "good", "model": "double:good", "prompt": "Which kind?", "tools": [PAY]},
        {"name": "bad", "model": "double:bad", "prompt": "Which kind?", "tools": [PAY], "thresholds": {"pass_rate": 0.5}},
    ],
    "checks": [
        {"type": "cel", "name": "right", "expression": "output == expected && usage.tokens < 10000"},
        {"type": "forbidden_tools", "tools": ["pay"]},
        {"type": "judge", "model": "double:judge", "prompt": "Is it a kind?"},
    ],
    "concurrency": 1,
}
TOLD = (
    "bad: forbidden_tools failed 2",
    "bad: pass_rate is 0.0000, wanted 0.5",
    "bad, pen, 1: right (fail): The expression is false.; forbidden_tools (fail): The model asked for pay (denied).",
)
CALLS = {"good": 2, "bad": 4, "judge": 4}
"""Of each model: the bad one asks for a tool before it answers."""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a": [1, NaN]}', "/a/1: NaN is not JSON."),
        (b'{"a": {"b": 1, "b": 2}}', '/a/b: The key "b" occurs twice.'),
        (b"[" * 100_000, "The body is nested deeper than 64 levels."),
        (b"\xff", "The body is not UTF-8"),
        (b"{", "line 1, column 2."),
        (b"[]", "must be a JSON object."),
    ],
)
def test_a_file_that_the_api_would_refuse_or_read_in_two_ways_is_not_sent(tmp_path: Path, text: bytes, why: str) -> None:
    file = tmp_path / "suite.json"
    file.write_bytes(text)
    with pytest.raises(OperatorError, match=re.escape(why)):
        object_in(file)
    file.write_bytes(b'\xef\xbb\xbf{"a": 12345678901234567890}')
    assert object_in(file) == {"a": 12345678901234567890}


def test_a_baseline_that_is_not_in_the_suite_is_refused_before_anything_is_begun() -> None:
    nobody: Any = None
    with pytest.raises(BadParameter, match="no variant best"):
        evaluate._begun(nobody, SUITE, None, "best")


def test_what_judges_cost_is_unknown_where_they_judged_at_no_known_price() -> None:
    numbers = dict.fromkeys(("runs", "passed", "input_tokens", "output_tokens", "median_latency_ms", "p95_latency_ms"), 1)
    variant = {"variant": "a", **numbers, "unjudged": 0, "cost": "0.1", "currency": "EUR", "unpriced": 0, "judge_cost": None}
    told = {"name": "s", "status": "completed", "recorded": 1, "planned": 1, "passed": True}
    evaluation = {**told, "variants": [{**variant, "judge_currency": None, "checks": [], "thresholds": []}]}
    run = {"variant": "a", "passed": True, "judge_task_ids": ["01"]}
    for judged, shown in (([run], "unknown"), ([{**run, "judge_task_ids": []}], "-")):
        line = next(line for line in report.table(evaluation, judged).splitlines() if line.startswith("a "))
        assert line.split("0.1 EUR")[1].split()[0] == shown


def said(asked: Asked) -> Answer:
    """What each of the models answers to what it is told."""
    model, told = asked.body["model"], json.dumps(asked.body["messages"])
    if model == "judge":
        return answer(openai.body(json.dumps({"pass": True, "score": 1, "reason": "So it is."}), "stop", ()))
    if model == "bad" and '"tool"' not in told:
        return answer(openai.body(None, "tool_calls", (Call("call_1", "pay", {"amount": 7}),)))
    kind = "hotel" if model == "bad" else "travel" if "taxi" in told else "office"
    return answer(openai.body(kind, "stop", ()))


async def command(url: str, key: str, *words: str, wait: bool = True) -> Any:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GESTA_", "DATABASE_URL"))}
    env = {**kept, "GESTA_URL": url, "GESTA_API_KEY": key}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "eval", *words), env=env, stdout=pipe, stderr=pipe
    )
    if not wait:
        return process
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


async def here(url: str, key: str, *words: str) -> tuple[int, str, str]:
    """The same in a thread of this process, which is quicker."""
    runner = CliRunner(env={"GESTA_URL": url, "GESTA_API_KEY": key})
    done = await asyncio.to_thread(runner.invoke, app, ["eval", *words])
    return done.exit_code, done.stdout, done.stderr


async def test_two_models_side_by_side_killed_in_the_middle_and_nothing_is_paid_twice(
    gesta: Gesta, acme: Tenant, tmp_path: Path
) -> None:
    key = await acme.service("ai_tasks:run", "ai_tasks:read")
    file = tmp_path / "suite.json"
    file.write_text(json.dumps(SUITE))
    url = str(gesta.http.base_url)
    async with serve() as wire, worker(gesta.database):
        wire.choose = said
        price = {"input": "1", "cached_input": "1", "output": "2", "currency": "EUR"}
        prices = dict.fromkeys(CALLS, price)
        about = {"kind": "openai_compatible", "base_url": wire.url, "prices": prices}
        await ok(acme.admin.call("PUT", "/ai-providers/double", about))
        first = await command(url, key.token, str(file), wait=False)
        line = (await asyncio.wait_for(first.stderr.readline(), 30)).decode()
        evaluation_id = line.split()[1].rstrip(":")

        def kill() -> None:
            if len(wire.asked) == 4 and first.returncode is None:
                first.kill()

        wire.before_answer = kill
        await asyncio.wait_for(first.wait(), 30)
        assert first.returncode == -9
        async with serving(gesta.database) as other:
            code, out, err = await command(str(other.base_url), key.token, "--resume", evaluation_id)
        assert (code, err) == (1, "")
        assert Counter(asked.body["model"] for asked in wire.asked) == CALLS
        found = await ok(acme.admin.get(f"/evaluations/{evaluation_id}"))
        good, bad = found["variants"]
        assert (found["status"], found["passed"], found["recorded"], found["passed_runs"]) == ("completed", False, 4, 2)
        assert (good["passed"], good["holds"], bad["passed"], bad["holds"]) == (2, True, 0, False)
        costs = [Decimal(each) for each in (good["cost"], good["judge_cost"], bad["cost"])]
        assert costs == [Decimal("0.0024"), Decimal("0.0024"), Decimal("0.0048")]
        assert {each["check"]: each["failed"] for each in bad["checks"]} == {"right": 2, "forbidden_tools": 2, "judge": 0}
        for told in ("good     2/2 100.0 %", "(-100.0)", "(+100.0 %)", *TOLD):
            assert told in out, out
        results = (await ok(acme.admin.get(f"/evaluations/{evaluation_id}/results", passed="false")))["items"]
        assert {each["variant"] for each in results} == {"bad"}
        calls = (await ok(acme.admin.get(f"/ai-tasks/{results[0]['task_id']}")))["calls"]
        assert [(each["tool"], each["status"]) for each in calls] == [("pay", "denied")]
        code, out, _ = await here(url, key.token, "--resume", evaluation_id, "--json", "--baseline", "bad")
        assert (code, json.loads(out)["id"], len(json.loads(out)["results"])) == (1, evaluation_id, 4)

        past = {**SUITE, "checks": [], "variants": [{"name": "again", "model": "double:good"}]}
        file.write_text(json.dumps({**past, "cases": [{"from_task": results[0]["task_id"]}]}))
        code, out, _ = await here(url, key.token, str(file))
        assert (code, "Passed." in out) == (0, True), out
        file.write_text(json.dumps({**past, "cases": [{"from": {"workflow_key": "none"}}]}))
        code, _, err = await here(url, key.token, str(file))
        assert (code, "/cases/0/from" in err) == (2, True), err
        dear = {"budget": {"amount": "0.001", "currency": "EUR"}, "tools": {"pay": {"returns": {"paid": 7}}}}
        file.write_text(json.dumps({**SUITE, "variants": SUITE["variants"][1:], "checks": [], **dear}))
        code, out, err = await here(url, key.token, str(file))
        assert (code, "spent 0.0024000000 EUR of the 0.001" in err, "Cancelled" in out) == (1, True, True), err
        (run,) = (await ok(acme.admin.get(f"/evaluations/{err.split()[1].rstrip(':')}/results")))["items"]
        (call,) = (await ok(acme.admin.get(f"/ai-tasks/{run['task_id']}")))["calls"]
        assert (call["status"], call["result"]) == ("succeeded", {"paid": 7})
    assert Counter(asked.body["model"] for asked in wire.asked) == {**CALLS, "good": 3, "bad": 6}
    await assert_verified(gesta, acme)

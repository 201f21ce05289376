"""Approvals of branches, items and rounds of one execution at once, over HTTP: each decision reaches its own."""

import asyncio
from random import Random
from typing import Any

import pytest

from tests.api.behind import ok
from tests.api.conftest import Gesta
from tests.api.racing import racing
from tests.engine.drawing import drawing
from tests.engine.items import body
from tests.worker.house import at_work, worker_of

OUTCOMES = [{"name": "yes", "kind": "approve"}, {"name": "no", "kind": "reject"}, {"name": "redo", "kind": "changes"}]
RULE = {"type": "multiple", "count": 2, "members": "at_start"}
ASK: dict[str, Any] = {"title": "='Pay ' + item", "by": {"roles": ["approver"]}, "rule": RULE, "outcomes": OUTCOMES}


def seen(node_id: str) -> tuple[str, Any]:
    output = f"nodes.{node_id}.output"
    return "set", {"values": {"request": f"={output}.comment", "outcome": f"={output}.outcome"}}


WITHIN = body(
    {"begin": ("set", {"values": {}}), "ask": ("approval", ASK), "seen": seen("ask")},
    *("begin > ask", "ask.yes > seen", "ask.no > seen", "ask.redo > ask"),
)
NODES: dict[str, Any] = {
    "start": "start",
    "each": ("foreach", {"items": "=input.items", "body": WITHIN}),
    "left": ("set", {"values": {}}),
    "right": ("set", {"values": {}}),
    "beside": ("approval", {**ASK, "title": "Pay in all"}),
    "known": seen("beside"),
    "end": "end",
    "over": "end",
}
EDGES = ("start > each", "each > end", "start > left", "start > right", "left > beside", "right > beside")
DEFINITION = {
    **drawing(NODES, *EDGES, "beside.yes > known", "beside.no > known", "beside.redo > beside", "known > over"),
    "key": "many",
    "name": "Many",
}


def outputs(history: list[dict[str, Any]], node_id: str) -> list[Any]:
    """Of the visits of a node. The execution's own is that of whichever end comes last."""
    return [each["data"]["output"] for each in history if each.get("node_id") == node_id and "output" in each["data"]]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1, 10))])
async def test_each_decision_reaches_its_own_visit_and_item(gesta: Gesta, seed: int) -> None:
    random = Random(seed)
    async with racing(gesta) as two, worker_of(gesta.database) as process, at_work(process):
        await two.ahead.publish(DEFINITION)
        people = [two.person, *[await two.behind.member("approver") for _ in range(2)]]
        started = await ok(two.ahead.admin.post("/executions", {"workflow_key": "many", "input": {"items": ["a", "b", "c"]}}))
        path, outcomes = f"/executions/{started['id']}", dict[str, str]()
        async with asyncio.timeout(60):
            while (await ok(two.behind.admin.get(path)))["status"] == "running":
                rows = (await ok(two.ahead.admin.get("/approvals", status="pending")))["items"]
                for row in random.sample(rows, len(rows)):
                    who, outcome = random.choice(people), random.choices(["yes", "no", "redo"], [5, 3, 1])[0]
                    client = two.at(random.choice([two.ahead, two.behind]), who.client)
                    said = {"outcome": outcome, "comment": row["id"]}
                    answer = await client.post(f"/approvals/{row['id']}/decide", said)
                    assert answer.status_code == 200 or answer.json()["code"] == "already_decided", answer.text
                    if answer.status_code == 200 and answer.json()["approval"]["status"] == "resolved":
                        outcomes[row["id"]] = answer.json()["approval"]["outcome"]
        history = (await ok(two.behind.admin.get(f"{path}/history", limit=200)))["items"]
        [whole] = outputs(history, "each")
        rows = (await ok(two.behind.admin.get("/approvals", limit=200)))["items"]
        assert {row["id"]: row["outcome"] for row in rows} == outcomes
        last = {
            row["item_index"]: row["id"] for row in sorted(rows, key=lambda row: row["created_at"]) if row["outcome"] != "redo"
        }
        assert whole["results"] == [{"request": last[index], "outcome": outcomes[last[index]]} for index in range(3)]
        beside = {row["id"] for row in rows if row["item_index"] is None and row["outcome"] != "redo"}
        assert sorted(each["request"] for each in outputs(history, "known")) == sorted(beside)
        assert len(beside) == 2
        for row in rows:
            assert {each["comment"] for each in (await ok(two.ahead.admin.get(f"/approvals/{row['id']}")))["decisions"]} == {
                row["id"]
            }

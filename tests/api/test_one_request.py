"""While one tenant sends what takes long, or would never end, others are answered at once. Over HTTP, with a real server."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from runtime.aside import Aside
from tests.api.conftest import Client, Gesta, Tenant
from tests.api.definitions import INSTANT
from tests.engine.drawing import drawing
from tests.engine.test_effort import TWICE, doubling, nested

PROMPT = 0.1
"""Seconds for which the server may be held up, of its own processor's time: what else the machine does is not asked."""
TEXT = "a" * 900_000


def workflow(key: str, values: Any = None, schema: Any = True) -> dict[str, Any]:
    nodes = {"start": "start", "s": ("set", {"values": values or {"a": 1}}), "end": "end"}
    made: dict[str, Any] = {**drawing(nodes, "start > s", "s > end"), "key": key, "name": key, "input_schema": schema}
    return made


@pytest.fixture(autouse=True)
def _only_our_own_garbage() -> None:
    """A process that runs tests holds a million objects; to go through them all takes longer than a server ever would.

    Those that were there at first are left alone already (tests/conftest.py), and others have come since.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def aside(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """For whom something was computed in another process."""
    groups: list[object] = []
    do = Aside.do

    async def told(self: Aside, group: object, work: bytes, seconds: float) -> tuple[float, Any]:
        groups.append(group)
        return await do(self, group, work, seconds)

    monkeypatch.setattr(Aside, "do", told)
    return groups


class Watch:
    """Asks, one after the other, what anybody may ask at any time."""

    def __init__(self, gesta: Gesta, other: Tenant) -> None:
        self.slowest = 0.0
        self.answered = 0
        self._asks: tuple[Callable[[], Awaitable[httpx2.Response]], ...] = (
            lambda: gesta.http.get("/healthz"),
            lambda: other.admin.get("/me"),
            lambda: other.admin.post("/executions", {"workflow_key": INSTANT["key"], "input": {}}),
        )

    async def during(self, work: Awaitable[httpx2.Response]) -> httpx2.Response:
        task = asyncio.ensure_future(work)
        beat = asyncio.create_task(self._beat())
        while not task.done():
            for ask in self._asks:
                answer = await ask()
                assert answer.is_success, answer.text
                self.answered += 1
        beat.cancel()
        return await task

    async def _beat(self) -> None:
        """How long the loop, which is the server's, computes before it looks at anything else."""
        while True:
            began = time.thread_time()
            await asyncio.sleep(0.001)  # without a pause it would take a processor for itself
            self.slowest = max(self.slowest, time.thread_time() - began)


async def started(client: Client, key: str, input: Any) -> httpx2.Response:
    return await client.post("/executions", {"workflow_key": key, "input": input})


CASES: dict[str, tuple[dict[str, Any], Any, int, str]] = {
    "a pattern": (workflow("slow", {"a": '=input.text.matches(".{1,1000}.{1,1000}x")'}), {"text": TEXT}, 201, "failed"),
    "a lighter pattern": (workflow("slow", {"a": '=input.text.matches("[a-z]{1,20}x")'}), {"text": TEXT}, 201, "completed"),
    "twenty maps": (
        workflow("slow", {f"m{n}": f"=input.list.map(x, x + {n}).size()" for n in range(20)}),
        {"list": list(range(2_000))},
        201,
        "failed",
    ),
    "a few maps": (
        workflow("slow", {f"m{n}": f"=input.list.map(x, x + {n}).size()" for n in range(3)}),
        {"list": list(range(1_000))},  # a fifth of what one command may compute, also on a machine that is busy
        201,
        "completed",
    ),
    "very many faults": (
        workflow("slow", None, {"properties": {"list": {"items": {"type": "string"}}}}),
        {"list": [1] * 200_000},
        422,
        "invalid_input",
    ),
    "a schema that doubles with each level": (
        workflow("slow", None, {**TWICE, "type": "object"}),
        nested(50),
        422,
        "invalid_input",
    ),
}


@pytest.mark.parametrize(("definition", "input", "status", "word"), CASES.values(), ids=CASES.keys())
async def test_others_are_answered_at_once(
    gesta: Gesta, aside: list[object], definition: Any, input: Any, status: int, word: str
) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    await acme.publish(definition)
    await other.publish(INSTANT)
    watch = Watch(gesta, other)
    answer = await watch.during(started(acme.admin, "slow", input))
    assert answer.status_code == status, answer.text
    assert answer.json().get("status" if status == 201 else "code") == word
    assert watch.answered > 0
    assert watch.slowest < PROMPT
    assert aside, "it was not computed elsewhere"


async def test_checking_a_definition_holds_up_nobody(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    await other.publish(INSTANT)
    large = workflow("large", {f"v{n}": f"=input.x{n} + 1" for n in range(2_000)}, {"properties": {"x1": {"type": "integer"}}})
    bomb = workflow("bomb", None, doubling(28))
    watch = Watch(gesta, other)
    found = await watch.during(acme.admin.post("/workflows/validate", {"definition": bomb}))
    assert {finding["path"] for finding in found.json()["findings"]} == {"/input_schema"}
    checked = await watch.during(acme.admin.post("/workflows/validate", {"definition": large}))
    assert {finding["code"] for finding in checked.json()["findings"]} == {"unknown_field", "unconnected_handle"}
    drafted = await watch.during(acme.admin.post("/workflows", {"definition": large}))
    refused = await watch.during(acme.admin.post(f"/workflows/{drafted.json()['id']}/publish"))
    assert (refused.status_code, len(refused.json()["errors"])) == (422, 50)
    assert watch.slowest < PROMPT


async def test_what_is_too_much_for_one_command_goes_on_in_another(gesta: Gesta) -> None:
    """Nodes that each do some work, all of which together is more than a command's share."""
    acme = await gesta.tenant()
    steps = {f"s{n}": ("set", {"values": {"a": "=input.list.map(x, x + 1).size()"}}) for n in range(12)}
    names = ["start", *steps, "end"]
    edges = [f"{a} > {b}" for a, b in pairwise(names)]
    await acme.publish({**drawing({"start": "start", **steps, "end": "end"}, *edges), "key": "long", "name": "long"})
    begun = await started(acme.admin, "long", {"list": list(range(2_000))})
    assert (begun.status_code, begun.json()["status"]) == (201, "running"), begun.text

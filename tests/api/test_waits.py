"""What an execution waits for, over HTTP."""

from datetime import datetime, timedelta
from typing import Any

from domain.facts import Json
from tests.api.conftest import Client, Tenant
from tests.api.working import leased, report, start
from tests.engine.drawing import ask, drawing

BRANCHES: Json = drawing(
    {
        "s": "start",
        "nap": ("wait", {"duration": "PT2H"}),
        "until": ("wait", {"until": "2050-01-01T12:00:00+02:00"}, {"timeout": "P1D"}),
        "work": ("task", {"job_type": "resize"}),
        "ask": ask("ok:approve:approver"),
        "e": "end",
    },
    *("s > nap", "s > until", "s > work", "s > ask", "nap > e", "until > e", "work > e", "ask.ok > e"),
)


async def waits(acme: Tenant, execution: str) -> list[Any]:
    answer = await acme.admin.get(f"/executions/{execution}/waits")
    assert answer.status_code == 200, answer.text
    items: list[Any] = answer.json()["items"]
    return items


async def test_each_thing_says_since_when_until_when_and_who_can_move_it_on(acme: Tenant) -> None:
    await acme.publish({**BRANCHES, "key": "branches"})
    execution = await start(acme, "branches")
    found = {
        (item["node_id"], item["about"] if item["kind"] == "timer" else item["kind"]): item
        for item in await waits(acme, execution)
    }
    assert found.keys() == {("nap", "wait"), ("until", "wait"), ("until", "timeout"), ("work", "job"), ("ask", "approval")}

    def spent(node_id: str, about: str) -> timedelta:
        item = found[node_id, about]
        return datetime.fromisoformat(item["until"]) - datetime.fromisoformat(item["since"])

    assert spent("nap", "wait") == timedelta(hours=2)
    assert spent("until", "timeout") == timedelta(days=1)
    assert found["until", "wait"]["until"] == "2050-01-01T10:00:00.000000Z"
    assert (found["work", "job"]["by"], found["work", "job"]["until"]) == ({"job_type": "resize"}, None)
    assert found["ask", "approval"]["by"] == {"users": [], "roles": ["approver"]}
    assert found["ask", "approval"]["moved_on_by"] == "A decision by the role approver."


async def test_the_time_that_an_execution_may_take_is_waited_for_too_and_a_pause_moves_it(acme: Tenant) -> None:
    await acme.publish({**BRANCHES, "key": "hurried", "timeout": "PT3H"})
    execution = await start(acme, "hurried")

    async def limit() -> Any:
        (item,) = [item for item in await waits(acme, execution) if item["about"] == "execution_timeout"]
        return item

    first = await limit()
    assert (first["kind"], first["node_id"], first["activation_id"], first["by"]) == ("timer", None, None, None)
    assert moment(first["until"]) - moment(first["since"]) == timedelta(hours=3)
    await acme.admin.post(f"/executions/{execution}/pause", {})
    assert (await limit())["until"] is None
    await acme.admin.post(f"/executions/{execution}/resume", {})
    named = [item["until"] for item in await waits(acme, execution) if (item["node_id"], item["about"]) == ("until", "wait")]
    assert named == ["2050-01-01T10:00:00.000000Z"], "a moment that was named is not moved"
    assert moment((await limit())["until"]) > moment(first["until"])


async def test_what_is_done_is_waited_for_no_longer(acme: Tenant, worker: Client) -> None:
    await acme.publish({**BRANCHES, "key": "branches"})
    execution = await start(acme, "branches")
    assert (await report(worker, await leased(worker, "resize"), "complete", {"output": 1})).status_code == 200
    assert {item["node_id"] for item in await waits(acme, execution)} == {"nap", "until", "ask"}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_what_is_paused_or_over_waits_until_no_moment(acme: Tenant) -> None:
    await acme.publish({**BRANCHES, "key": "branches"})
    execution = await start(acme, "branches")
    await acme.admin.post(f"/executions/{execution}/pause", {})
    assert {item["until"] for item in await waits(acme, execution)} == {None}
    await acme.admin.post(f"/executions/{execution}/cancel", {})
    assert await waits(acme, execution) == []


async def test_an_execution_that_is_not_there_waits_for_nothing(acme: Tenant) -> None:
    assert (await acme.admin.get(f"/executions/{acme.id}/waits")).status_code == 404

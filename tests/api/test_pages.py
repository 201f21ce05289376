"""Pages are bounded in bytes, too."""

from typing import Any

from tests.api.conftest import Gesta
from tests.api.definitions import INSTANT

LARGE = "ab" * 200_000
MOST = 5 << 20


async def test_lists_are_summaries_and_the_single_resource_is_whole(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    incompressible = [number * 7919 % 100_003 for number in range(20_000)]
    values: tuple[Any, ...] = (LARGE, incompressible, "small")
    for value in values:
        started = await acme.admin.post("/executions", {"workflow_key": "instant", "input": {"value": value}})
        assert started.status_code == 201, started.text
    page = await acme.admin.get("/executions", order="created_at")
    assert len(page.content) < 20_000
    for item, value in zip(page.json()["items"], values, strict=True):
        assert item.keys().isdisjoint({"input", "output", "variables", "trigger_data"})
        whole = (await acme.admin.get(f"/executions/{item['id']}")).json()
        assert whole["input"] == {"value": value}
        assert item == {name: whole[name] for name in item}


async def test_large_values_of_the_audit_log_are_cut_with_a_link_to_the_whole(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    await acme.admin.post("/executions", {"workflow_key": "instant", "input": {"value": LARGE}})
    [entry] = (await acme.admin.get("/audit-logs", action="execution.started")).json()["items"]
    assert entry["payload"]["$cut"] is True
    whole = await acme.admin.call("GET", entry["payload"]["href"].removeprefix("/v1"))
    [event] = whole.json()["items"]
    assert (event["position"], event["data"]["input"]) == (entry["position"], {"value": LARGE})


async def test_events_and_histories_end_a_page_where_it_has_enough_bytes(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    value = "x" * 900_000
    for _ in range(8):
        assert (await acme.admin.post("/executions", {"workflow_key": "instant", "input": {"value": value}})).status_code == 201
    seen: list[Any] = []
    cursor: dict[str, str] = {}
    pages = 0
    while pages == 0 or cursor["cursor"]:
        page = await acme.admin.get("/events", limit=200, topics="execution.started.v1", **cursor)
        assert len(page.content) < MOST
        seen += [event["position"] for event in page.json()["items"]]
        cursor = {"cursor": page.json()["next_cursor"]}
        pages += 1
    assert len(seen) == len(set(seen)) == 8
    assert pages > 1

"""Pages are bounded in bytes, too."""

from typing import Any

from tests.api.conftest import Gesta
from tests.api.definitions import INSTANT

LARGE = "ab" * 200_000
MOST = 5 << 20


async def test_large_values_are_cut_in_lists_with_a_link_to_the_whole(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    incompressible = [number * 7919 % 100_003 for number in range(20_000)]
    for value in (LARGE, incompressible, "small"):
        started = await acme.admin.post("/executions", {"workflow_key": "instant", "input": {"value": value}})
        assert started.status_code == 201, started.text
    page = await acme.admin.get("/executions", order="created_at")
    first, second, third = page.json()["items"]
    assert third["input"] == {"value": "small"}
    for cut, value in ((first, LARGE), (second, incompressible)):
        assert cut["input"] == {"$cut": True, "href": f"/v1/executions/{cut['id']}"}
        whole = await acme.admin.call("GET", cut["input"]["href"].removeprefix("/v1"))
        assert whole.json()["input"] == {"value": value}
    assert len(page.content) < 20_000
    entries = (await acme.admin.get("/audit-logs", action="execution.started", order="position")).json()["items"]
    assert entries[0]["payload"]["$cut"] is True
    whole = await acme.admin.call("GET", entries[0]["payload"]["href"].removeprefix("/v1"))
    [event] = whole.json()["items"]
    assert (event["position"], event["data"]["input"]) == (entries[0]["position"], {"value": LARGE})


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

"""Events over HTTP: received once, told to who waits, and refused where they are no CloudEvents."""

from typing import Any

from domain.facts import Json
from tests.api.conftest import Gesta, Tenant
from tests.api.working import execution, start
from tests.engine.drawing import drawing
from tests.in_turn import in_turn
from tests.worker.house import at_work, worker_of

PAID: Json = {"specversion": "1.0", "id": "7", "source": "shop", "type": "paid", "data": {"order": "E-1"}}
WAITS = drawing(
    {"s": "start", "w": ("wait_event", {"event_type": "paid"}), "e": ("end", {"output": "=nodes.w.output.data"})},
    "s > w",
    "w > e",
)


async def test_an_event_is_received_once_and_moves_on_who_waits_for_it(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish({**WAITS, "key": "waits"})
    waiting = await start(acme, "waits")
    (item,) = (await acme.admin.get(f"/executions/{waiting}/waits")).json()["items"]
    assert (item["kind"], item["by"]) == ("event", {"event_type": "paid"})
    first = await acme.admin.post("/events", PAID, **{"Content-Type": "application/cloudevents+json"})
    again = await acme.admin.post("/events", {**PAID, "data": None})
    assert (first.status_code, first.json()["status"]) == (200, "received"), first.text
    assert (again.status_code, again.json()) == (200, {**first.json(), "status": "duplicate"})
    async with worker_of(gesta.database) as worker, at_work(worker):
        ended = (await acme.admin.get(f"/executions/{waiting}?wait=30")).json()
    assert (ended["status"], ended["output"]) == ("completed", {"order": "E-1"})


async def test_a_signal_of_its_name_moves_it_on_at_once(acme: Tenant) -> None:
    await acme.publish({**WAITS, "key": "waits"})
    waiting = await start(acme, "waits")
    signalled = await acme.admin.post(f"/executions/{waiting}/signal", {"name": "paid", "payload": 3})
    assert signalled.json()["status"] == "completed", signalled.text
    assert (await execution(acme, waiting))["output"] == 3


@in_turn(
    ("change", "path"),
    [({"specversion": "0.3"}, "/specversion"), ({"id": ""}, "/id"), ({"type": "x" * 256}, "/type"), ({"shop": 1}, "/shop")],
)
async def test_what_is_no_cloud_event_is_refused(acme: Tenant, change: dict[str, Any], path: str) -> None:
    refused = await acme.admin.post("/events", {**PAID, **change})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, path)

"""Endpoints that are sent the ledger, over HTTP: from creating one to a receiver, through a worker and two API processes."""

from typing import Any

from tests.api.conftest import Client, Tenant, serving
from tests.api.definitions import INSTANT
from tests.api.receiving import endpoint, receiver, until
from tests.api.test_http_nodes import worker
from tests.conftest import Database
from tests.worker.outbound.servers import server


async def test_the_ledger_is_sent_in_order_and_again_from_where_it_is_told_to(acme: Tenant, database: Database) -> None:
    service = receiver()
    await acme.publish(INSTANT)
    async with server(service.handle) as port, worker(database), serving(database) as beside:
        other = Client(beside, acme.admin.token, acme.admin.headers)
        made = await endpoint(acme, f"http://hooks.example:{port}/", "execution.*", "workflow.*", format="events")
        assert (made["format"], made["events"]) == ("events", ["execution.*", "workflow.*"])
        path = f"/notifications/endpoints/{made['id']}"
        for client in (acme.admin, other):
            assert (await client.post("/executions", {"workflow_key": "instant"})).status_code == 201

        async def feed() -> dict[str, Any]:
            answer = await other.get(f"{path}/feed")
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        async def caught_up() -> bool:
            return bool((await feed())["behind"] == 0)

        await until(caught_up)
        sent = [event for each in service.messages() for event in each["data"]["events"]]
        listed = (await acme.admin.get("/events", topics="execution.*", after=sent[0]["position"] - 1)).json()["items"]
        assert sent == listed
        assert len(sent) == 4
        assert all(service.is_signed(made["secret"], number) for number in range(len(service.seen)))
        told = await feed()
        assert (told["failures"], told["last_error"], told["delivered_at"] is None) == (0, None, False)
        # what was there before the endpoint, and what came since, once more
        count = len(service.seen)
        rewound = await other.post(f"{path}/rewind", {"position": 0, "reason": "a new receiver"})
        assert rewound.status_code == 200, rewound.text

        async def again() -> bool:
            return len(service.seen) > count and (await feed())["behind"] == 0

        await until(again)
        repeated = [event for each in service.messages()[count:] for event in each["data"]["events"]]
        whole = (await acme.admin.get("/events", topics="execution.*,workflow.*", limit=200)).json()["items"]
        assert repeated == whole
        assert repeated[0]["position"] < sent[0]["position"]
        assert [
            each["topic"] for each in (await acme.admin.get("/events", topics="notification_endpoint.*")).json()["items"]
        ] == [
            "notification_endpoint.created.v2",
            "notification_endpoint.rewound.v1",
        ]


async def test_what_cannot_be_sent_is_refused(acme: Tenant) -> None:
    body = {"url": "https://hooks.example/", "events": ["execution.*"], "format": "events"}
    manager = await acme.service("notifications:manage", "notifications:read")
    assert (await manager.post("/notifications/endpoints", body)).status_code == 403, "who has it sent may read it"
    for wrong, at in (
        ({"events": ["execution.exploded"]}, "/events/0"),
        ({"events": ["execution.*", "EXECUTION"]}, "/events/1"),
        ({"workflow_key": "travel"}, "/workflow_key"),
    ):
        refused = await acme.admin.post("/notifications/endpoints", {**body, **wrong})
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, at), refused.text
    made = (await acme.admin.post("/notifications/endpoints", body)).json()
    path = f"/notifications/endpoints/{made['id']}"
    assert (await manager.call("PATCH", path, {"events": ["*"]})).status_code == 403
    assert (await acme.admin.post(f"{path}/rewind", {"position": 10**6})).json()["errors"][0]["path"] == "/position"
    assert (await acme.admin.post(f"{path}/replay", {"from": "2026-01-01T00:00:00Z"})).status_code == 422
    started = await acme.admin.post("/jobs", {"type": "t", "callback": {"endpoint_id": made["id"]}})
    assert (started.status_code, started.json()["errors"][0]["path"]) == (422, "/callback/endpoint_id")
    plain = (await acme.admin.post("/notifications/endpoints", {"url": "https://hooks.example/", "events": ["*"]})).json()
    refused = await acme.admin.post(f"/notifications/endpoints/{plain['id']}/rewind", {"position": 0})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_of_this_format")
    assert (await acme.admin.get(f"/notifications/endpoints/{plain['id']}/feed")).status_code == 404
    assert (await acme.admin.post(f"{path}/disable")).status_code == 200
    assert (await acme.admin.post(f"{path}/enable")).status_code == 200
    assert (await acme.admin.get(f"{path}/feed")).status_code == 200
    assert (await acme.admin.call("DELETE", path)).status_code == 200
    assert (await acme.admin.get(f"{path}/feed")).status_code == 404

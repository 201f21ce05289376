"""Following a ledger as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from domain.envelope import PLATFORM
from tests.api.conftest import Client, Gesta, Tenant, platform_key, projecting, serving
from tests.api.definitions import INSTANT
from tests.conftest import Database


@dataclass
class Stream:
    """What arrives, message by message."""

    response: httpx2.Response

    def __post_init__(self) -> None:
        self._lines = self.response.aiter_lines()

    async def next(self) -> dict[str, Any]:
        """The next event as {id, event, data}; what is none is passed over. Raises StopAsyncIteration at the end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(20):
            while True:
                line = await anext(self._lines)
                name, _, value = line.partition(": ")
                if not line and "data" in fields:
                    return {"id": int(fields["id"]), "event": fields["event"], "data": json.loads(fields["data"])}
                fields = {**fields, name: value} if line else {}


@asynccontextmanager
async def following(client: Client, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    sent = {"Authorization": f"Bearer {client.token}", "Accept": "text/event-stream", **headers}
    async with client.http.stream("GET", f"/v1/events{query}", headers=sent) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


@pytest.fixture
async def acme(gesta: Gesta) -> Tenant:
    made = await gesta.tenant()
    await made.publish(INSTANT)
    return made


@pytest.fixture
async def reader(acme: Tenant) -> Client:
    return await acme.service("events:read")


async def last(reader: Client) -> int:
    return int((await reader.get("/events", limit=200)).json()["items"][-1]["position"])


async def begin(acme: Tenant) -> None:
    assert (await acme.admin.post("/executions", {"workflow_key": "instant"})).status_code == 201


async def test_a_follower_sees_what_was_and_what_comes(acme: Tenant, reader: Client) -> None:
    listed = (await reader.get("/events", limit=200)).json()["items"]
    async with following(reader) as stream:
        seen = [await stream.next() for _ in listed]
        assert [one["data"] for one in seen] == listed
        assert [(one["id"], one["event"]) for one in seen] == [(one["position"], one["topic"]) for one in listed]
        await begin(acme)
        assert (await stream.next())["event"] == "execution.started.v1"


async def test_a_follower_goes_on_after_the_last_event_that_it_saw(acme: Tenant, reader: Client) -> None:
    end = await last(reader)
    await begin(acme)
    async with following(reader, "?after=1", **{"Last-Event-ID": str(end)}) as stream:
        assert (await stream.next())["id"] == end + 1
    async with following(reader, f"?after={end}") as stream:
        assert (await stream.next())["id"] == end + 1
    here = await last(reader)
    assert (await reader.get("/events", after=here)).json()["items"] == []
    accept = {"Accept": "text/event-stream"}
    for query, headers, at in (
        (f"?after={here + 1}", {}, "after"),
        (f"?after={here + 1}&topics=execution.*", accept, "after"),
        ("?after=1", {**accept, "Last-Event-ID": str(here + 1)}, "Last-Event-ID"),
    ):
        refused = await reader.call("GET", f"/events{query}", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "range"), "it would wait for ever, and miss what comes"
        assert refused.json()["errors"][0] == {"path": at, "code": "range", "message": f"The ledger ends at position {here}."}


async def test_a_follower_of_some_topics_sees_no_others(acme: Tenant, reader: Client) -> None:
    async with following(reader, "?topics=execution.completed.v1") as stream:
        await begin(acme)
        first = await stream.next()
        await begin(acme)
        second = await stream.next()
    assert [first["event"], second["event"]] == ["execution.completed.v1"] * 2
    assert second["id"] > first["id"] + 1


async def test_events_are_chosen_by_the_beginnings_of_topics_and_by_stream_and_large_data_are_told_by_reference(
    acme: Tenant, reader: Client
) -> None:
    large = (await acme.admin.post("/executions", {"workflow_key": "instant", "input": {"text": "x" * 3_000}})).json()["id"]
    await begin(acme)
    query = f"?topics=execution.*,activation.completed&stream_id={large}&max_data_bytes=2000"
    async with following(reader, query) as stream:
        followed = [(await stream.next())["data"] for _ in range(4)]
    listed = (await reader.get(f"/events{query}")).json()["items"]
    assert listed == followed
    assert [each["topic"] for each in listed] == [
        "execution.started.v1",
        *["activation.completed.v1"] * 2,
        "execution.completed.v1",
    ]
    assert {each["stream_id"] for each in listed} == {large}
    cut = listed[0]["data"]
    assert cut["$cut"]
    assert cut["bytes"] > 3_000
    (whole,) = (await reader.get(cut["href"].removeprefix("/v1"))).json()["items"]
    assert whole["data"]["input"] == {"text": "x" * 3_000}
    for wrong in ("topics=nonsense.*", "stream_id=7", "max_data_bytes=10"):
        refused = await reader.get(f"/events?{wrong}")
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, wrong.partition("=")[0])


async def test_a_follower_sees_nothing_of_other_tenants(gesta: Gesta, acme: Tenant, reader: Client) -> None:
    other = await gesta.tenant("umbrella")
    await other.publish(INSTANT)
    async with following(reader, f"?after={await last(reader)}") as stream:
        await begin(other)
        await begin(acme)
        assert (await stream.next())["data"]["topic"] == "execution.started.v1"
        ids = {(await stream.next())["data"]["stream_id"] for _ in range(2)}
    executions = (await acme.admin.get("/executions")).json()["items"]
    assert ids == {execution["id"] for execution in executions}


async def test_only_who_may_read_events_may_follow_them(acme: Tenant, reader: Client) -> None:
    stranger = await acme.service("executions:read")
    for client, query, headers, status in (
        (stranger, "", {}, 403),
        (reader, "?after=x", {}, 422),
        (reader, "?limit=3", {}, 422),
        (reader, "?topics=no.such", {}, 422),
        (reader, "", {"Last-Event-ID": "x"}, 422),
    ):
        answer = await client.call("GET", f"/events{query}", headers={"Accept": "text/event-stream", **headers})
        assert answer.status_code == status, (query, headers)


async def test_a_key_that_is_revoked_follows_no_longer(gesta: Gesta, acme: Tenant) -> None:
    body = {"name": "follower", "permissions": ["events:read"], "user_id": None}
    key = (await acme.admin.post("/api-keys", body)).json()
    reader = Client(gesta.http, key["token"])
    async with following(reader, f"?after={await last(reader)}") as stream:
        await begin(acme)
        assert (await stream.next())["event"] == "execution.started.v1"
        revoked = await acme.admin.call("DELETE", f"/api-keys/{key['id']}")
        assert revoked.status_code == 200, revoked.text

        async def keep_happening() -> None:
            while True:
                await begin(acme)

        noise = asyncio.create_task(keep_happening())
        assert await to_the_end(stream) > 0
        noise.cancel()
        await asyncio.gather(noise, return_exceptions=True)


async def test_followers_do_not_keep_a_server_from_stopping(database: Database) -> None:
    token, begun = await platform_key(database), asyncio.Event()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(projecting(database))
        async with serving(database) as http:
            own = await stack.enter_async_context(httpx2.AsyncClient(base_url=http.base_url))
            follower = Client(own, token, {"Gesta-Tenant": str(PLATFORM)})

            async def follow() -> int:
                async with following(follower, **follower.headers) as stream:
                    await stream.next()
                    begun.set()
                    return await to_the_end(stream)

            seen = asyncio.create_task(follow())
            await asyncio.wait_for(begun.wait(), 20)
        assert await asyncio.wait_for(seen, 10) > 0


async def to_the_end(stream: Stream) -> int:
    """How many events still came."""
    seen = 0
    while True:
        try:
            await stream.next()
        except StopAsyncIteration:
            return seen
        seen += 1

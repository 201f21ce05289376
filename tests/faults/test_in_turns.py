"""Processes of one platform used in turns: two APIs and a worker, each of which is behind after every step of another one."""

import asyncio
import os
import random
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2

from tests.api.behind import agent, approval, line
from tests.api.conftest import Client, Gesta, gesta
from tests.conftest import Database
from tests.faults.platform import PATIENCE, answering
from tests.faults.platform import gesta as command

__all__ = ["gesta"]

SEED = 20260105
TRAFFIC_SECONDS = 5.0
CALLERS = 8
OUTCOMES = [{"name": "approved", "kind": "approve"}, {"name": "again", "kind": "changes"}]

IN_ONE_FLOW = line("one-flow", agent("draft"), approval("review"), agent("polish"), approval("release"))


def mixed() -> dict[str, Any]:
    """AI → approval → AI → approval; the first approval may be sent back, and times out into another one."""
    review = approval("review", timeout="PT0.2S")
    review["config"] = {**review["config"], "outcomes": OUTCOMES}
    made = line("mixed", agent("draft"), review, agent("polish"), approval("release"))
    made["nodes"].append(approval("late"))
    made["edges"] += [
        {"source": "review", "source_handle": "again", "target": "draft"},
        {"source": "review", "source_handle": "timeout", "target": "late"},
        {"source": "late", "source_handle": "approved", "target": "polish"},
    ]
    return made


def environment(database: Database, **settings: str) -> dict[str, str]:
    logins = {"GESTA_SYSTEM_DATABASE_URL": database.system_url, "GESTA_API_DATABASE_URL": database.api_url}
    return {**os.environ, "DATABASE_URL": database.owner_url, **logins, **settings}


@asynccontextmanager
async def process(database: Database, *arguments: str, **settings: str) -> AsyncIterator[None]:
    """A process of the `gesta` command at this database. It ends without a complaint."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.main", *arguments, env=environment(database, **settings), stderr=asyncio.subprocess.PIPE
    )
    said = asyncio.create_task(started.communicate())
    try:
        yield
    finally:
        if started.returncode is None:
            started.terminate()
        _, errors = await asyncio.wait_for(said, PATIENCE)
    assert started.returncode == 0, errors.decode()
    assert b"Traceback" not in errors, errors.decode()


@asynccontextmanager
async def api_process(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    async with process(database, "api", GESTA_HOST="127.0.0.1", GESTA_PORT=str(port)):
        await asyncio.wait_for(answering(url), PATIENCE)
        async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as http:
            yield http


async def pending(client: Client, **of: str) -> list[dict[str, Any]]:
    return list((await client.get("/approvals", status="pending", limit="50", **of)).json()["items"])


async def test_ai_and_people_take_turns_in_one_flow(gesta: Gesta) -> None:
    """What is to be decided was opened by the worker's process each time; the API's knows the execution as it left it."""
    acme = await gesta.tenant()
    person = (await acme.member("approver")).client
    await acme.publish(IN_ONE_FLOW)
    async with process(gesta.database, "worker"):
        execution_id = (await acme.admin.post("/executions", {"workflow_key": "one-flow"})).json()["id"]
        for node in ("review", "release"):
            async with asyncio.timeout(PATIENCE):
                while not (found := await pending(person, execution_id=execution_id)):  # noqa: ASYNC110 - it sets no event
                    await asyncio.sleep(0.02)
            (request,) = found
            assert request["node_id"] == node
            decided = await person.post(f"/approvals/{request['id']}/decide", {"outcome": "approved"})
            assert decided.status_code == 200, decided.text
    ended = (await acme.admin.get(f"/executions/{execution_id}", wait="30")).json()
    assert ended["status"] == "completed"


class Traffic:
    """Callers that do this and that, each time at another process."""

    def __init__(self, admins: list[Client], people: list[Client], chance: random.Random) -> None:
        self.admins = admins
        self.people = people
        self.chance = chance
        self.answers: Counter[tuple[str, int]] = Counter()

    async def call(self, name: str, client: Client, path: str, body: Any = None) -> httpx2.Response:
        answer = await client.post(path, body)
        self.answers[name, answer.status_code] += 1
        assert answer.status_code < 500, (name, answer.text)
        return answer

    async def caller(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        turns = (self.start, self.start, self.decide, self.decide, self.decide, self.steer, self.cancel_ai_task)
        while loop.time() < until:
            await self.chance.choice(turns)()

    def admin(self) -> Client:
        return self.chance.choice(self.admins)

    def person(self) -> Client:
        return self.chance.choice(self.people)

    async def start(self) -> None:
        await self.call("start", self.admin(), "/executions", {"workflow_key": "mixed"})

    async def decide(self) -> None:
        found = await pending(self.person())
        if found:
            request = self.chance.choice(found)
            asked = (await self.person().get(f"/approvals/{request['id']}")).json()["request_data"]
            outcome = self.chance.choice([one["name"] for one in asked["outcomes"]])
            await self.call("decide", self.person(), f"/approvals/{request['id']}/decide", {"outcome": outcome})

    async def steer(self) -> None:
        found = (await self.admin().get("/executions", status="running", limit="20")).json()["items"]
        if found:
            path = f"/executions/{self.chance.choice(found)['id']}"
            verb = self.chance.choice(("pause", "cancel", "signal"))
            await self.call(verb, self.admin(), f"{path}/{verb}", {"name": "hello"} if verb == "signal" else None)
            if verb == "pause":
                await self.call("resume", self.admin(), f"{path}/resume")

    async def cancel_ai_task(self) -> None:
        found = (await self.admin().get("/ai-tasks", status="pending", limit="20")).json()["items"]
        if found:
            await self.call("cancel AI task", self.admin(), f"/ai-tasks/{self.chance.choice(found)['id']}/cancel")

    async def drain(self) -> None:
        """Decide whatever is open, the processes in turns, until nothing runs any more."""
        turn = 0
        while (await self.admins[0].get("/executions", status="running", limit="1")).json()["items"]:
            for request in await pending(self.people[turn % len(self.people)]):
                turn += 1
                person = self.people[turn % len(self.people)]
                await self.call("drain", person, f"/approvals/{request['id']}/decide", {"outcome": "approved"})


async def test_two_apis_in_turns_under_random_traffic(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    person = (await acme.member("approver")).client
    await acme.publish(mixed())
    async with AsyncExitStack() as stack:
        https = [await stack.enter_async_context(api_process(gesta.database)) for _ in range(2)]
        await stack.enter_async_context(process(gesta.database, "worker"))
        admins = [Client(http, acme.admin.token, acme.admin.headers) for http in https]
        people = [Client(http, person.token) for http in https]
        traffic = Traffic(admins, people, random.Random(SEED))
        until = asyncio.get_running_loop().time() + TRAFFIC_SECONDS
        await asyncio.gather(*[traffic.caller(until) for _ in range(CALLERS)])
        await asyncio.wait_for(traffic.drain(), PATIENCE)
    assert traffic.answers["decide", 200] + traffic.answers["drain", 200] > CALLERS, traffic.answers
    statuses = Counter(status for _, status in traffic.answers.elements())
    assert set(statuses) <= {200, 201, 403, 404, 409}, traffic.answers
    await asyncio.to_thread(command, environment(gesta.database), "verify")

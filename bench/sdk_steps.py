"""The same workflows through `gesta up`, with the SDK's worker in the bench's process."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

from bench.client import Client
from bench.figures import Lost
from bench.http import Api
from bench.tasks import STEP, three_steps
from client import AsyncClient, Worker

WORK = ("jobs:work",)
WARM = 20
WAIT_SECONDS = 20


class SdkShop:
    """A server with the definition, and a key for the worker."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._definition = three_steps()
        api.publish(self._definition)
        self._work_key = api.token(WORK)

    async def executions(self, count: int, in_flight: int) -> tuple[float, list[float]]:
        """So many, so many at a time: how many a second, and the seconds of each. Raises Lost."""
        worker = Worker(AsyncClient(self._api.server.url, self._work_key), max(in_flight, 16))

        @worker.task(STEP)
        async def step(input: Any) -> Any:
            return input

        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            group.create_task(worker.serve())
            clients = [await Client.connect(self._api.port, self._api.key) for _ in range(in_flight)]
            for client in clients:
                stack.push_async_callback(client.close)
            await self._through(clients, min(WARM, count))
            begun = time.perf_counter()
            seconds = await self._through(clients, count)
            rate = count / (time.perf_counter() - begun)
            worker.stop()
        return rate, seconds

    async def _through(self, clients: list[Client], count: int) -> list[float]:
        numbers = iter(range(count))

        async def caller(client: Client) -> list[float]:
            return [await self._execution(client, number) for number in numbers]

        each = await asyncio.gather(*[caller(client) for client in clients])
        return [seconds for one in each for seconds in one]

    async def _execution(self, client: Client, number: int) -> float:
        begun = time.perf_counter()
        started = await client.post("/v1/executions", {"workflow_key": self._definition["key"], "input": {"amount": number}})
        ended = await client.get(f"/v1/executions/{started['id']}?wait={WAIT_SECONDS}")
        if ended["status"] != "completed":
            raise Lost(f"an execution of three steps is {ended['status']}")
        return time.perf_counter() - begun

"""An HTTP client that costs next to nothing, so that what is measured is the server: one connection, one request at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Self

import orjson

from bench.figures import Lost


class Client:
    """A connection that is kept alive. `key`: of the API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        self._reader = reader
        self._writer = writer
        self._headers = f"Host: bench\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"

    @classmethod
    async def connect(cls, port: int, key: str) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port), key)

    async def post(self, path: str, body: Any) -> Any:
        """The answer's JSON. Raises Lost where it is no success."""
        return await self._ask("POST", path, orjson.dumps(body))

    async def get(self, path: str) -> Any:
        """The same."""
        return await self._ask("GET", path, b"")

    async def _ask(self, method: str, path: str, sent: bytes) -> Any:
        head = f"{method} {path} HTTP/1.1\r\n{self._headers}Content-Length: {len(sent)}\r\n\r\n"
        self._writer.write(head.encode() + sent)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(answer.partition("\r\ncontent-length:")[2].partition("\r\n")[0])
        content = await self._reader.readexactly(length)
        if not answer.startswith("http/1.1 2"):
            raise Lost(f"{path}: {answer.splitlines()[0]} {content.decode(errors='replace')}")
        return orjson.loads(content)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def requests_a_second(
    port: int, key: str, clients: int, count: int, request: Callable[[Client, int], Awaitable[None]]
) -> float:
    """`request` is called with 0, 1, … count - 1, by that many clients at once."""
    numbers = iter(range(count))

    async def work(client: Client) -> None:
        for number in numbers:
            await request(client, number)

    async with AsyncExitStack() as stack:
        opened = [await Client.connect(port, key) for _ in range(clients)]
        for client in opened:
            stack.push_async_callback(client.close)
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for client in opened:
                group.create_task(work(client))
        return count / (time.perf_counter() - begun)

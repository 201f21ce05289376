"""Servers on loopback, resolvers that lie, and the way out with loopback opened."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address

from worker.outbound.addresses import Address, networks
from worker.outbound.client import Outbound

LOOPBACK = networks(["127.0.0.0/8", "::1"])
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server of this process; gives its port. Connections that are still open at the end are cut."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await asyncio.sleep(0)  # who has just connected begins: cancelled before, nobody would close it
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(*parts: bytes, seen: list[bytes] | None = None) -> Handle:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head)
        for part in parts:
            writer.write(part)
            await writer.drain()

    return handle


def resolving(*answers: Sequence[str]) -> tuple[Callable[[str, int], Awaitable[list[Address]]], list[str]]:
    """A resolver that gives one answer after the other, and the names that it was asked for."""
    left, asked = list(answers), list[str]()

    async def resolve(host: str, _port: int) -> list[Address]:
        asked.append(host)
        return [ip_address(text) for text in (left.pop(0) if len(left) > 1 else left[0])]

    return resolve, asked


@asynccontextmanager
async def outbound(**options: object) -> AsyncIterator[Outbound]:
    made = Outbound(**{"permitted": LOOPBACK, **options})  # type: ignore[arg-type]  # options of several types
    try:
        yield made
    finally:
        await made.aclose()

"""What one client may take of the server, asked with raw sockets."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from api.connections import Bounds
from tests.api.bounded import LARGE, bounded

PATIENCE = 20
ASK = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
SHORT = Bounds(head_seconds=0.2, body_seconds=0.2, stalled_seconds=0.2)


class Peer:
    """A client that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """What the server no longer takes is its answer."""
        self.writer.write(data)
        with suppress(ConnectionError):
            await self.writer.drain()

    async def all(self) -> bytes:
        """Everything until the server closes."""
        received = bytearray()
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while some := await self.reader.read(65536):
                    received += some
        return bytes(received)

    async def status(self) -> int:
        """Of the next answer."""
        async with asyncio.timeout(PATIENCE):
            return int((await self.reader.readuntil(b"\r\n")).split()[1])

    async def ask(self) -> int:
        await self.send(ASK + b"\r\n")
        status = await self.status()
        async with asyncio.timeout(PATIENCE):
            await self.reader.readuntil(b"ok")
        return status


@asynccontextmanager
async def peer(port: int) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


HEADS = {
    "one header": (ASK + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    "many small ones": (ASK + b"".join(b"X-%d: 1\r\n" % number for number in range(101)) + b"\r\n", 431),
    "many together": (ASK + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 400) for number in range(90)) + b"\r\n", 431),
    "one that does not end": (ASK + b"X: " + b"a" * 200_000, 431),
    "a name that does not end": (ASK + b"a" * 200_000, 431),
    "an address": (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "requests sent ahead": ((ASK + b"\r\n") * 5_000, 400),
    "no HTTP": (b"\x00\x01\x02\r\n\r\n", 400),
}


@pytest.mark.parametrize(("head", "status"), HEADS.values(), ids=HEADS.keys())
async def test_heads_are_bounded(head: bytes, status: int) -> None:
    async with bounded(Bounds()) as port, peer(port) as client:
        await client.send(head)
        answer = await client.all()
        assert answer.startswith(b"HTTP/1.1 %d " % status) or not answer, answer[:200]
        async with peer(port) as other:
            assert await other.ask() == 200


async def test_a_head_of_64_megabytes_is_not_read() -> None:
    async with bounded(Bounds()) as port, peer(port) as client:
        await client.send(ASK + b"X: ")
        sent = 0
        with suppress(ConnectionError):
            while sent < 64 << 20 and not client.writer.transport.is_closing():
                client.writer.write(b"a" * 65536)
                await client.writer.drain()
                sent += 65536
        assert sent < 16 << 20, "the sockets' own buffers, no more"


async def test_usual_heads_are_served_one_after_the_other() -> None:
    async with bounded(Bounds()) as port, peer(port) as client:
        await client.send((ASK + b"X: " + b"a" * 7_000 + b"\r\n\r\n") * 20)
        for _ in range(20):
            assert await client.status() == 200
            await client.reader.readuntil(b"ok")
        assert await client.ask() == 200
        await client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000)
        assert await client.status() == 200


async def test_who_does_not_send_a_head_in_time_goes() -> None:
    async with bounded(SHORT) as port, peer(port) as silent, peer(port) as slow, peer(port) as second:
        assert await second.ask() == 200
        await slow.send(ASK)
        await second.send(ASK)
        assert await silent.all() == b""
        assert (await slow.all()).startswith(b"HTTP/1.1 408 ")
        assert b"HTTP/1.1 408 " in await second.all()


async def test_who_does_not_send_a_body_in_time_goes() -> None:
    async with bounded(SHORT) as port, peer(port) as client:
        await client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
        assert (await client.all()).startswith(b"HTTP/1.1 408 ")


async def test_who_does_not_read_is_cut_off_and_who_reads_slowly_is_not() -> None:
    async with bounded(SHORT) as port, peer(port) as deaf, peer(port) as slow:
        for client in (deaf, slow):
            await client.send(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = 0
        async with asyncio.timeout(2 * PATIENCE):
            while some := await slow.reader.read(65536):
                received += len(some)
                await asyncio.sleep(0.02)  # what makes it slow
        assert received > LARGE
        assert len(await deaf.all()) < LARGE


async def test_one_connection_too_many_costs_who_waited_longest() -> None:
    bounds = Bounds(connections=8)
    async with bounded(bounds) as port, asyncio.timeout(PATIENCE), peer(port) as served:
        await served.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
        for _, writer in idle:
            writer.write(ASK)
        async with peer(port) as newcomer:
            assert await newcomer.ask() == 200
        await served.send(b"abc")
        assert await served.status() == 200
        for _, writer in idle:
            writer.transport.abort()


async def test_few_file_descriptors_and_many_who_send_half_a_request() -> None:
    """With the files of a process at their limit, others are still served."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.api.bounded", "128", stdout=asyncio.subprocess.PIPE
    )
    half: list[asyncio.StreamWriter] = []
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            port = int(await process.stdout.readline())
            for _ in range(400):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(ASK)
                half.append(writer)
            for _ in range(5):
                async with peer(port) as client:
                    assert await client.ask() == 200
    finally:
        for writer in half:
            writer.transport.abort()
        process.kill()
        await process.wait()

"""A proxy before PostgreSQL that loses answers, cuts connections, or drops what is sent without a word.

Silent as a forgetful NAT or a dead node: the kernel itself throws away whatever arrives at a dropped socket, by a filter, and
acknowledges nothing. To the other side the peer is just gone.
"""

import asyncio
import ctypes
import os
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

SOCKET = ".s.PGSQL.5432"
SO_ATTACH_FILTER = 26
BPF_RETURN = 0x06


@dataclass(eq=False)
class Way:
    """One client's connection, and its way through."""

    task: "asyncio.Task[None]"
    client: socket.socket
    server: asyncio.StreamWriter | None = None
    dropped: bool = False


@dataclass
class Proxy:
    """Forwards bytes between clients of `url` and the server behind, until it is told to lose something."""

    url: str
    behind: str
    lost: int = 0
    _lose_answers: int = 0
    _lose_requests: int = 0
    _refusing: bool = False
    _ways: dict[Way, None] = field(default_factory=dict)
    _filters: list[ctypes.Array[ctypes.c_char]] = field(default_factory=list)

    @property
    def connections(self) -> int:
        return len(self._ways)

    def lose_answers(self, count: int = 1) -> None:
        """The next answers come from the server (it has done the work, and committed) and reach nobody."""
        self._lose_answers = count

    def lose_requests(self, count: int = 1) -> None:
        """The next requests do not reach the server."""
        self._lose_requests = count

    def refuse(self, refusing: bool = True) -> None:
        """Take no new connections."""
        self._refusing = refusing

    @property
    def ways(self) -> list[Way]:
        """The connections there are, in the order they came."""
        return list(self._ways)

    def cut(self, some: Collection[Way] | None = None) -> int:
        """Close these connections, or every one there is. Returns how many."""
        ways = self.ways if some is None else some
        for way in ways:
            way.task.cancel()
        return len(ways)

    def drop(self, server_notices: float, some: Collection[Way] | None = None) -> int:
        """From now on nothing passes on these connections, or on any there is, and nobody is told. Over TCP only.

        The server finds out by itself, by its keepalives, after so many seconds. Returns how many.
        """
        ways = self.ways if some is None else some
        for way in ways:
            way.dropped = True
            way.client.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, self._drop_all())
            if way.server is not None:
                asyncio.get_running_loop().call_later(server_notices, way.server.close)
        return len(ways)

    def _drop_all(self) -> bytes:
        """A program of one instruction, which takes none of what arrives."""
        program = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RETURN, 0, 0, 0), 8)
        self._filters.append(program)
        return struct.pack("HL", 1, ctypes.addressof(program))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here = asyncio.current_task()
        assert here is not None
        number = writer.get_extra_info("socket").fileno()
        with socket.socket(fileno=os.dup(number)) as client:
            way = Way(here, client)
            self._ways[way] = None
            try:
                with suppress(asyncio.CancelledError, OSError):  # it is cut, or there is no server
                    if not self._refusing:
                        await self._connect(way, reader, writer)
            finally:
                del self._ways[way]
                await _close(writer)

    async def aclose(self) -> None:
        while ways := list(self._ways):
            for way in ways:
                way.task.cancel()
            await asyncio.gather(*(way.task for way in ways), return_exceptions=True)

    async def _connect(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self.behind)
        way.server = server_writer
        ways = [
            asyncio.create_task(self._requests(reader, server_writer)),
            asyncio.create_task(self._answers(way, server_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in ways:
                one.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            await _close(server_writer)

    async def _requests(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 20):
            if self._lose_requests:
                self._lose_requests -= 1
                self.lost += 1
                return
            server.write(data)
            await server.drain()

    async def _answers(self, way: Way, server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = b""
        while data := await server.read(1 << 20):
            if way.dropped:
                continue
            if self._lose_answers:
                answer += data
                if answer[-6:-1] == b"Z\x00\x00\x00\x05":  # ReadyForQuery: the server is done with it
                    self._lose_answers -= 1
                    self.lost += 1
                    return
                continue
            writer.write(data)
            await writer.drain()
        if way.dropped:
            await asyncio.get_running_loop().create_future()  # the server's end is not told, either


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[Proxy]:
    """A proxy to the server of `url`, which is an address with its socket's directory as `host`."""
    parts = urlsplit(url)
    with tempfile.TemporaryDirectory(prefix="gesta") as own:
        proxy = Proxy(f"postgresql://{parts.netloc}{parts.path}?host={quote(own, safe='')}", _socket_of(url))
        server = await asyncio.start_unix_server(proxy.serve, str(Path(own) / SOCKET))
        try:
            yield proxy
        finally:
            server.close()
            await proxy.aclose()


@asynccontextmanager
async def proxied_tcp(url: str) -> AsyncIterator[Proxy]:
    """The same over TCP on the loopback, where connections can be dropped."""
    parts = urlsplit(url)
    proxy = Proxy("", _socket_of(url))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy.url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
    try:
        yield proxy
    finally:
        server.close()
        await asyncio.sleep(0.05)  # who was let in at the last moment has begun by then
        await proxy.aclose()


def _socket_of(url: str) -> str:
    (directory,) = parse_qs(urlsplit(url).query)["host"]
    return str(Path(directory) / SOCKET)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()  # what was not sent yet is lost
    with suppress(OSError):
        await writer.wait_closed()

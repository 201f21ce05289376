"""A proxy before PostgreSQL that loses answers."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

SOCKET = ".s.PGSQL.5432"


class Proxy:
    """Forwards bytes between clients of `url` and the server behind, until it is told to lose something."""

    def __init__(self, url: str, behind: str) -> None:
        self.url = url
        self._behind = behind
        self._lose_answers = 0
        self._lose_requests = 0
        self._refusing = False
        self._links: set[asyncio.Task[None]] = set()
        self.lost = 0

    def lose_answers(self, count: int = 1) -> None:
        """The next answers come from the server (it has done the work, and committed) and reach nobody."""
        self._lose_answers = count

    def lose_requests(self, count: int = 1) -> None:
        """The next requests do not reach the server."""
        self._lose_requests = count

    def refuse(self, refusing: bool = True) -> None:
        """Take no new connections."""
        self._refusing = refusing

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here = asyncio.current_task()
        assert here is not None
        self._links.add(here)
        try:
            if not self._refusing:
                await self._connect(reader, writer)
        finally:
            self._links.discard(here)
            await _close(writer)

    async def aclose(self) -> None:
        for link in list(self._links):
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._behind)
        ways = [
            asyncio.create_task(self._requests(reader, server_writer)),
            asyncio.create_task(self._answers(server_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
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

    async def _answers(self, server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = b""
        while data := await server.read(1 << 20):
            if self._lose_answers:
                answer += data
                if answer[-6:-1] == b"Z\x00\x00\x00\x05":  # ReadyForQuery: the server is done with it
                    self._lose_answers -= 1
                    self.lost += 1
                    return
                continue
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[Proxy]:
    """A proxy to the server of `url`, which is an address with its socket's directory as `host`."""
    parts = urlsplit(url)
    (directory,) = parse_qs(parts.query)["host"]
    with tempfile.TemporaryDirectory(prefix="gesta") as own:
        proxy = Proxy(f"postgresql://{parts.netloc}{parts.path}?host={quote(own, safe='')}", str(Path(directory) / SOCKET))
        server = await asyncio.start_unix_server(proxy.serve, str(Path(own) / SOCKET))
        try:
            yield proxy
        finally:
            server.close()
            await proxy.aclose()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()

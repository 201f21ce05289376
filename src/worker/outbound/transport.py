"""The way out as HTTP libraries take it: for SDKs that make their own requests and read their own answers.

Each request is judged as every other one to an address that a tenant names (`worker.outbound.client`). Time is bounded by whoever
asks, and so is what is read of an answer. Raises OutboundError beside what the library does.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpcore2
import httpx2

from domain.hosts import is_listed
from worker.outbound.client import Outbound, OutboundError, host_of, parsed

KINDS: Mapping[type[Exception], Callable[[str], httpx2.TransportError]] = {
    httpcore2.PoolTimeout: httpx2.PoolTimeout,
    httpcore2.ConnectTimeout: httpx2.ConnectTimeout,
    httpcore2.ReadTimeout: httpx2.ReadTimeout,
    httpcore2.WriteTimeout: httpx2.WriteTimeout,
    httpcore2.TimeoutException: httpx2.ReadTimeout,
    httpcore2.ConnectError: httpx2.ConnectError,
    httpcore2.ReadError: httpx2.ReadError,
    httpcore2.WriteError: httpx2.WriteError,
    httpcore2.NetworkError: httpx2.ReadError,
    httpcore2.ProtocolError: httpx2.RemoteProtocolError,
    httpcore2.UnsupportedProtocol: httpx2.UnsupportedProtocol,
}
"""The first that an error is an instance of."""


class GuardedTransport(httpx2.AsyncBaseTransport):
    """`hosts`: where the tenant lets its requests go; None: anywhere. `confidential`: they carry what nobody may read."""

    def __init__(self, outbound: Outbound, hosts: Collection[str] | None, *, confidential: bool) -> None:
        self._outbound = outbound
        self._hosts = hosts
        self._confidential = confidential

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = parsed(str(request.url))
        if self._hosts is not None and not is_listed(host_of(url), self._hosts):
            raise OutboundError("forbidden", f"The host {url.host} is not on this tenant's list.")
        if self._confidential:
            await self._outbound.require_secure(url)
        assert isinstance(request.stream, httpx2.AsyncByteStream)
        with _translated():
            response = await self._outbound.pool.handle_async_request(
                httpcore2.Request(
                    method=request.method,
                    url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions={name: value for name, value in request.extensions.items() if name in ("timeout", "trace")},
                )
            )
        return httpx2.Response(response.status, headers=response.headers, stream=Answer(response.stream))


class Answer(httpx2.AsyncByteStream):
    """Its bytes as they come; the connection goes back when it is closed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for part in self._stream:
                yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        for kind, theirs in KINDS.items():
            if isinstance(error, kind):
                raise theirs(str(error) or type(error).__name__) from error
        raise

"""Requests to where tenants say, so that they cannot reach what is behind our own walls (server-side request forgery).

The name is resolved once, every address that comes of it is judged, and the connection is made to one of those very addresses: a
resolver that answers differently the next time is not asked a next time. There are no redirects, no proxies from the environment,
no sockets of the file system; time and size have limits, and nothing is unpacked.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Any, TypeAlias

import httpcore2
import httpx2
from httpcore2 import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream

from domain.hosts import is_listed
from worker.outbound.addresses import Address, Network, is_allowed, is_public

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[Address]]]
"""The addresses of a host, by name or in any notation that the system's resolver takes for an address."""

SCHEMES = ("https", "http")
HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
"""As it is asked for: international names are in their ASCII form by then, IPv6 addresses without brackets."""
CONNECT_SECONDS = 10.0
MAX_URL = 8_192
"""Characters."""
KEPT_CONNECTIONS = 25
"""While nothing is asked by them. How many there are at a time is bounded by who asks: whoever waits for one here would wait for
another tenant's service."""
RESOLVERS = ThreadPoolExecutor(64, "gesta resolver")
"""Not the threads that everybody shares: a name whose servers do not answer holds one for as long as the system waits."""
IDLE_SECONDS = 15.0


class OutboundError(Exception):
    """A request that came to no answer. `type`: forbidden, insecure, invalid_url, unreachable, timeout, too_large, protocol.

    insecure: a request that nobody on its way may read, to where anybody could. `retryable`: another try may do better.
    `sent`: the other side may have got it, and acted on it.
    """

    def __init__(self, type: str, message: str, *, retryable: bool = False, sent: bool = False) -> None:
        super().__init__(message)
        self.type = type
        self.retryable = retryable
        self.sent = sent


@dataclass(frozen=True)
class Request:
    """`timeout`: seconds for everything, from resolving to the last byte. `max_bytes`: of the answer's body.

    `once`: it goes by a new connection: one that is kept may be closed by its host just then, and nobody knows what was received.
    `confidential`: it carries what nobody on the way may read: by https only, but to networks that the operator opened.
    `cut`: a larger answer is no error, and ends there. `until`: is shown what of the body has come so far, each time that more
    has; the answer ends where it is content.
    """

    method: str
    url: str = field(repr=False)
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout: float = 30.0
    max_bytes: int = 1 << 20
    once: bool = False
    confidential: bool = False
    cut: bool = False
    until: Callable[[bytearray], bool] | None = None


@dataclass(frozen=True)
class Response:
    """Header names are in lower case, in the order in which they came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)


async def resolve(host: str, port: int) -> Sequence[Address]:
    """By the system's resolver, on a thread of its own."""
    asked = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(RESOLVERS, asked)
    return list(dict.fromkeys(ip_address(sockaddr[0]) for *_, sockaddr in found))


class GuardedBackend(AsyncNetworkBackend):
    """Connects to addresses that were judged, and to nothing else."""

    def __init__(self, resolve: Resolve, permitted: Collection[Network]) -> None:
        self._resolve = resolve
        self._permitted = permitted
        self._network = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        addresses = await self.judged(host, port)
        options = list(socket_options or ())
        for number, address in enumerate(addresses, start=1):
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise AssertionError("a host without addresses was refused before")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)

    async def opened(self, host: str, port: int) -> bool:
        """Whether a host is in networks that the operator opened, with all its addresses. Raises OutboundError."""
        addresses = await self.judged(host, port)
        return not any(is_public(address) or not is_allowed(address, self._permitted) for address in addresses)

    async def judged(self, host: str, port: int) -> Sequence[Address]:
        """A host's addresses. Raises OutboundError where one of them may not be called."""
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise OutboundError("unreachable", f"The host {host} is not known.", retryable=True) from error
        if not addresses:
            raise OutboundError("unreachable", f"The host {host} has no address.", retryable=True)
        if not all(is_allowed(address, self._permitted) for address in addresses):
            # Which address it was is not told: whoever asks could map our network with it.
            raise OutboundError("forbidden", f"The host {host} is not on the public internet.")
        return addresses


class Outbound:
    """The one way out of a process. `permitted`: networks that the operator opens although they are not public."""

    def __init__(
        self, *, permitted: Collection[Network] = (), resolve: Resolve = resolve, tls: ssl.SSLContext | None = None
    ) -> None:
        self._backend = GuardedBackend(resolve, permitted)
        self.tls = tls or httpx2.create_ssl_context()
        """For other protocols: the pool writes into its own what it speaks."""
        tls = tls or httpx2.create_ssl_context()

        def pool(kept: int) -> httpcore2.AsyncConnectionPool:
            return httpcore2.AsyncConnectionPool(
                ssl_context=tls,
                max_connections=None,
                max_keepalive_connections=kept,
                keepalive_expiry=IDLE_SECONDS,
                network_backend=self._backend,
            )

        self._pool, self._new_connections = pool(KEPT_CONNECTIONS), pool(0)

    async def aclose(self) -> None:
        await self._pool.aclose()
        await self._new_connections.aclose()

    @property
    def pool(self) -> httpcore2.AsyncConnectionPool:
        """For who brings requests of its own (`worker.outbound.transport`): each goes by a new connection, judged like all."""
        return self._new_connections

    async def require_secure(self, url: httpx2.URL) -> None:
        """For a request that carries a secret. Raises OutboundError insecure where anybody on its way could read it."""
        if url.scheme != "https" and not await self._backend.opened(host_of(url), url.port or 80):
            raise OutboundError("insecure", f"The request to {url.host} carries a secret, and goes by https:// only.")

    async def judged(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of a host, for who connects by another protocol. Raises OutboundError where one may not be called."""
        return await self._backend.judged(host, port)

    async def send(self, request: Request, *, hosts: Collection[str] | None = None) -> Response:
        """One request and its whole answer, whatever its status.

        `hosts`: where the tenant lets its requests go, `api.example.com` or `*.example.com`; None: anywhere.
        Raises OutboundError.
        """
        url = parsed(request.url)
        if hosts is not None and not is_listed(host_of(url), hosts):
            raise OutboundError("forbidden", f"The host {url.host} is not on this tenant's list.")
        sent = False

        async def trace(event: str, _info: Mapping[str, Any]) -> None:
            nonlocal sent
            sent = sent or event.endswith("send_request_headers.started")

        timeouts = {"connect": min(CONNECT_SECONDS, request.timeout), "pool": request.timeout}
        try:
            async with (
                asyncio.timeout(request.timeout),
                self._secured(request, url),
                (self._new_connections if request.once else self._pool).stream(
                    request.method,
                    # From its parts: a second parser might read another host out of the same text.
                    httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=[*request.headers, ("Accept-Encoding", "identity")],
                    content=request.body,
                    extensions={"timeout": timeouts, "trace": trace},
                ) as response,
            ):
                headers = tuple((name.decode("ascii").lower(), value.decode("latin-1")) for name, value in response.headers)
                return Response(response.status, headers, await _read(response, headers, request))
        except TimeoutError as error:
            message = f"There was no complete answer within {request.timeout:g} seconds."
            raise OutboundError("timeout", message, retryable=True, sent=sent) from error
        except httpcore2.TimeoutException as error:
            raise OutboundError("timeout", "The host did not answer in time.", retryable=True, sent=sent) from error
        except (httpcore2.NetworkError, httpcore2.ProxyError) as error:
            raise OutboundError("unreachable", _words(error, url.host), retryable=True, sent=sent) from error
        except (httpcore2.ProtocolError, httpcore2.UnsupportedProtocol) as error:
            message = f"The request or its answer is not HTTP: {error}"
            raise OutboundError(
                "protocol", message, retryable=isinstance(error, httpcore2.RemoteProtocolError), sent=sent
            ) from error

    @asynccontextmanager
    async def _secured(self, request: Request, url: httpx2.URL) -> AsyncIterator[None]:
        if request.confidential:
            await self.require_secure(url)
        yield


async def _read(response: httpcore2.Response, headers: tuple[tuple[str, str], ...], request: Request) -> bytes:
    told, most = dict(headers), request.max_bytes
    if told.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        if request.cut:
            return b""
        raise OutboundError(
            "protocol", f"The answer is compressed ({told['content-encoding']}), which was not asked for.", sent=True
        )
    length = told.get("content-length", "")
    if length.isdecimal() and int(length) > most and not request.cut:
        raise _too_large(most)
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) > most and request.cut:
            return bytes(body[:most])
        if len(body) > most:
            raise _too_large(most)
        if request.until is not None and request.until(body):
            break
    return bytes(body)


def host_of(url: httpx2.URL) -> str:
    """In ASCII, as it is asked for: an international name as `xn--…`, an IPv6 address without brackets."""
    return url.raw_host.decode("ascii")


def parsed(text: str) -> httpx2.URL:
    """A URL that a request may have. Raises OutboundError."""
    if len(text) > MAX_URL:
        raise OutboundError("invalid_url", f"The URL has more than {MAX_URL} characters.")
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise OutboundError("invalid_url", f"The URL cannot be read: {error}") from error
    if url.scheme not in SCHEMES:
        raise OutboundError("invalid_url", "The URL must begin with https:// or http://.")
    if not HOST.fullmatch(url.raw_host):
        raise OutboundError("invalid_url", "The URL names no valid host.")
    if url.port is not None and not 0 < url.port < 65_536:
        raise OutboundError("invalid_url", "The URL's port is not a port.")
    if url.userinfo:
        raise OutboundError("invalid_url", "A URL must not carry a user or a password: use a header.")
    return url


def _too_large(max_bytes: int) -> OutboundError:
    return OutboundError("too_large", f"The answer has more than {max_bytes} bytes.", sent=True)


def _words(error: Exception, host: str) -> str:
    return f"The connection to {host} failed: {str(error) or type(error).__name__}"

"""What one client may take of the server: bytes and time for a request's head and body, time to read an answer, connections.

uvicorn bounds none of these with httptools. Nothing here costs a request more than a few additions: what has a time is looked
at once a second, for all connections (`Server.on_tick`).
"""

import asyncio
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

FILES_FOR_OTHERS = 64
"""File descriptors that are kept for connections to the database, logs and the like."""

PLAIN = (
    b"content-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\n"
    b"content-security-policy: default-src 'none'; frame-ancestors 'none'\r\ncontent-length: %d\r\n"
)


@dataclass(frozen=True)
class Bounds:
    head_bytes: int = 32 * 1024
    """Of a request's line and headers together."""
    headers: int = 100
    head_seconds: float = 10
    """From the first byte, or the connection, to the end of the headers."""
    body_seconds: float = 60
    stalled_seconds: float = 30
    """For which a client takes less of its answer than `least_rate`, or none of it when it was to be closed."""
    least_rate: int = 1024
    """Bytes a second."""
    pipelined: int = 64
    """Requests sent ahead on a connection."""
    connections: int = 4_000
    """Fewer where the process may open fewer files. One more than that, and who has waited longest without a request goes."""


def connections_allowed(bounds: Bounds) -> int:
    """As many as there are file descriptors for; a process may raise its own limit up to what its administrator allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = bounds.connections + FILES_FOR_OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    return bounds.connections if soft == resource.RLIM_INFINITY else max(8, min(bounds.connections, soft - FILES_FOR_OTHERS))


class _Refused(Exception):
    """Raised through the parser, which wraps it."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with bounds."""

    def __init__(self, *args: Any, bounds: Bounds, allowed: int, **more: Any) -> None:
        super().__init__(*args, **more)
        self._bounds = bounds
        self._allowed = allowed
        self._head_since: float | None = None
        """Since when a head is waited for, or read."""
        self._body_since: float | None = None
        self._stalled: tuple[float, int] | None = None
        """Since when an answer waits to be read, and how much of it did then."""
        self._head_bytes = 0
        self._refusal = 400, "Invalid HTTP request received."

    # What asyncio tells

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_since = self.loop.time()
        if len(self.connections) > self._allowed and not _close_longest_waiting(self.connections, self):
            self._refuse(503, "Too many connections.")

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._body_since is None:
            if self._head_since is None:
                self._head_since = self.loop.time()
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_since is not None and self._head_bytes > self._bounds.head_bytes and not self.transport.is_closing():
            self._refuse(431, "The headers are too large.")

    # What the parser tells

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._counted = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url), 414, "The URL is too long.")
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value), 431, "The headers are too large.")
        if len(self.headers) >= self._bounds.headers:
            self._raise(431, "There are too many headers.")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= self._bounds.pipelined:
            self._raise(400, "Too many requests were sent ahead.")
        self._head_since, self._head_bytes = None, 0
        self._body_since = self.loop.time()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._body_since = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser could not read, or what was refused while it read."""
        del msg
        self._refuse(*self._refusal)

    # What has a time

    def look(self, now: float) -> None:
        """Refuse who is late, cut off who does not read."""
        bounds = self._bounds
        if self._head_since is not None and now - self._head_since > bounds.head_seconds and not self.transport.is_closing():
            if self._head_bytes:
                self._refuse(408, "The request did not come in time.")
            else:
                self.transport.close()  # connected, and never asked
        elif self._body_since is not None and now - self._body_since > bounds.body_seconds:
            if self.flow.read_paused:  # it is the server that does not read
                self._body_since = now
            elif not self.transport.is_closing():
                self._refuse(408, "The request did not come in time.")
        self._look_at_reader(now)

    def _look_at_reader(self, now: float) -> None:
        waiting = self.transport.get_write_buffer_size()
        if not waiting:
            self._stalled = None
        elif self._stalled is None:
            self._stalled = now, waiting
        else:
            since, then = self._stalled
            if now - since > self._bounds.stalled_seconds:
                if waiting > then - self._bounds.least_rate * (now - since):
                    self.transport.abort()
                self._stalled = now, waiting

    @property
    def waiting_since(self) -> float | None:
        """Since when it has had no request; None while one is answered."""
        cycle: RequestResponseCycle | None = self.cycle
        is_idle = self._head_since is not None or cycle is None or cycle.response_complete
        return (self._head_since or 0.0) if is_idle else None

    # What is refused

    def _count(self, size: int, status: int, message: str) -> None:
        self._counted += size
        if self._counted > self._bounds.head_bytes:
            self._raise(status, message)

    def _raise(self, status: int, message: str) -> None:
        self._refusal = status, message
        raise _Refused

    def _refuse(self, status: int, message: str) -> None:
        """Said by the server itself, below the application; not where an answer has begun, of which it would seem a part."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            head = STATUS_LINE[status] + PLAIN % len(message)
            self.transport.write(head + b"connection: close\r\n\r\n" + message.encode())
        self.transport.close()


def _close_longest_waiting(connections: Iterable[Any], newcomer: BoundedProtocol) -> bool:
    """Make room for a newcomer. False where everybody else is being served."""
    waiting = [
        (each.waiting_since, number, each)
        for number, each in enumerate(connections)
        if each is not newcomer and each.waiting_since is not None and not each.transport.is_closing()
    ]
    if not waiting:
        return False
    min(waiting)[2].transport.abort()
    return True

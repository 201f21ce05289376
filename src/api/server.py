"""Running the application with uvicorn on uvloop, and stopping it without breaking what it is at."""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import uvicorn
from fastapi import FastAPI

from api.connections import BoundedProtocol, Bounds, connections_allowed
from runtime.errors import OperatorError

log = logging.getLogger(__name__)

DRAIN_SECONDS = 15
BACKLOG = 1024


class Server(uvicorn.Server):
    """A server that lets those who wait for something go first, so that stopping does not wait for them.

    Asked to stop by a signal, it returns: its caller has things to close as well. (uvicorn would raise the signal again.)
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # signals come to the main thread alone; whoever serves in another has its own way to stop
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn tells no address of sockets that it was given: whoever has started Gesta would have to guess it."""
        await super().startup(sockets)
        for host, port, *_ in [each.getsockname() for each in sockets or () if self.started]:
            log.info("Serving on http://%s:%s", f"[{host}]" if ":" in host else host, port, extra={"action": "serve"})

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second. Once a second, what takes too long is looked for."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.look(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI) and hasattr(app.state, "services"):
            app.state.services.release()
        await super().shutdown(sockets)


def new_server(app: FastAPI, bounds: Bounds | None = None) -> Server:
    """Logs are the process's own; there is no access log: metrics count requests."""
    bounds = bounds or Bounds()
    protocol = partial(BoundedProtocol, bounds=bounds, allowed=connections_allowed(bounds))
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", protocol),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        backlog=BACKLOG,
    )
    return Server(config)


def bind(host: str, port: int) -> socket.socket:
    """A listening address. Raises OperatorError where it is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: asyncio turns Nagle's algorithm off only where it is, and an answer in two writes would wait 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OperatorError(f"Cannot listen on {host}:{port}: {error.strerror}. Set GESTA_HOST or GESTA_PORT.") from error
    return sock


async def serve(app: FastAPI, sockets: list[socket.socket]) -> None:
    """Until a signal asks to stop. Raises OperatorError where the application could not start."""
    server = new_server(app)
    await server.serve(sockets)
    if not server.started:
        raise OperatorError("The API did not start; the reason is printed above.")

"""A server with bounds and routes of no consequence.

As a process of its own, with few files: `python -m tests.api.bounded FILES`.
"""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api.connections import Bounds
from api.server import bind, new_server

LARGE = 8 << 20


async def healthz(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def echo(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def large(_request: Request) -> Response:
    return Response(b"x" * LARGE)


def app() -> FastAPI:
    return FastAPI(routes=[Route("/healthz", healthz), Route("/echo", echo, methods=["POST"]), Route("/large", large)])


@asynccontextmanager
async def bounded(bounds: Bounds) -> AsyncIterator[int]:
    """The port of a server in this process."""
    sock = bind("127.0.0.1", 0)
    server = new_server(app(), bounds)
    serving = asyncio.create_task(server.serve([sock]))
    while not server.started:
        assert not serving.done(), "the server did not start"
        await asyncio.sleep(0.005)
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await serving


async def _alone() -> None:
    async with bounded(Bounds(head_seconds=3600)) as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    files = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    uvloop.run(_alone())

"""MCP servers on loopback: one of the protocol's own package, and the same as one of an earlier revision would be."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ImageContent, TextContent
from pydantic import BaseModel

from domain.facts import Json


class Account(BaseModel):
    iban: str
    urgent: bool = False


async def account() -> Elicit[Account]:
    return Elicit("Which account?", Account)


def shop(paid: list[Any]) -> MCPServer:
    server = MCPServer("shop")

    @server.tool()
    def price(id: int) -> dict[str, int]:
        return {"price": id * 7}

    @server.tool()
    def broken(id: int) -> str:
        raise ToolError(f"There is no {id}.")

    @server.tool(structured_output=False)
    def picture(id: int) -> list[Any]:
        image = ImageContent(type="image", data="AAAA" * id, mime_type="image/png")
        return [TextContent(type="text", text="Look:"), image]

    @server.tool()
    async def refund(id: int, to: Annotated[Account, Resolve(account)], context: Context) -> str:
        meta = context.request_context.meta or {}
        paid.append((id, to.iban, meta.get("io.gesta/idempotencyKey")))
        return f"Paid {id} to {to.iban}"

    return server


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    """The port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", ws="none"))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            async with asyncio.timeout(20):
                while not server.started:  # noqa: ASYNC110 - it sets no event
                    await asyncio.sleep(0.01)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await asyncio.wait_for(running, 20)


def recorded(app: Any, seen: list[dict[str, str]], *, earlier: bool = False) -> Any:
    """`earlier`: it does not know the revision of 2026-07-28."""

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        seen.append({"method": scope["method"], **headers})
        if earlier and headers.get("mcp-protocol-version") == "2026-07-28":
            refusal = {"jsonrpc": "2.0", "id": "server-error", "error": {"code": -32600, "message": "Bad Request"}}
            await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"application/json")]})
            await send({"type": "http.response.body", "body": json.dumps(refusal).encode()})
            return
        await app(scope, receive, send)

    return asked


Reply = Callable[[Json, asyncio.StreamWriter], Awaitable[None]]


def replying(reply: Reply, asked: list[Json]) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A server that says whatever it likes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        asked.append(json.loads(await reader.readexactly(length)))
        await reply(asked[-1], writer)
        await writer.drain()

    return handle


def http(status: str, content_type: str, body: bytes, *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", "Connection: close", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

"""An HTTP server on loopback that speaks the wire format of chat completions: what it answers, and what it was asked.

    async with serve(answer(completion("hello"))) as wire:
        ...  # the provider's base_url is wire.url
    assert len(wire.asked) == 1

Answers are given in turn, the last one again and again.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

MODEL = "gpt-4o-mini-2024-07-18"


@dataclass(frozen=True)
class Answer:
    """Raw bytes to send. `cut`: close the connection without sending the rest; `silent`: send nothing until they hang up."""

    data: bytes = b""
    cut: bool = False
    silent: bool = False


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Wire:
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client hung up on a silent answer."""
    connections: int = 0
    most_connections: int = 0
    before_answer: Callable[[], None] | None = None
    """Called when a request has come whole, before anything is sent."""
    choose: Callable[[Asked], Answer] | None = None
    """Which answer a request gets, where it is not the next one."""


def answer(body: Any, status: int = 200, content_type: str = "application/json", **headers: str) -> Answer:
    """A whole answer. A body that is no bytes is sent as JSON. Headers by name, underscores for hyphens."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-type: {content_type}", f"content-length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Answer("\r\n".join([*lines, "", ""]).encode() + data)


def completion(content: str | None, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_767_600_000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 100,
            "total_tokens": 1100,
            "prompt_tokens_details": {"cached_tokens": 400},
            "completion_tokens_details": {"reasoning_tokens": 7},
        },
    }


def error(message: str, kind: str = "invalid_request_error", code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


SILENCE = Answer(silent=True)
CUT = Answer(answer(completion("hello")).data[:-20], cut=True)
HANG_UP = Answer(cut=True)


@asynccontextmanager
async def serve(*answers: Answer) -> AsyncIterator[Wire]:
    wire = Wire()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        wire.connections += 1
        wire.most_connections = max(wire.most_connections, wire.connections)
        try:
            await _converse(wire, answers, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return  # they hung up between requests, or the server closes
        finally:
            wire.connections -= 1
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wire.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield wire
    finally:
        server.close()
        await asyncio.sleep(0)  # who has just connected begins: cancelled before, nobody would close it
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _converse(wire: Wire, answers: tuple[Answer, ...], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        wire.asked.append(Asked(head[0].split()[1], headers, json.loads(body)))
        wire.arrived.set()
        if wire.before_answer is not None:
            wire.before_answer()
        given = answers[min(len(wire.asked), len(answers)) - 1] if wire.choose is None else wire.choose(wire.asked[-1])
        if given.silent:
            await reader.read(1)
            wire.gone.set()
            return
        writer.write(given.data)
        await writer.drain()
        if given.cut:
            return

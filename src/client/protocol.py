"""How a call is made, without making it: requests, answers, and when to try again.

A flow is a generator. It yields what is to be done — send a request, or wait — is sent the answer, and returns its result. So
each call is written once, and driven by `Client` and `AsyncClient` alike.
"""

import json
import random
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote
from uuid import uuid4

from client.errors import AnswerLost, ApiError, from_answer
from client.models import Json

T = TypeVar("T")

ANSWER_SECONDS = 30.0
"""How long an answer may take, beyond what the request itself asks the server to wait."""
PATIENCE_SECONDS = 30.0
"""How long a call is repeated."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
REPEATED = (429, 502, 503, 504)
IN_FLIGHT = "in_flight"


@dataclass(frozen=True)
class Request:
    """One request. `body`: JSON as it is sent. `path` begins after /v1. `seconds`: how long its answer may take."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = ANSWER_SECONDS


@dataclass(frozen=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Reply:
    """An answer; `retry_after` in seconds, where it says."""

    status: int
    content: bytes
    retry_after: float | None = None


@dataclass(frozen=True)
class Lost:
    """No answer: the connection could not be made, broke, or took too long."""

    error: Exception


Step: TypeAlias = "Request | Pause"
Flow: TypeAlias = Generator[Step, "Reply | Lost | None", T]


def get(path: str, params: Mapping[str, Any] | None = None, seconds: float = 0.0) -> Flow[Json]:
    """Ask. Parameters that are None are left out. `seconds`: how long the server is asked to wait."""
    return _exchange(Request("GET", path, _plain(params or {}), seconds=seconds + ANSWER_SECONDS), PATIENCE_SECONDS)


def command(
    path: str,
    body: Json,
    *,
    method: str = "POST",
    idempotency_key: str | None = None,
    if_match: int | None = None,
    patience: float = PATIENCE_SECONDS,
    more: Mapping[str, str] | None = None,
) -> Flow[Json]:
    """Change something, once: every repetition has the same key, by which the server knows it. `more`: further headers."""
    headers = {**(more or {}), "Idempotency-Key": idempotency_key or uuid4().hex}
    if if_match is not None:
        headers["If-Match"] = f'"{if_match}"'
    return _exchange(_with_body(method, path, body, headers), patience)


def order(path: str, body: Json, *, method: str = "POST", wait: float = 0.0, patience: float = PATIENCE_SECONDS) -> Flow[Json]:
    """A request that changes nothing lasting, or comes to the same each time, so that it may be repeated without a key."""
    return _exchange(_with_body(method, path, body, {}, wait + ANSWER_SECONDS), patience)


def encode(value: Json) -> bytes:
    """JSON as UTF-8. Raises ValueError or TypeError for what JSON, or the server, cannot hold."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _with_body(method: str, path: str, body: Json, headers: dict[str, str], seconds: float = ANSWER_SECONDS) -> Request:
    return Request(method, path, {}, encode(body), {**headers, "Content-Type": "application/json"}, seconds)


def _exchange(request: Request, patience: float) -> Flow[Json]:
    """Send until there is an answer that stands. Raises ApiError, AnswerLost."""
    until: float | None = None  # patience begins with the first failure: a request may wait for long before that
    for attempt in range(1_000_000):
        reply = yield request
        assert reply is not None
        if isinstance(reply, Reply) and reply.status < 400:
            return json.loads(reply.content) if reply.content else None
        pause = _pause(reply, attempt)
        now = time.monotonic()
        until = now + patience if until is None else until
        if pause is None or now + pause > until:
            break
        yield Pause(pause)
    else:
        raise AssertionError("patience is finite")
    raise _error(reply)


def _pause(reply: Reply | Lost, attempt: int) -> float | None:
    """How long to wait before trying again; None: that is the answer."""
    asked = 0.0
    if isinstance(reply, Reply):
        # In flight: our own earlier request, whose answer was lost on the way, is still being worked on.
        in_flight = reply.status == 409 and attempt > 0 and from_answer(reply.status, reply.content).code == IN_FLIGHT
        not_there_yet = reply.status == 404 and reply.retry_after is not None  # the tables that were asked are behind
        if reply.status not in REPEATED and not in_flight and not not_there_yet:
            return None
        asked = reply.retry_after or 0.0
    return max(asked, usual_pause(attempt))


def usual_pause(attempt: int) -> float:
    """Before trying again what `attempt` (from 0) did not achieve: longer each time, and never quite as others do."""
    return min(FIRST_PAUSE * 2.0 ** min(attempt, 20), LONGEST_PAUSE) * random.uniform(0.5, 1.0)


def _error(reply: Reply | Lost) -> Exception:
    if isinstance(reply, Reply):
        return from_answer(reply.status, reply.content)
    lost = AnswerLost(f"No answer: {str(reply.error) or type(reply.error).__name__}")
    lost.__cause__ = reply.error
    return lost


def _plain(params: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in params.items() if value is not None}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def will_pass(error: ApiError | None) -> bool:
    return error is not None and (error.status in REPEATED or error.code == IN_FLIGHT)


def part(id: str) -> str:
    """An id as one part of a path, whatever it holds."""
    return quote(str(id), safe="")


__all__ = [
    "ApiError",
    "Flow",
    "Lost",
    "Pause",
    "Reply",
    "Request",
    "Step",
    "command",
    "encode",
    "get",
    "order",
    "part",
    "usual_pause",
    "will_pass",
]

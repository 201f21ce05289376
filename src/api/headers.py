"""The request headers of the contract, read strictly. A wrong one is refused and named."""

import re
from datetime import UTC, datetime
from uuid import UUID

from starlette.requests import Request

from api.problems import Problem
from runtime.ids import new_id

MAX_IDEMPOTENCY_KEY = 255
MAX_USER_AGENT = 512
TAG = re.compile(r'"(\d{1,18})"')
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)")


def once(request: Request, name: str) -> str | None:
    """A header's value, or None. Raises Problem where it is given twice."""
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise Problem.at(name, "duplicate", f"{name} may be given once.")
    return values[0] if values else None


def uuid(request: Request, name: str) -> UUID | None:
    text = once(request, name)
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Problem.at(name, "uuid", f"{name} is a UUID.") from None


def moment(text: str) -> datetime:
    """A time of RFC 3339 with zone, microseconds at most, in UTC. Raises ValueError."""
    try:
        if RFC3339.fullmatch(text) is not None:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # 30 February, the year 0: the same answer as for any other text
    raise ValueError("a time of RFC 3339 with its zone, as 2026-03-01T09:30:00Z")


def occurred_at(request: Request) -> datetime | None:
    """When it happened, if the caller says so."""
    text = once(request, "Gesta-Occurred-At")
    if text is None:
        return None
    try:
        return moment(text)
    except ValueError as error:
        raise Problem.at("Gesta-Occurred-At", "time", f"Gesta-Occurred-At is {error}.") from None


def if_match(request: Request) -> int | None:
    """The version that the caller saw last."""
    text = once(request, "If-Match")
    if text is None:
        return None
    tag = TAG.fullmatch(text)
    if tag is None:
        raise Problem.at("If-Match", "etag", 'If-Match is the ETag of an answer, as "3".')
    return int(tag[1])


def idempotency_key(request: Request) -> str | None:
    key = once(request, "Idempotency-Key")
    if key is not None and not 0 < len(key) <= MAX_IDEMPOTENCY_KEY:
        raise Problem.at("Idempotency-Key", "length", f"Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY} characters.")
    return key


def user_agent(request: Request) -> str | None:
    text = request.headers.get("user-agent")
    return None if text is None else text[:MAX_USER_AGENT]


def request_id(sent: str | None) -> str:
    """The caller's X-Request-Id where it is harmless to log and to send back, else a new one."""
    return sent if sent is not None and REQUEST_ID.fullmatch(sent) else str(new_id())

"""The request headers of the contract, read strictly. A wrong one is refused and named."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypedDict
from uuid import UUID

from starlette.requests import Request

from api.problems import Problem
from runtime.ids import new_id

MAX_IDEMPOTENCY_KEY = 255
MAX_USER_AGENT = 512
TAG = re.compile(r'"([0-9]{1,18})(?:\.[0-9]{1,18})?"')
"""A version, and what some answers count beside it (`answers.etag`)."""
TAGS = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
ID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)")


def once(request: Request, name: str) -> str | None:
    """A header's value, or None. Raises Problem where it is given twice."""
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise Problem.at(name, "duplicate", f"{name} may be given only once.")
    return values[0] if values else None


def id_of(text: str) -> UUID:
    """A UUID as RFC 9562 writes it, and in no other of the ways that Python reads. Raises ValueError."""
    if ID.fullmatch(text) is None:
        raise ValueError("a UUID")
    return UUID(text)


def uuid(request: Request, name: str) -> UUID | None:
    text = once(request, name)
    if text is None:
        return None
    try:
        return id_of(text)
    except ValueError:
        raise Problem.at(name, "uuid", f"{name} must be a UUID.") from None


def moment(text: str) -> datetime:
    """A time of RFC 3339 with zone, microseconds at most, in UTC. Raises ValueError."""
    try:
        if RFC3339.fullmatch(text) is not None:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # 30 February, the year 0: the same answer as for any other text
    raise ValueError("an RFC 3339 time with a zone, for example 2026-03-01T09:30:00Z")


def occurred_at(request: Request) -> datetime | None:
    """When it happened, if the caller says so."""
    text = once(request, "Gesta-Occurred-At")
    if text is None:
        return None
    try:
        return moment(text)
    except ValueError as error:
        raise Problem.at("Gesta-Occurred-At", "time", f"Gesta-Occurred-At must be {error}.") from None


def if_match(request: Request) -> int | None:
    """The version that the caller saw last."""
    text = once(request, "If-Match")
    if text is None:
        return None
    tag = TAG.fullmatch(text)
    if tag is None:
        raise Problem.at("If-Match", "etag", 'If-Match must be the ETag of an answer, for example "3".')
    return int(tag[1])


def none_match(request: Request, etag: str) -> bool:
    """Whether the caller has not seen this version yet. A condition that cannot be read is none (RFC 9110, 13.1.2)."""
    text = ",".join(request.headers.getlist("If-None-Match")).strip()
    if text == "*":
        return False
    seen = [tag.strip() for tag in text.split(",")]
    if not all(TAGS.fullmatch(tag) for tag in seen):
        return True
    return etag not in [tag.removeprefix("W/") for tag in seen]


def prefers(accept: Sequence[str], media_type: str, otherwise: str) -> bool:
    """Whether the lines of `Accept` name a media type, and want it no less than another (RFC 9110, 12.5.1)."""
    weights: dict[str, float] = {}
    for element in ",".join(accept).lower().split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        weight = next((part.removeprefix("q=") for part in parameters if part.startswith("q=")), "1")
        if WEIGHT.fullmatch(weight):
            weights[name] = float(weight)
    wanted = weights.get(media_type, 0.0)
    ranges = (otherwise, f"{otherwise.partition('/')[0]}/*", "*/*")
    return wanted > 0 and wanted >= next((weights[name] for name in ranges if name in weights), 0.0)


def idempotency_key(request: Request) -> str | None:
    key = once(request, "Idempotency-Key")
    if key is not None and not 0 < len(key) <= MAX_IDEMPOTENCY_KEY:
        raise Problem.at("Idempotency-Key", "length", f"Idempotency-Key must have 1 to {MAX_IDEMPOTENCY_KEY} characters.")
    return key


class Origin(TypedDict):
    """Of an envelope: whence a request came."""

    ip: str | None
    user_agent: str | None
    request_id: str


def origin(request: Request) -> Origin:
    ip = None if request.client is None else request.client.host
    return {"ip": ip, "user_agent": user_agent(request), "request_id": request.scope["request_id"]}


def user_agent(request: Request) -> str | None:
    text = request.headers.get("user-agent")
    return None if text is None else text[:MAX_USER_AGENT]


def request_id(sent: str | None) -> str:
    """The caller's X-Request-Id where it is harmless to log and to send back, else a new one."""
    return sent if sent is not None and REQUEST_ID.fullmatch(sent) else str(new_id())

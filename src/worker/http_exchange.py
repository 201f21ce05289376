"""One request by the one way out, with secrets that are opened for that moment; and its answer, without them."""

import json
import random
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from pydantic_core import from_json

from domain.envelope import PLATFORM
from domain.facts import Json
from domain.hosts import hosts_of, is_listed
from domain.redaction import Redaction
from domain.retry import Failure
from domain.tenant import TENANT
from engine.http_requests import VALUE
from runtime.failpoints import failpoint
from store.vault import Opened, SecretError
from worker.ai.telemetry import TRACEPARENT
from worker.context import WorkerContext
from worker.outbound.client import OutboundError, Request, Response, host_of, parsed
from worker.outbound.redirects import send_on

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
UNTOLD = frozenset({"set-cookie", "set-cookie2"})
"""Headers of an answer that are not recorded: credentials."""
MOST_HEADER_BYTES = 32_768
USER_AGENT = f"Gesta/{version('gesta')}"
CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252", "utf-16", "utf-16le", "utf-16be"}


async def at_once() -> None:
    """Nothing is looked at before a request is sent."""


@dataclass
class Carried:
    """The secrets of one request: where they go, and what must not be recorded of them."""

    headers: list[tuple[str, str]] = field(default_factory=list, repr=False)
    query: list[tuple[str, str]] = field(default_factory=list, repr=False)
    texts: list[str] = field(default_factory=list, repr=False)


class Exchange:
    """`asked`: as `engine.http_requests.request` has it. `attempt`: tells this sending apart from others under the same key.

    `ready`: is waited for just before it is sent, and may stop it by an exception. `until`: as of a `Request`.
    """

    def __init__(
        self,
        context: WorkerContext,
        tenant_id: UUID,
        asked: Mapping[str, Any],
        attempt: int,
        ready: Callable[[], Awaitable[None]] = at_once,
        until: Callable[[bytearray], bool] | None = None,
    ) -> None:
        self._context = context
        self._tenant_id = tenant_id
        self._asked = asked
        self._attempt = attempt
        self._ready = ready
        self._until = until
        self.redaction = Redaction(())
        """Of the secrets that were opened so far: whatever is recorded or logged goes through it."""

    def failed(self, error: OutboundError) -> Failure:
        """One that may have been acted on is not sent again unless the definition allows it."""
        again = error.retryable and (self._asked["idempotent"] or not error.sent)
        kind = "request_timeout" if error.type == "timeout" else error.type
        return Failure(kind, self.redaction.text(str(error)), again)

    async def run(self) -> Json:
        """{response, retry_after, jitter, redirected}, as the node takes it. Raises SecretError, NotSetUp and OutboundError."""
        tenant, _ = await self._context.handler.read(PLATFORM, TENANT, self._tenant_id)
        carried = await self._carried()
        request = self._request(carried)
        failpoint("worker.http_ready")
        await self._ready()
        hosts, most = hosts_of(tenant.settings), self._asked.get("redirects", 0)

        async def send(one: Request) -> Response:
            return await self._context.outbound.send(one, hosts=hosts)

        response, redirected = await send_on(send, request, most, carried.texts)
        return {
            **({"redirected": True} if redirected else {}),
            "response": _told(response, self._asked["response_as"], self.redaction),
            "retry_after": retry_after(response, datetime.now(UTC)),
            "jitter": random.random(),
        }

    # What is sent

    async def _carried(self) -> Carried:
        """The secrets of the request, opened. The redaction knows each from then on."""
        carried, auth = Carried(), self._asked["auth"]
        host = host_of(parsed(self._asked["url"]))
        for name, value in self._asked["headers"].items():
            if isinstance(value, dict):
                text = (await self._open(value["secret"], host, carried)).text
                carried.headers.append((name, value["prefix"] + _header_value(text, value["secret"])))
        if auth is not None:
            text = (await self._open(auth["secret"], host, carried)).text
            match auth["type"]:
                case "bearer":
                    carried.headers.append(("Authorization", f"Bearer {_header_value(text, auth['secret'])}"))
                case "basic":
                    credentials = f"{auth['username']}:{text}"
                    self._keep_out(carried, credentials)
                    carried.headers.append(("Authorization", f"Basic {b64encode(credentials.encode()).decode()}"))
                case "header":
                    carried.headers.append((auth["name"], auth.get("prefix", "") + _header_value(text, auth["secret"])))
                case "query":
                    carried.query.append((auth["name"], text))
        return carried

    async def _open(self, name: str, host: str, carried: Carried) -> Opened:
        opened = await self._context.vault.open(self._tenant_id, name)
        if not is_listed(host, opened.hosts):
            raise SecretError("secret_forbidden", f"The secret {name} may not be sent to {host}: its hosts do not name it.")
        self._keep_out(carried, opened.text)
        return opened

    def _keep_out(self, carried: Carried, text: str) -> None:
        carried.texts.append(text)
        self.redaction = Redaction(carried.texts)

    def _request(self, carried: Carried) -> Request:
        asked = self._asked
        url = asked["url"]
        if carried.query:
            url += ("&" if "?" in url else "?") + urlencode(carried.query, quote_via=quote)
        content_type, body = _body(asked["body"])
        headers = [(name, value) for name, value in asked["headers"].items() if isinstance(value, str)] + carried.headers
        given = {name.lower() for name, _ in headers}
        added = {"User-Agent": USER_AGENT, "Accept": "*/*", "Gesta-Attempt": f"{asked['key']}/{self._attempt}"}
        if content_type is not None:
            added["Content-Type"] = content_type
        if (traceparent := TRACEPARENT.get()) is not None:
            added["traceparent"] = traceparent
        if asked["method"] not in SAFE:
            added["Idempotency-Key"] = asked["key"]
        headers += [(name, value) for name, value in added.items() if name.lower() not in given]
        return Request(
            asked["method"],
            url,
            headers,
            body,
            asked["seconds"],
            asked["max_bytes"],
            once=not asked["idempotent"],
            confidential=bool(carried.texts),
            until=self._until,
        )


def _header_value(text: str, secret: str) -> str:
    if not VALUE.fullmatch(text):
        raise SecretError("secret_unusable", f"The secret {secret} cannot be a header: that is ASCII, in one line.")
    return text


def _body(body: Json) -> tuple[str | None, bytes]:
    """The content type and the bytes."""
    match body:
        case None:
            return None, b""
        case {"text": text}:
            return "text/plain; charset=utf-8", text.encode()
        case {"form": pairs}:
            return "application/x-www-form-urlencoded", urlencode([(name, value) for name, value in pairs]).encode()
        case _:
            return "application/json", json.dumps(body["json"], ensure_ascii=False, separators=(",", ":")).encode()


def _told(response: Response, wanted: str, redaction: Redaction) -> Json:
    """{status, headers, body, encoding}, without secrets. Raises OutboundError where the body is not what was wanted."""
    headers: dict[str, str] = {}
    size = 0
    for name, value in response.headers:
        size += len(name) + len(value)
        if name not in UNTOLD and size <= MOST_HEADER_BYTES:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    body, encoding = _decoded(response, wanted, redaction)
    return {"status": response.status, "headers": redaction.json(headers), "body": body, "encoding": encoding}


def _decoded(response: Response, wanted: str, redaction: Redaction) -> tuple[Json, str]:
    kind, _, parameters = (response.header("content-type") or "").lower().partition(";")
    if wanted == "none" or not response.body:
        return None, "none"
    if wanted == "base64":
        return b64encode(redaction.data(response.body)).decode(), "base64"
    if wanted == "json" or (wanted == "auto" and (kind.strip() == "application/json" or kind.strip().endswith("+json"))):
        try:
            return redaction.json(from_json(response.body, allow_inf_nan=False)), "json"
        except ValueError:
            if wanted == "json" and response.status < 400:
                raise OutboundError("invalid_response", "The answer's body is no JSON.", sent=True) from None
    text = _as_text(response.body, parameters)
    if text is not None:
        return redaction.text(text), "text"
    if wanted == "text":
        raise OutboundError("invalid_response", "The answer's body is no text.", sent=True)
    return b64encode(redaction.data(response.body)).decode(), "base64"


def _as_text(body: bytes, parameters: str) -> str | None:
    told = next((part.partition("=")[2] for part in parameters.split(";") if part.strip().startswith("charset=")), "utf-8")
    charset = told.strip().strip('"')
    try:
        text = body.decode(charset if charset in CHARSETS else "utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def retry_after(response: Response, now: datetime) -> float | None:
    """Seconds for which the service asks to be left alone: a number, or a date (RFC 9110, 10.2.3)."""
    told = (response.header("retry-after") or "").strip()
    if told.isascii() and told.isdecimal() and len(told) < 10:
        return float(told)
    try:
        moment = parsedate_to_datetime(told)
    except (TypeError, ValueError, OverflowError):
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return max(0.0, seconds.total_seconds())

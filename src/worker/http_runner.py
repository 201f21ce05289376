"""Requests of `http` nodes: sent once for each attempt, by the one way out, with secrets that are opened for that moment.

What comes of it is recorded without them. A request that may have been acted on is not sent again unless the definition allows
it; so an attempt of which nothing can be said, because something broke here after it was sent, is left to its lease.
"""

import json
import logging
import random
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from pydantic_core import from_json

from domain.envelope import PLATFORM
from domain.facts import Json, Refusal
from domain.hosts import hosts_of, is_listed
from domain.retry import Failure
from domain.tenant import TENANT
from engine.executions import ExecutionIsPaused
from engine.http_requests import VALUE
from engine.jobs import complete_own, fail_own
from runtime.failpoints import failpoint
from store import jobs
from store.errors import StoreError
from store.jobs import LeasedJob
from store.vault import NotSetUp, Opened, SecretError
from worker.context import OUT_OF_REACH, WorkerContext
from worker.leases import LeftToLease, Runner
from worker.not_set_up import hand_back
from worker.outbound.client import OutboundError, Request, Response, host_of, parsed
from worker.outbound.redirects import send_on
from worker.redaction import Redaction

log = logging.getLogger(__name__)

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
UNTOLD = frozenset({"set-cookie", "set-cookie2"})
"""Headers of an answer that are not recorded: credentials."""
MOST_HEADER_BYTES = 32_768
USER_AGENT = f"Gesta/{version('gesta')}"
CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252", "utf-16", "utf-16le", "utf-16be"}


def http_runner(context: WorkerContext) -> Runner:
    return Runner(lambda job: Attempt(context, job).run())


@dataclass
class Carried:
    """The secrets of one request: where they go, and what must not be recorded of them."""

    headers: list[tuple[str, str]] = field(default_factory=list, repr=False)
    query: list[tuple[str, str]] = field(default_factory=list, repr=False)
    texts: list[str] = field(default_factory=list, repr=False)


class Attempt:
    """One request."""

    def __init__(self, context: WorkerContext, job: LeasedJob) -> None:
        self._context = context
        self._job = job
        self._asked: Mapping[str, Any] = job.input
        self._redaction = Redaction(())

    async def run(self) -> None:
        try:
            exchange = await self._exchanged()
        except NotSetUp as error:
            await hand_back(
                self._context, self._job, str(error), "A request is not sent, because this worker is not set up for it: %s"
            )
        except SecretError as error:
            await self._failed(Failure(error.type, str(error), error.retryable))
        except OutboundError as error:
            failpoint("worker.http_sent")
            again = error.retryable and (self._asked["idempotent"] or not error.sent)
            kind = "request_timeout" if error.type == "timeout" else error.type
            await self._failed(Failure(kind, self._redaction.text(str(error)), again))
        except (Refusal, StoreError, *OUT_OF_REACH):
            raise
        except Exception as error:
            self._leave(error)
        else:
            failpoint("worker.http_sent")
            await self._do("job.complete", lambda view: complete_own(view, self._context.engine, self._job, exchange))
            failpoint("worker.http_recorded")

    async def _exchanged(self) -> Json:
        """{response, retry_after, jitter, redirected}, as the node takes it."""
        tenant, _ = await self._context.handler.read(PLATFORM, TENANT, self._job.tenant_id)
        carried = await self._carried()
        request = self._request(carried)
        failpoint("worker.http_ready")
        await self._not_in_a_pause()
        hosts, most = hosts_of(tenant.settings), self._asked.get("redirects", 0)

        async def send(one: Request) -> Response:
            return await self._context.outbound.send(one, hosts=hosts)

        response, redirected = await send_on(send, request, most, carried.texts)
        return {
            **({"redirected": True} if redirected else {}),
            "response": _told(response, self._asked["response_as"], self._redaction),
            "retry_after": retry_after(response, datetime.now(UTC)),
            "jitter": random.random(),
        }

    async def _not_in_a_pause(self) -> None:
        """A pause that came since the job was leased: nothing is sent, and the job waits with its execution."""
        async with self._context.pool.connection() as connection:
            if await jobs.is_paused(connection, self._job.tenant_id, self._job.id):
                raise ExecutionIsPaused

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
        opened = await self._context.vault.open(self._job.tenant_id, name)
        if not is_listed(host, opened.hosts):
            raise SecretError("secret_forbidden", f"The secret {name} may not be sent to {host}: its hosts do not name it.")
        self._keep_out(carried, opened.text)
        return opened

    def _keep_out(self, carried: Carried, text: str) -> None:
        carried.texts.append(text)
        self._redaction = Redaction(carried.texts)

    def _request(self, carried: Carried) -> Request:
        asked = self._asked
        url = asked["url"]
        if carried.query:
            url += ("&" if "?" in url else "?") + urlencode(carried.query, quote_via=quote)
        content_type, body = _body(asked["body"])
        headers = [(name, value) for name, value in asked["headers"].items() if isinstance(value, str)] + carried.headers
        given = {name.lower() for name, _ in headers}
        added = {"User-Agent": USER_AGENT, "Accept": "*/*", "Gesta-Attempt": f"{asked['key']}/{self._job.fence}"}
        if content_type is not None:
            added["Content-Type"] = content_type
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
        )

    # What is recorded

    async def _failed(self, failure: Failure) -> None:
        jitter = random.random()
        await self._do("job.fail", lambda view: fail_own(view, self._context.engine, self._job, failure, jitter=jitter))

    async def _do(self, name: str, decide: Any) -> None:
        await self._context.do(self._job.tenant_id, name, decide)

    def _leave(self, error: Exception) -> NoReturn:
        """What broke is logged with its place and its words, but without what those may say of a secret."""
        told = RuntimeError(self._redaction.text(f"{type(error).__name__}: {error}"))
        raise LeftToLease from told.with_traceback(error.__traceback__)


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

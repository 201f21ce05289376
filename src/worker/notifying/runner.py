"""Delivers: one signed request for each attempt, by the one way out, as Standard Webhooks 1.0 has it; to a chat its card. Mail is
delivered by `worker.notifying.mail`, and what comes of it is reported here.

A worker that dies between the request and its report leaves a lease that runs out; then it is sent again, under the same id. So
who receives it gets it at least once, and knows by `webhook-id` what it has seen.
"""

import asyncio
import json
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.envelope import PLATFORM
from domain.facts import Decided, Json, View
from domain.hosts import hosts_of
from domain.notification_delivery import (
    NOTIFICATION_DELIVERY,
    DeliveryRequested,
    Exchange,
    cancelled,
    dropped,
    failed,
    is_open,
    job_of,
    succeeded,
)
from domain.notification_endpoint import CHATS, NOTIFICATION_ENDPOINT, Format, NotificationEndpoint
from domain.redaction import Redaction
from domain.tenant import TENANT
from engine.chat_cards import card
from engine.triggers.signature import sign
from runtime.failpoints import failpoint
from store import notification_cursors as cursors
from store.jobs import LeasedJob
from store.vault import NotSetUp, SecretError
from worker.context import WorkerContext
from worker.http_exchange import USER_AGENT, retry_after
from worker.leases import Runner
from worker.not_set_up import hand_back
from worker.notifying.attempts import Attempt, Dropped, message_of, since
from worker.notifying.mail import mail_attempt
from worker.outbound.client import OutboundError, Request, Response

log = logging.getLogger(__name__)

SECONDS = 15.0
"""For a whole request. Who has more to do answers first, and does it then."""
MOST_BYTES, EXCERPT = 65_536, 1_000
"""Of an answer that are read; and characters of it that are recorded."""
GIVEN_UP_AFTER = timedelta(days=5)
"""For so long an endpoint may accept nothing."""
REFUSED_CARD = frozenset({400, 403, 413, 422})
"""Of a chat."""
FINAL = frozenset({"forbidden", "insecure", "invalid_url"})
"""What another attempt does not change: somebody has to."""


@dataclass(frozen=True)
class Address:
    """Where it goes, and the names of the secrets that sign; to a chat, of the one that is its address."""

    url: str
    secrets: Sequence[str]
    format: Format = "standard"
    endpoint: NotificationEndpoint | None = None


def delivery_runner(context: WorkerContext) -> Runner:
    return Runner(lambda job: _deliver(context, job))


async def _deliver(context: WorkerContext, job: LeasedJob) -> None:
    id = UUID(job.input["delivery"])
    state, _ = await context.handler.read(job.tenant_id, NOTIFICATION_DELIVERY, id)
    assert state.requested is not None, "the job was written with the delivery"
    to = await _address(context, job.tenant_id, state.requested)
    if to is None or job_of(id, state.turn) != job.id or state.status != "pending":
        # It is on record that it is not sent; or it is over, and only the job is left.
        await context.do(job.tenant_id, "notification.cancel", lambda view: cancelled(view, id, job.id, job.fence))
        return
    try:
        attempt = await _attempt(context, job.tenant_id, id, state.requested, to)
    except Dropped as dropping:
        why = dropping.why
        await context.do(job.tenant_id, "notification.cancel", lambda view: dropped(view, id, job.id, job.fence, why))
        return
    except NotSetUp as error:
        await hand_back(context, job, str(error), "A notification is not sent, because this worker is not set up for it: %s")
        return
    failpoint("worker.notification_sent")
    attempt = await _with_its_endpoint(context, job.tenant_id, state.requested, attempt)
    jitter = random.random()

    def decide(view: View) -> Decided:
        if attempt.accepted:
            return succeeded(view, id, job.id, job.fence, attempt.exchange)
        return failed(
            view,
            id,
            job.id,
            job.fence,
            attempt.exchange,
            again=attempt.again,
            jitter=jitter,
            retry_after=attempt.retry_after,
            disable=attempt.disable,
        )

    await context.do(job.tenant_id, "notification.report", decide)
    failpoint("worker.notification_recorded")


async def _address(context: WorkerContext, tenant_id: UUID, requested: DeliveryRequested) -> Address | None:
    """None: nothing is delivered there any more."""
    if requested.endpoint_id is None:
        assert requested.url is not None, "a callback has an address of its own"
        assert requested.secret is not None, "and a secret that signs"
        return Address(requested.url, (requested.secret,))
    endpoint, _ = await context.handler.read(tenant_id, NOTIFICATION_ENDPOINT, requested.endpoint_id)
    if not is_open(endpoint, requested):
        return None
    return Address(endpoint.url, endpoint.secrets(datetime.now(UTC)), endpoint.format, endpoint)


# The request


async def _attempt(context: WorkerContext, tenant_id: UUID, id: UUID, requested: DeliveryRequested, to: Address) -> Attempt:
    """Raises Dropped, NotSetUp, and what a database out of reach raises."""
    if to.format == "mail":
        assert to.endpoint is not None, "mail goes by an endpoint"
        return await mail_attempt(context, tenant_id, id, requested, to.endpoint)
    redaction, begun = Redaction(()), asyncio.get_running_loop().time()
    try:
        keys = [(await context.vault.open(tenant_id, name)).text for name in to.secrets]
        redaction = Redaction(keys)
        tenant, _ = await context.handler.read(PLATFORM, TENANT, tenant_id)
        said = await message_of(context, tenant_id, id, requested)
        failpoint("worker.notification_ready")
        begun = asyncio.get_running_loop().time()
        if to.format in CHATS:
            request = request_of(keys[0], (), json_body(card(to.format, said, context.mailing.public_url)))
        else:
            body = json_body(said)
            request = request_of(to.url, signatures(id, keys, body), body)
        response = await context.outbound.send(request, hosts=hosts_of(tenant.settings))
        return _judged(response, since(begun), redaction, to.format)
    except SecretError as error:
        return Attempt(Exchange(since(begun), type=error.type, message=str(error)), again=error.retryable)
    except OutboundError as error:
        told = redaction.text(str(error))
        return Attempt(Exchange(since(begun), type=error.type, message=told), again=error.type not in FINAL)


def json_body(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def signatures(id: UUID, keys: Sequence[str], body: bytes) -> list[tuple[str, str]]:
    timestamp = str(int(datetime.now(UTC).timestamp()))
    return [
        ("webhook-id", str(id)),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", " ".join(sign(key, str(id), timestamp, body) for key in keys)),
    ]


def request_of(url: str, signatures: Sequence[tuple[str, str]], body: bytes) -> Request:
    headers = [("Content-Type", "application/json"), ("User-Agent", USER_AGENT), *signatures]
    return Request("POST", url, headers, body, SECONDS, MOST_BYTES, once=True, confidential=True, cut=True)


# What came of it


def _judged(response: Response, duration: int, redaction: Redaction, format: Format = "standard") -> Attempt:
    """Whatever the status: nothing but one from 200 to 299 is an acceptance. A chat says by 404 that its address is none, and by
    other statuses from 400 on that it does not want this card, now or ever."""
    excerpt = redaction.data(response.body).decode("utf-8", "replace").replace("\0", "\ufffd")[:EXCERPT] or None
    exchange = Exchange(duration, response.status, response=excerpt)
    if 200 <= response.status < 300:
        return Attempt(exchange, accepted=True)
    told = replace(exchange, type="status", message=f"The receiver answered {response.status}.")
    if response.status == 410 or (format in CHATS and response.status == 404):
        return Attempt(told, again=False, disable="gone")
    if format in CHATS and response.status in REFUSED_CARD:
        return Attempt(told, again=False)
    asked = retry_after(response, datetime.now(UTC)) if response.status in (429, 503) else None
    return Attempt(told, retry_after=timedelta(seconds=min(asked or 0.0, 1e6)))


async def _with_its_endpoint(context: WorkerContext, tenant_id: UUID, requested: DeliveryRequested, attempt: Attempt) -> Attempt:
    """The endpoint is given up where it has accepted nothing for long."""
    if requested.endpoint_id is None or requested.kind == "test" or not attempt.of_endpoint:
        return replace(attempt, disable=None)
    async with context.pool.connection() as connection:
        if attempt.accepted:
            await cursors.forget_failures(connection, tenant_id, requested.endpoint_id)
            return attempt
        failing_for = await cursors.count_failure(connection, tenant_id, requested.endpoint_id)
    return replace(attempt, disable=attempt.disable or ("failing" if failing_for >= GIVEN_UP_AFTER else None))

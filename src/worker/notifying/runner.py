"""Delivers: one signed request for each attempt, by the one way out. As Standard Webhooks 1.0 has it.

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

from domain.envelope import PLATFORM, RecordedEvent
from domain.facts import Decided, Json, View
from domain.hosts import hosts_of
from domain.notification_delivery import (
    NOTIFICATION_DELIVERY,
    DeliveryRequested,
    Exchange,
    cancelled,
    failed,
    is_open,
    job_of,
    succeeded,
)
from domain.notification_endpoint import NOTIFICATION_ENDPOINT, Why
from domain.tenant import TENANT
from engine.notice_messages import message, test_message
from engine.triggers.signature import sign
from runtime.failpoints import failpoint
from store import notification_cursors as cursors
from store.jobs import LeasedJob
from store.reading import read_ledger, read_stream
from store.vault import NotSetUp, SecretError
from worker.context import WorkerContext
from worker.http_runner import USER_AGENT, retry_after
from worker.leases import Runner
from worker.not_set_up import hand_back
from worker.outbound.client import OutboundError, Request, Response
from worker.redaction import Redaction

log = logging.getLogger(__name__)

SECONDS = 15.0
"""For a whole request. Who has more to do answers first, and does it then."""
MOST_BYTES, EXCERPT = 65_536, 1_000
"""Of an answer that are read; and characters of it that are recorded."""
GIVEN_UP_AFTER = timedelta(days=5)
"""For so long an endpoint may accept nothing."""
FINAL = frozenset({"forbidden", "insecure", "invalid_url"})
"""What another attempt does not change: somebody has to."""


@dataclass(frozen=True)
class Address:
    """Where it goes, and the names of the secrets that sign."""

    url: str
    secrets: Sequence[str]


@dataclass(frozen=True)
class Attempt:
    """What came of one."""

    exchange: Exchange
    accepted: bool = False
    again: bool = True
    retry_after: timedelta = timedelta(0)
    disable: Why | None = None


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
    return Address(endpoint.url, endpoint.secrets(datetime.now(UTC)))


# The request


async def _attempt(context: WorkerContext, tenant_id: UUID, id: UUID, requested: DeliveryRequested, to: Address) -> Attempt:
    """Raises NotSetUp, and what a database out of reach raises."""
    redaction, begun = Redaction(()), asyncio.get_running_loop().time()
    try:
        keys = [(await context.vault.open(tenant_id, name)).text for name in to.secrets]
        redaction = Redaction(keys)
        tenant, _ = await context.handler.read(PLATFORM, TENANT, tenant_id)
        body = await _body(context, tenant_id, id, requested)
        failpoint("worker.notification_ready")
        begun = asyncio.get_running_loop().time()
        response = await context.outbound.send(_request(to.url, id, keys, body), hosts=hosts_of(tenant.settings))
        return _judged(response, _since(begun), redaction)
    except SecretError as error:
        return Attempt(Exchange(_since(begun), type=error.type, message=str(error)), again=error.retryable)
    except OutboundError as error:
        told = redaction.text(str(error))
        return Attempt(Exchange(_since(begun), type=error.type, message=told), again=error.type not in FINAL)


async def _body(context: WorkerContext, tenant_id: UUID, id: UUID, requested: DeliveryRequested) -> bytes:
    async with context.pool.connection() as connection:
        if requested.position is None:
            (asked,) = await read_stream(connection, tenant_id, id, limit=1)
            return _json(test_message(requested, asked.occurred_at))
        (record,) = await read_ledger(connection, tenant_id, requested.position - 1, 1, up_to=requested.position)
        first: RecordedEvent = record
        if record.version > 1:
            (first,) = await read_stream(connection, tenant_id, record.stream_id, limit=1)
    return _json(message(requested, record, first))


def _json(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _request(url: str, id: UUID, keys: Sequence[str], body: bytes) -> Request:
    timestamp = str(int(datetime.now(UTC).timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": str(id),
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(sign(key, str(id), timestamp, body) for key in keys),
    }
    return Request("POST", url, list(headers.items()), body, SECONDS, MOST_BYTES, once=True, confidential=True, cut=True)


# What came of it


def _judged(response: Response, duration: int, redaction: Redaction) -> Attempt:
    """Whatever the status: nothing but one from 200 to 299 is an acceptance."""
    excerpt = redaction.data(response.body).decode("utf-8", "replace").replace("\0", "\ufffd")[:EXCERPT] or None
    exchange = Exchange(duration, response.status, response=excerpt)
    if 200 <= response.status < 300:
        return Attempt(exchange, accepted=True)
    told = replace(exchange, type="status", message=f"The receiver answered {response.status}.")
    if response.status == 410:
        return Attempt(told, again=False, disable="gone")
    asked = retry_after(response, datetime.now(UTC)) if response.status in (429, 503) else None
    return Attempt(told, retry_after=timedelta(seconds=min(asked or 0.0, 1e6)))


async def _with_its_endpoint(context: WorkerContext, tenant_id: UUID, requested: DeliveryRequested, attempt: Attempt) -> Attempt:
    """The endpoint is given up where it has accepted nothing for long."""
    if requested.endpoint_id is None or requested.kind == "test":
        return replace(attempt, disable=None)
    async with context.pool.connection() as connection:
        if attempt.accepted:
            await cursors.forget_failures(connection, tenant_id, requested.endpoint_id)
            return attempt
        since = await cursors.count_failure(connection, tenant_id, requested.endpoint_id)
    return replace(attempt, disable=attempt.disable or ("failing" if since >= GIVEN_UP_AFTER else None))


def _since(begun: float) -> int:
    return round((asyncio.get_running_loop().time() - begun) * 1000)

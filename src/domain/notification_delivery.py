"""A delivery: one event on its way to one endpoint, to a person by mail, or to the address that an execution's start named.

Its stream is the log of its attempts. It is asked for once: its id follows from the event and from where it goes.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, assert_never
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from domain.facts import (
    Aggregate,
    Concurrency,
    Decided,
    Event,
    EventType,
    Fact,
    Fence,
    Job,
    JobLimits,
    NotFound,
    RuleViolation,
    View,
)
from domain.notices import TEST
from domain.notification_endpoint import (
    NOTIFICATION_ENDPOINT,
    EndpointDisabled,
    NotificationEndpoint,
    Why,
    existing,
    given_up,
)

DELIVER = "gesta.notification"
"""The type of the jobs."""
AT_A_TIME = 8
"""Deliveries to one endpoint."""
DELAYS = tuple(timedelta(seconds=each) for each in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))
"""Between the attempts: ten in three days and a bit, as Standard Webhooks proposes."""
JITTER = 0.2
"""So much of a delay, more or less, at random: what failed together is not tried again together."""
LONGEST_DELAY = timedelta(days=1)
"""That a receiver may ask for."""
Kind = Literal["event", "callback", "test", "mail", "digest"]


Gone = Literal["endpoint_disabled", "endpoint_deleted", "recipient_gone", "unwanted", "over", "empty"]
"""Why a delivery is not sent: recipient_gone: the person is no active member any more. unwanted: they want no such mail any more.
over: what they were to be asked is answered. empty: a digest, and nothing waits."""
GONE: dict[Gone, str] = {
    "endpoint_disabled": "its endpoint was disabled",
    "endpoint_deleted": "its endpoint was deleted",
    "recipient_gone": "the person is no active member any more",
    "unwanted": "the person wants no such mail any more",
    "over": "what it asks for is over",
    "empty": "nothing waits for the person",
}


@dataclass(frozen=True)
class DeliveryRequested(Event):
    """`position`: of the event in the ledger; of a test there is none. `resource_id`: the stream to which it happened.

    `url` and `secret`: where there is no endpoint, what the start of an execution named. `user_id`: of mail, whom it goes to;
    never their address, which is looked up when it is sent. `period`: of a digest, for which it is the one.
    """

    event_type: str
    kind: Kind
    endpoint_id: UUID | None = None
    position: int | None = None
    resource_id: UUID | None = None
    url: str | None = None
    secret: str | None = None
    user_id: UUID | None = None
    period: str | None = None


@dataclass(frozen=True)
class Exchange:
    """One attempt: what came of the request. `type`, `message`: why it does not count as accepted.

    `status_code`: of HTTP, or of SMTP.

    `response`: the beginning of the answer's body.
    """

    duration_ms: int
    status_code: int | None = None
    type: str | None = None
    message: str | None = None
    response: str | None = None


@dataclass(frozen=True)
class DeliveryAttemptFailed(Event):
    """Another attempt follows, `delay_ms` milliseconds later."""

    attempt: int
    exchange: Exchange
    delay_ms: int


@dataclass(frozen=True)
class DeliverySucceeded(Event):
    attempt: int
    exchange: Exchange


@dataclass(frozen=True)
class DeliveryFailed(Event):
    """It was given up after this attempt."""

    attempt: int
    exchange: Exchange


@dataclass(frozen=True)
class DeliveryCancelled(Event):
    """It is not sent any more: its endpoint was disabled or deleted, there is nobody to send it to by now, or nothing to tell."""

    why: Gone


@dataclass(frozen=True)
class DeliveryRetried(Event):
    """Somebody has it sent again. `turn`: how often that was done."""

    turn: int


DeliveryEvent = (
    DeliveryRequested | DeliveryAttemptFailed | DeliverySucceeded | DeliveryFailed | DeliveryCancelled | DeliveryRetried
)


@dataclass(frozen=True)
class NotificationDelivery:
    """`attempts`: since it was asked for, or retried, last; `attempt`: of all that there were."""

    status: Literal["absent", "pending", "delivered", "failed", "cancelled"] = "absent"
    requested: DeliveryRequested | None = None
    attempt: int = 0
    attempts: int = 0
    turn: int = 0


def evolve(state: NotificationDelivery, event: DeliveryEvent) -> NotificationDelivery:
    match event:
        case DeliveryRequested():
            return NotificationDelivery("pending", event)
        case DeliveryAttemptFailed():
            return replace(state, attempt=event.attempt, attempts=state.attempts + 1)
        case DeliverySucceeded():
            return replace(state, status="delivered", attempt=event.attempt)
        case DeliveryFailed():
            return replace(state, status="failed", attempt=event.attempt)
        case DeliveryCancelled():
            return replace(state, status="cancelled")
        case DeliveryRetried():
            return replace(state, status="pending", attempts=0, turn=event.turn)
        case _:
            assert_never(event)


def _answered(exchange: Exchange) -> str:
    return (exchange.message or f"It was answered {exchange.status_code}.").removesuffix(".")


NOTIFICATION_DELIVERY: Aggregate[NotificationDelivery] = Aggregate(
    "notification_delivery",
    NotificationDelivery(),
    evolve,
    (
        EventType(
            DeliveryRequested,
            "notification_delivery.requested.v1",
            lambda e, _: f"A notification of {e.event_type} is to be delivered.",
            severity="debug",
            tags=lambda e, _: (e.event_type,),
            note="`position`: of the event that it tells of. The delivery's id follows from the event and the endpoint.",
        ),
        EventType(
            DeliveryAttemptFailed,
            "notification_delivery.attempt_failed.v1",
            lambda e, _: (
                f"Attempt {e.attempt} to deliver a notification failed, and another one follows: {_answered(e.exchange)}."
            ),
            severity="warning",
            note="`delay_ms`: until the next one. `exchange.response`: the beginning of the answer.",
        ),
        EventType(
            DeliverySucceeded,
            "notification_delivery.succeeded.v1",
            lambda e, _: f"A notification was delivered by attempt {e.attempt}.",
            severity="debug",
        ),
        EventType(
            DeliveryFailed,
            "notification_delivery.failed.v1",
            lambda e, _: f"A notification was given up after attempt {e.attempt}: {_answered(e.exchange)}.",
            severity="error",
        ),
        EventType(
            DeliveryCancelled,
            "notification_delivery.cancelled.v1",
            lambda e, _: f"A notification is not delivered: {GONE[e.why]}.",
            severity="warning",
        ),
        EventType(
            DeliveryRetried,
            "notification_delivery.retried.v1",
            lambda _, __: "A notification is delivered again, because somebody asked for it.",
        ),
    ),
    "system",
)


class NobodyToMail(RuleViolation):
    """A test by mail goes to the person who asks for it, and a service is none."""

    code = "nobody_to_mail"


def delivery_id(event_id: UUID, command_id: UUID, to: str) -> UUID:
    """`to`: the endpoint, or what stands for the address of a callback.

    `command_id`: by which the event came about. After a restore another event may have its place in the ledger: who receives that
    must not take it for this one.
    """
    return uuid5(event_id, f"delivery {command_id} {to}")


def job_of(delivery_id: UUID, turn: int) -> UUID:
    return uuid5(delivery_id, f"turn {turn}")


def request(view: View, id: UUID, requested: DeliveryRequested) -> Decided:
    """Once: where it was asked for before, nothing is done again."""
    if view.read(NOTIFICATION_DELIVERY, id).status != "absent":
        return Decided()
    return Decided((Fact(id, requested),), jobs=(_job(id, requested, 0),))


def send_test(view: View, endpoint_id: UUID, user_id: UUID | None = None) -> Decided:
    """To an endpoint, disabled or not, so that one can try it before enabling it. `user_id`: who does, and gets it by mail."""
    to = None
    if existing(view, endpoint_id).format == "mail":
        if user_id is None:
            raise NobodyToMail
        to = user_id
    id, requested = view.new_id(), DeliveryRequested(TEST, "test", endpoint_id, user_id=to)
    return Decided((Fact(id, requested),), result=_told(id, NotificationDelivery("pending"), 1), jobs=(_job(id, requested, 0),))


def retry(view: View, id: UUID) -> Decided:
    """Have it sent again now, however it stands. It keeps its id, by which the receiver knows it."""
    state = view.read(NOTIFICATION_DELIVERY, id)
    if state.requested is None:
        raise NotFound
    if state.requested.endpoint_id is not None:
        endpoint = view.read(NOTIFICATION_ENDPOINT, state.requested.endpoint_id)
        if not is_open(endpoint, state.requested):
            raise EndpointDisabled("The notification endpoint is deleted or disabled.")
    event = DeliveryRetried(state.turn + 1)
    return Decided(
        (Fact(id, event),),
        result=_told(id, evolve(state, event), view.version(id) + 1),
        jobs=(_job(id, state.requested, event.turn),),
        dropped_jobs=(job_of(id, state.turn),) if state.status == "pending" else (),
    )


def replay(view: View, id: UUID, requested: DeliveryRequested) -> Decided:
    """Ask for it where it was not asked for, or was given up. result: whether it is sent (again)."""
    state = view.read(NOTIFICATION_DELIVERY, id)
    if state.status in ("pending", "delivered"):
        return Decided(result=False)
    return replace(request(view, id, requested) if state.requested is None else retry(view, id), result=True)


def again(view: View, id: UUID) -> Decided:
    """Send what was given up or cancelled once more. result: whether it is."""
    state = view.read(NOTIFICATION_DELIVERY, id)
    return replace(retry(view, id), result=True) if state.status in ("failed", "cancelled") else Decided(result=False)


# What the worker reports


def succeeded(view: View, id: UUID, job_id: UUID, fence: int, exchange: Exchange) -> Decided:
    done = Fence(job_id, fence, "done")
    state = view.read(NOTIFICATION_DELIVERY, id)
    if not _is_for(state, id, job_id):
        return Decided(fences=(done,))
    return Decided((Fact(id, DeliverySucceeded(state.attempt + 1, exchange)),), fences=(done,))


def failed(
    view: View,
    id: UUID,
    job_id: UUID,
    fence: int,
    exchange: Exchange,
    *,
    again: bool,
    jitter: float,
    retry_after: timedelta = timedelta(0),
    disable: Why | None = None,
) -> Decided:
    """`again`: another attempt may do better. `jitter`: random, from 0 to 1. `retry_after`: what the receiver asks for.

    `disable`: why the endpoint is given up as well.
    """
    state = view.read(NOTIFICATION_DELIVERY, id)
    if not _is_for(state, id, job_id) or state.requested is None:
        return Decided(fences=(Fence(job_id, fence, "done"),))
    attempt, endpoint_id = state.attempt + 1, state.requested.endpoint_id
    given = () if disable is None or endpoint_id is None else given_up(view, endpoint_id, disable)
    if not again or state.attempts >= len(DELAYS) or state.requested.kind == "test":
        return Decided((Fact(id, DeliveryFailed(attempt, exchange)), *given), fences=(Fence(job_id, fence, "done"),))
    delay = max(DELAYS[state.attempts] * (1 + JITTER * (2 * jitter - 1)), min(retry_after, LONGEST_DELAY))
    event = DeliveryAttemptFailed(attempt, exchange, delay // timedelta(milliseconds=1))
    return Decided((Fact(id, event), *given), fences=(Fence(job_id, fence, "retry", delay),))


def cancelled(view: View, id: UUID, job_id: UUID, fence: int) -> Decided:
    """Its endpoint is disabled or deleted, or it is over; where neither is so any more, it is sent after all."""
    state = view.read(NOTIFICATION_DELIVERY, id)
    done = Fence(job_id, fence, "done")
    if not _is_for(state, id, job_id) or state.requested is None or state.requested.endpoint_id is None:
        return Decided(fences=(done,))
    endpoint = view.read(NOTIFICATION_ENDPOINT, state.requested.endpoint_id)
    if is_open(endpoint, state.requested):
        return Decided(fences=(Fence(job_id, fence, "retry"),))
    return Decided((Fact(id, DeliveryCancelled("endpoint_disabled" if endpoint.exists else "endpoint_deleted")),), fences=(done,))


def dropped(view: View, id: UUID, job_id: UUID, fence: int, why: Gone) -> Decided:
    """There is nobody to send it to, or nothing to tell, as was found when it was to be sent."""
    state = view.read(NOTIFICATION_DELIVERY, id)
    facts = (Fact(id, DeliveryCancelled(why)),) if _is_for(state, id, job_id) else ()
    return Decided(facts, fences=(Fence(job_id, fence, "done"),))


def is_open(endpoint: NotificationEndpoint, requested: DeliveryRequested) -> bool:
    """Whether it may be sent to the endpoint. A test may be sent to one that is disabled."""
    return endpoint.exists and (endpoint.enabled or requested.kind == "test")


def _is_for(state: NotificationDelivery, id: UUID, job_id: UUID) -> bool:
    return state.status == "pending" and job_of(id, state.turn) == job_id


def _job(id: UUID, requested: DeliveryRequested, turn: int) -> Job:
    """Of what goes to one endpoint, only some are under way at a time: one that is slow holds up itself alone."""
    to = requested.endpoint_id or urlsplit(requested.url or "").netloc
    key = f"notifications {to}"
    limits = JobLimits("", "", Concurrency(AT_A_TIME, key))
    return Job(job_of(id, turn), DELIVER, {"delivery": str(id)}, limits=limits)


def _told(id: UUID, state: NotificationDelivery, version: int) -> dict[str, object]:
    return {"id": str(id), "status": state.status, "version": version}

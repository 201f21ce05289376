"""Notification endpoints: where events are delivered to, and in which form."""

import secrets as random
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field, SecretStr
from starlette.responses import Response

from api import answers, commands, sealing
from api.call import RequestContext
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import NO_REASON, Body, Name, Reason, Time
from api.notifying import MOST_EVENTS, Period, feed, follow, wished_for
from api.problems import Problem
from api.queries import notifications as queries
from api.reads import Question
from api.routing import router
from api.schemas import resources, results
from domain import notification_delivery as delivery
from domain import notification_endpoint as endpoint
from domain.facts import FieldError, Invalid, Json, View
from domain.notices import ALL, MOST_WISHES
from domain.notification_delivery import DeliveryRequested
from domain.notification_endpoint import (
    CHATS,
    LONGEST_OVERLAP,
    LONGEST_URL,
    LONGEST_USERNAME,
    MOST_ENDPOINTS,
    NOTIFICATION_ENDPOINT,
    PLATFORM_RELAY,
    EndpointDisabled,
    Format,
    Sender,
    secret_name,
)
from domain.secret import secret_id_of
from engine.triggers.signature import PREFIX
from runtime.ids import new_id
from store import event_feeds, notification_cursors
from store.command import CommandResult
from store.notifications.channels import FOLLOWED
from store.notifications.sending import notify
from store.secrets import Value
from store.topics import topics_known

routes = router("notifications")

KEY_BYTES = range(24, 65)
"""Of a signing secret, as Standard Webhooks has it. Those made here have 32."""
MADE_BYTES = 32

Url = Annotated[str, Field(min_length=1, max_length=LONGEST_URL)]
Wishes = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(min_length=1, max_length=MOST_WISHES)]
Description = Annotated[str, Field(max_length=1_000)]
Signing = Annotated[
    SecretStr | None,
    Field(
        max_length=LONGEST_URL,
        description="`whsec_` and the base64 of 24 to 64 bytes; without it, one is made. Of a chat its address: given as `url`, "
        "and when it is rotated, here.",
    ),
]


class MailSettings(Body):
    """By whom mail is sent that goes by a server of the tenant's, `url`."""

    from_: Annotated[str, Field(alias="from", min_length=3, max_length=320)]
    username: Annotated[str | None, Field(min_length=1, max_length=LONGEST_USERNAME)] = None
    password_secret: Annotated[
        Name | None, Field(description="The name of the secret with the password; its `hosts` name the server.")
    ] = None

    @property
    def sender(self) -> Sender:
        return Sender(self.from_, self.username, self.password_secret)


class NewEndpoint(Body):
    url: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=LONGEST_URL,
            description="Of mail: `smtps://host:port` or `smtp://host:port`; without it, by the platform's relay.",
        ),
    ] = None
    events: Wishes
    format: Format = "standard"
    mail: MailSettings | None = None
    workflow_key: Annotated[Name | None, Field(description="Only what concerns this workflow.")] = None
    description: Description | None = None
    secret: Signing = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://hooks.example.com/gesta", "events": ["execution.*"]}]}
    )


class EndpointChange(Body):
    """What is not given stays as it is. The address of a chat is its secret: that is rotated."""

    url: Url | None = None
    events: Wishes | None = None
    mail: MailSettings | None = None
    workflow_key: Annotated[Name | None, Field(description="Null: whichever.")] = None
    description: Description | None = None


class Rotation(Body):
    secret: Signing = None
    overlap_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=int(LONGEST_OVERLAP.total_seconds()),
            description="For so long the secret before signs beside the new one.",
        ),
    ] = 86_400


NEW_SECRET = Rotation()


class Replay(Body):
    from_: Annotated[Time, Field(alias="from")]
    to: Annotated[Time | None, Field(description="Now, unless given.")] = None
    after: Annotated[int, Field(ge=0, le=2**63 - 1, description="Where to go on: the `continue_after` of the answer before.")] = 0

    model_config = ConfigDict(json_schema_extra={"examples": [{"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}]})


@routes.post(
    "/notifications/endpoints",
    status_code=201,
    **documented(
        "Create a notification endpoint",
        "Created; its signing secret is shown this once",
        results.NOTIFICATION_ENDPOINT_WITH_SECRET,
        creates=True,
    ),
)
async def create(call: Calling, body: NewEndpoint) -> Response:
    """Events of the types that it wishes for are sent to `url` from now on: as Standard Webhooks has it, as a card to a chat of
    Slack or Teams, or by mail to each person whom they concern."""
    spec, events = commands.NOTIFICATION_ENDPOINT_CREATE, tuple(body.events)
    sender = None if body.mail is None else body.mail.sender
    url = _url(body)
    text = _chat_address(body, url) if body.format in CHATS else _signing(body.secret)
    keys = await sealing.permitted(call, spec)
    endpoint.require_settings(url, events, body.workflow_key, body.description, body.format, sender)
    await _require_room(call)
    id, value_id = new_id(), new_id()
    await sealing.write(call, keys, _value(call, id, 1, value_id), text)
    if body.format == "events":
        _require_to_read(call, events)
        await feed(call, id)
    await follow(call)
    done = await sealing.handle(
        call,
        keys,
        spec,
        None,
        lambda view, _asking: endpoint.create(
            view, id, url, events, value_id, body.workflow_key, body.description, body.format, sender
        ),
    )
    location = "/v1/notifications/endpoints/{id}"
    return call.answer(done, call.tenant_id, status=201, location=location, unstored={"secret": text})


@routes.get(
    "/notifications/endpoints", **paged("List notification endpoints", queries.ENDPOINTS, resources.NOTIFICATION_ENDPOINT)
)
async def list_notifications(call: Calling) -> Response:
    call.require("notifications:read")
    return await call.page(queries.ENDPOINTS)


@routes.get(
    "/notifications/endpoints/{id}",
    **documented("Get a notification endpoint", "The endpoint", resources.NOTIFICATION_ENDPOINT, parameters=PAST),
)
async def get(call: Calling, id: UUID) -> Response:
    call.require("notifications:read")
    return await call.one(queries.ENDPOINT, {"id": id})


@routes.patch(
    "/notifications/endpoints/{id}",
    **documented("Change a notification endpoint", "How it stands", results.NOTIFICATION_ENDPOINT_RESULT),
)
async def change(call: Calling, id: UUID, body: EndpointChange) -> Response:
    """What was asked for before goes to the address of now."""
    given = {name: value for name, value in body.given().items() if name in ("workflow_key", "description")}
    events = None if body.events is None else tuple(body.events)
    if events is not None and (await call.services.handler.read(call.tenant_id, NOTIFICATION_ENDPOINT, id))[0].format == "events":
        _require_to_read(call, events)
    return await call.command(
        commands.NOTIFICATION_ENDPOINT_CHANGE,
        lambda view, _who: endpoint.change(
            view, id, url=body.url, events=events, sender=None if body.mail is None else body.mail.sender, **given
        ),
        id,
    )


@routes.delete(
    "/notifications/endpoints/{id}",
    **documented("Delete a notification endpoint", "The endpoint as it was", results.NOTIFICATION_ENDPOINT_RESULT),
)
async def delete(call: Calling, id: UUID) -> Response:
    """What is still to be delivered to it is not. Its signing secrets are deleted as well."""
    state, _ = await call.services.handler.read(call.tenant_id, NOTIFICATION_ENDPOINT, id)
    await sealing.doubt(call, *(secret_id_of(call.tenant_id, name) for name in state.kept))
    return await call.command(commands.NOTIFICATION_ENDPOINT_DELETE, lambda view, _who: endpoint.delete(view, id), id)


@routes.post(
    "/notifications/endpoints/{id}/disable",
    **documented("Disable a notification endpoint", "How it stands", results.NOTIFICATION_ENDPOINT_RESULT),
)
async def disable(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """What happens meanwhile is not delivered, nor what is due meanwhile: that is cancelled, and can be retried by hand."""
    return await call.command(
        commands.NOTIFICATION_ENDPOINT_DISABLE, lambda view, _who: endpoint.disable(view, id, body.reason), id
    )


@routes.post(
    "/notifications/endpoints/{id}/enable",
    **documented("Enable a notification endpoint", "How it stands", results.NOTIFICATION_ENDPOINT_RESULT),
)
async def enable(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    await call.authorize(commands.NOTIFICATION_ENDPOINT_ENABLE, id)
    async with call.services.system_pool.connection() as connection:
        await notification_cursors.forget_failures(connection, call.tenant_id, id)
    answer = await call.command(
        commands.NOTIFICATION_ENDPOINT_ENABLE, lambda view, _who: endpoint.enable(view, id, body.reason), id
    )
    async with call.services.system_pool.connection() as connection:
        await event_feeds.try_now(connection, call.tenant_id, id)
        await notify(connection, FOLLOWED, str(call.tenant_id))
    return answer


@routes.post(
    "/notifications/endpoints/{id}/rotate",
    **documented(
        "Give a notification endpoint another signing secret",
        "How it stands; the secret is shown this once",
        results.NOTIFICATION_ENDPOINT_WITH_SECRET,
    ),
)
async def rotate(call: Calling, id: UUID, body: Annotated[Rotation, Default()] = NEW_SECRET) -> Response:
    """The secret before signs as well for `overlap_seconds`, so that the receiver can change over. A chat is given its new
    address as `secret`."""
    spec, number = commands.NOTIFICATION_ENDPOINT_ROTATE, 0
    known, _ = await call.services.handler.read(call.tenant_id, NOTIFICATION_ENDPOINT, id)
    url = _new_address(body.secret) if known.format in CHATS else None
    text = _signing(body.secret) if url is None else url
    kept: tuple[str, ...] = ()

    def further(view: View, _who: object) -> None:
        nonlocal number, kept
        state = endpoint.existing(view, id)
        number, kept = state.number + 1, state.kept

    keys = await sealing.permitted(call, spec, id, further)
    value_id, overlap = new_id(), timedelta(seconds=body.overlap_seconds)
    await sealing.write(call, keys, _value(call, id, number, value_id), text)
    await sealing.doubt(call, *(secret_id_of(call.tenant_id, name) for name in kept))
    done = await sealing.handle(
        call, keys, spec, id, lambda view, _asking: endpoint.rotate(view, id, number, value_id, overlap, url)
    )
    return call.answer(done, call.tenant_id, unstored={"secret": text})


@routes.post(
    "/notifications/endpoints/{id}/test",
    status_code=201,
    **documented("Send a test to a notification endpoint", "Asked for", results.DELIVERY_RESULT, creates=True),
)
async def test(call: Calling, id: UUID) -> Response:
    """One attempt, also where it is disabled: an event of the type `endpoint.test`. What came of it, the delivery says.

    By mail it goes to the caller."""
    return await call.command(
        commands.NOTIFICATION_ENDPOINT_TEST,
        lambda view, who: delivery.send_test(view, id, who.user_id),
        id,
        status=201,
        location="/v1/deliveries/{id}",
    )


@routes.post(
    "/notifications/endpoints/{id}/replay",
    **documented("Deliver what was not, of a time", "What is sent", results.REPLAYED, versioned=False),
)
async def replay(call: Calling, id: UUID, body: Replay) -> Response:
    """What the endpoint wishes for now and was recorded from one moment to another: what was never asked for, as while it was
    disabled, what was given up, and what was cancelled; of mail the last two. 500 events at a time; `continue_after` says whether
    there are more."""
    spec, now = commands.NOTIFICATION_ENDPOINT_REPLAY, call.services.clock.now()
    state = NOTIFICATION_ENDPOINT.initial

    def further(view: View, _who: object) -> None:
        nonlocal state
        state = endpoint.existing(view, id)
        if state.format == "events":
            raise Invalid("It is sent the ledger in its order: rewind it.", "/from")
        if not state.enabled:
            raise EndpointDisabled

    await call.authorize(spec, id, further)
    call.to_command(call.tenant_id, spec)  # a wrong header is told, though there be nothing to send
    if state.format == "mail":
        return await _replay_mail(call, id, Period(body.from_, body.to or now, body.after))
    missed = await call.services.reads.of_ledger(
        lambda connection: wished_for(connection, call.tenant_id, id, state, Period(body.from_, body.to or now, body.after))
    )

    async def one(item: tuple[UUID, DeliveryRequested], _suffix: str) -> CommandResult:
        return await call.decide(spec, lambda view, _who: delivery.replay(view, *item), key_suffix=f"/{item[0]}")

    told = await call.each(missed.deliveries, spec, one, lambda done: done.result) if missed.deliveries else []
    return _replayed(told, missed.more_after)


async def _replay_mail(call: RequestContext, id: UUID, period: Period) -> Response:
    """What was asked for and did not arrive; what asks for what is over by now is not sent for all that."""
    spec = commands.NOTIFICATION_ENDPOINT_REPLAY
    given = {"tenant_id": call.tenant_id, "endpoint_id": id, "most": MOST_EVENTS, **vars(period)}
    (rows,) = (await call.rows([Question(queries.UNDELIVERED_MAIL, given)])).rows

    async def one(delivery_id: UUID, _suffix: str) -> CommandResult:
        return await call.decide(spec, lambda view, _who: delivery.again(view, delivery_id), key_suffix=f"/{delivery_id}")

    told = await call.each([row["id"] for row in rows], spec, one, lambda done: done.result) if rows else []
    return _replayed(told, rows[-1]["event_position"] if len(rows) >= MOST_EVENTS else None)


def _replayed(told: Sequence[Json], more_after: int | None) -> Response:
    sent, kept = (sum(each is wanted for each in told) for wanted in (True, False))
    return answers.answer({"sent": sent, "kept": kept, "continue_after": more_after})


def _require_to_read(call: RequestContext, events: Sequence[str]) -> None:
    """Who has the ledger sent to somebody may read it, and names topics that there are. Raises Problem, PermissionDenied."""
    call.require("events:read")
    for number, wish in enumerate(events):
        if wish != ALL and not topics_known((wish,)):
            raise Problem.at(f"/events/{number}", "unknown", f"There is no topic {wish!r}.")


def _url(body: NewEndpoint) -> str:
    """Raises Invalid where it needs one and has none."""
    if body.url is not None:
        return body.url
    if body.format == "mail":
        return PLATFORM_RELAY
    raise Invalid("Where to? Only mail goes without a url.", "/url", (FieldError("/url", "required", "Where to?"),))


def _chat_address(body: NewEndpoint, url: str) -> str:
    if body.secret is not None:
        raise Invalid("A chat is not signed to: its address is the secret.", "/secret")
    return url


def _new_address(given: SecretStr | None) -> str:
    """Of a chat. Raises Invalid, which does not cite it."""
    if given is None:
        raise Invalid("A chat is given its new address as its secret.", "/secret")
    address = given.get_secret_value()
    try:
        endpoint.require_url(address, "/secret")
    except Invalid:
        raise Invalid("This is not an address that begins with https://.", "/secret") from None
    return address


def _signing(given: SecretStr | None) -> str:
    """The text of a signing secret: the one that was given, or a new one. Raises Invalid, which does not cite it."""
    if given is None:
        return PREFIX + b64encode(random.token_bytes(MADE_BYTES)).decode()
    text = given.get_secret_value()
    try:
        is_one = text.startswith(PREFIX) and len(b64decode(text.removeprefix(PREFIX), validate=True)) in KEY_BYTES
    except (Base64Error, ValueError):
        is_one = False
    if not is_one:
        raise Invalid("A signing secret is whsec_ and the base64 of 24 to 64 bytes.", "/secret")
    return text


def _value(call: RequestContext, endpoint_id: UUID, number: int, value_id: UUID) -> Value:
    return Value(call.tenant_id, value_id, secret_id_of(call.tenant_id, secret_name(endpoint_id, number)))


async def _require_room(call: RequestContext) -> None:
    """A bound against mishaps: two at the same moment may pass it."""
    answer = await call.rows([Question(queries.COUNT_ENDPOINTS, {"tenant_id": call.tenant_id})])
    if answer.rows[0][0]["count"] >= MOST_ENDPOINTS:
        raise Problem(409, "too_many_endpoints", f"A tenant has at most {MOST_ENDPOINTS} notification endpoints.")

"""A notification endpoint: an address of a tenant's to which events that it wishes for are delivered, signed.

Its signing secrets are secrets of the tenant (`domain.secret`), each under a name that follows from the endpoint and the secret's
number. A secret that was rotated signs beside the new one until a moment, so that a receiver can take its time.

What is delivered, and how, goes by its format. To a chat the address itself is the credential: it is the secret, and nothing else
shows it. Mail goes to each person whom an event concerns, by the platform's relay or by a server of the tenant's. Of the format
`events` is one that is sent the ledger itself, in its order: it wishes for topics, and a request has many events.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, assert_never
from urllib.parse import urlsplit
from uuid import UUID

from domain import secret
from domain.facts import Aggregate, Decided, Event, EventType, Fact, Invalid, NotFound, RuleViolation, View
from domain.names import require_email, require_role_key, require_text, require_web_address
from domain.notices import require_topics, require_wishes
from domain.secret import SECRET, secret_id_of
from domain.wording import because, listed

MOST_ENDPOINTS = 50
LONGEST_URL = 2_000
LONGEST_OVERLAP = timedelta(days=7)
LONGEST_USERNAME = 320
Why = Literal["by_hand", "gone", "failing"]
Format: TypeAlias = Literal["standard", "slack", "teams", "mail", "events"]
CHATS: frozenset[Format] = frozenset({"slack", "teams"})
PLATFORM_RELAY = "smtp:"
"""Where mail goes that is sent by no server of the tenant's."""


@dataclass(frozen=True)
class Sender:
    """From whom mail is that goes by a server of the tenant's, and how one logs in there. `password`: the name of a secret."""

    address: str
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True)
class NotificationEndpointCreated(Event):
    """`secret`: the name of the secret that signs. `workflow_key`: only what concerns this workflow is delivered.

    `url`: of a chat only its host; of mail the server.
    """

    url: str
    events: tuple[str, ...]
    secret: str
    workflow_key: str | None = None
    description: str | None = None
    format: Format = "standard"
    sender: Sender | None = None


@dataclass(frozen=True)
class NotificationEndpointChanged(Event):
    """How it is from now on."""

    url: str
    events: tuple[str, ...]
    workflow_key: str | None = None
    description: str | None = None
    sender: Sender | None = None


@dataclass(frozen=True)
class NotificationEndpointDisabled(Event):
    """`why`: by_hand, gone (it answered 410), or failing (nothing was accepted for days)."""

    why: Why
    reason: str | None = None


@dataclass(frozen=True)
class NotificationEndpointEnabled(Event):
    reason: str | None = None


@dataclass(frozen=True)
class NotificationEndpointRewound(Event):
    """One that is sent the ledger goes on behind this position, whatever it was sent before."""

    position: int
    reason: str | None = None


@dataclass(frozen=True)
class NotificationSecretRotated(Event):
    """`previous` signs as well, until `previous_until`; None: no more from now on. `url`: of a chat, whose address it is."""

    secret: str
    number: int
    previous: str | None = None
    previous_until: datetime | None = None
    url: str | None = None


@dataclass(frozen=True)
class NotificationEndpointDeleted(Event):
    url: str


NotificationEndpointEvent = (
    NotificationEndpointCreated
    | NotificationEndpointChanged
    | NotificationEndpointDisabled
    | NotificationEndpointEnabled
    | NotificationEndpointRewound
    | NotificationSecretRotated
    | NotificationEndpointDeleted
)


@dataclass(frozen=True)
class NotificationEndpoint:
    """`kept`: the secrets that were not deleted yet, by name, the latest last."""

    exists: bool = False
    enabled: bool = False
    url: str = ""
    events: tuple[str, ...] = ()
    workflow_key: str | None = None
    description: str | None = None
    secret: str = ""
    number: int = 0
    previous: str | None = None
    previous_until: datetime | None = None
    kept: tuple[str, ...] = ()
    format: Format = "standard"
    sender: Sender | None = None

    def secrets(self, now: datetime) -> tuple[str, ...]:
        """The names of those that sign at a moment."""
        if self.previous is None or self.previous_until is None or now >= self.previous_until:
            return (self.secret,)
        return (self.secret, self.previous)


def _columns_of(sender: Sender | None) -> dict[str, str | None]:
    if sender is None:
        return {"mail_from": None, "mail_username": None, "mail_password_secret": None}
    return {"mail_from": sender.address, "mail_username": sender.username, "mail_password_secret": sender.password}


def evolve(state: NotificationEndpoint, event: NotificationEndpointEvent) -> NotificationEndpoint:
    match event:
        case NotificationEndpointCreated():
            return NotificationEndpoint(
                True,
                True,
                event.url,
                event.events,
                event.workflow_key,
                event.description,
                event.secret,
                1,
                kept=(event.secret,),
                format=event.format,
                sender=event.sender,
            )
        case NotificationEndpointChanged():
            return replace(
                state,
                url=event.url,
                events=event.events,
                workflow_key=event.workflow_key,
                description=event.description,
                sender=event.sender,
            )
        case NotificationEndpointDisabled():
            return replace(state, enabled=False)
        case NotificationEndpointEnabled():
            return replace(state, enabled=True)
        case NotificationEndpointRewound():
            return state
        case NotificationSecretRotated():
            kept = (event.secret,) if event.previous is None else (event.previous, event.secret)
            return replace(
                state,
                url=event.url or state.url,
                secret=event.secret,
                number=event.number,
                previous=event.previous,
                previous_until=event.previous_until,
                kept=kept,
            )
        case NotificationEndpointDeleted():
            return NotificationEndpoint()
        case _:
            assert_never(event)


WHYS = {"by_hand": "", "gone": ": it answered that it is gone", "failing": ": it has accepted nothing for days"}

NOTIFICATION_ENDPOINT: Aggregate[NotificationEndpoint] = Aggregate(
    "notification_endpoint",
    NotificationEndpoint(),
    evolve,
    (
        EventType(
            NotificationEndpointCreated,
            "notification_endpoint.created.v2",
            lambda e, _: f"The notification endpoint {e.url} was created, for {listed(e.events)}.",
            note="`secret`: the name of the secret that signs, never its value; of a chat, of the one that is its address. "
            "`format`: standard, slack, teams, events, or mail, of which `sender` says by whom it is sent. v1 knew no events.",
        ),
        EventType(
            NotificationEndpointChanged,
            "notification_endpoint.changed.v1",
            lambda _, endpoint: f"The notification endpoint {endpoint.name} was changed.",
            changes=lambda e: {
                "url": e.url,
                "events": list(e.events),
                "workflow_key": e.workflow_key,
                "description": e.description,
                **_columns_of(e.sender),
            },
            note="All fields as they are from now on.",
        ),
        EventType(
            NotificationEndpointDisabled,
            "notification_endpoint.disabled.v1",
            lambda e, endpoint: f"The notification endpoint {endpoint.name} was disabled{WHYS[e.why]}{because(e.reason)}.",
            severity="warning",
            note="`why`: by_hand, gone (it answered 410), or failing (it has accepted nothing for days).",
        ),
        EventType(
            NotificationEndpointEnabled,
            "notification_endpoint.enabled.v1",
            lambda e, endpoint: f"The notification endpoint {endpoint.name} was enabled{because(e.reason)}.",
        ),
        EventType(
            NotificationEndpointRewound,
            "notification_endpoint.rewound.v1",
            lambda e, endpoint: (
                f"The notification endpoint {endpoint.name} is sent what comes after {e.position}{because(e.reason)}."
            ),
            severity="warning",
            note="Of the format `events`: it goes on behind `position`.",
        ),
        EventType(
            NotificationSecretRotated,
            "notification_endpoint.secret_rotated.v1",
            lambda e, endpoint: f"The notification endpoint {endpoint.name} was given its {e.number}. signing secret.",
            severity="warning",
            note="`previous` signs as well, until `previous_until`. Both are names of secrets.",
        ),
        EventType(
            NotificationEndpointDeleted,
            "notification_endpoint.deleted.v1",
            lambda e, _: f"The notification endpoint {e.url} was deleted.",
            severity="warning",
        ),
    ),
    "system",
)


class EndpointDisabled(RuleViolation):
    """The notification endpoint is disabled."""

    code = "endpoint_disabled"


class NotOfThisFormat(RuleViolation):
    """Only an endpoint of the format events is sent the ledger."""

    code = "not_of_this_format"


class EndpointEnabled(RuleViolation):
    """The notification endpoint is not disabled."""

    code = "endpoint_enabled"


def secret_name(endpoint_id: UUID, number: int) -> str:
    """The name of an endpoint's signing secret: its first, its second …"""
    return f"endpoint-{endpoint_id.hex}-{number}"


def require_url(url: str, path: str = "/url") -> None:
    """An address that deliveries may be sent to, as far as its text says. Raises Invalid."""
    require_text(url, path, LONGEST_URL)
    require_web_address(url, path)
    if "#" in url:
        raise Invalid("What follows a # is not sent: leave it out.", path)


def shown_url(format: Format, url: str) -> str:
    """What everybody may see of it: of a chat, who has the address writes there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/…" if format in CHATS else url


def create(
    view: View,
    endpoint_id: UUID,
    url: str,
    events: tuple[str, ...],
    value_id: UUID,
    workflow_key: str | None = None,
    description: str | None = None,
    format: Format = "standard",
    sender: Sender | None = None,
) -> Decided:
    """`value_id`: of the sealed text of its first secret, which was written."""
    require_settings(url, events, workflow_key, description, format, sender)
    name, shown = secret_name(endpoint_id, 1), shown_url(format, url)
    signing = secret.create(
        view, secret_id_of(view.tenant_id, name), name, value_id, description=f"{_use_of(format)} {shown[:200]}"
    )
    wished = tuple(dict.fromkeys(events))
    event = NotificationEndpointCreated(shown, wished, name, workflow_key, description, format, sender)
    return _answer(view, endpoint_id, NotificationEndpoint(), event, also=signing.facts)


def _use_of(format: Format) -> str:
    return "The address at" if format in CHATS else "Signs what goes to"


def change(
    view: View,
    endpoint_id: UUID,
    *,
    url: str | None = None,
    events: tuple[str, ...] | None = None,
    sender: Sender | None = None,
    **given: str | None,
) -> Decided:
    """What is not given stays as it is. `given`: workflow_key, description; None takes one away."""
    state = existing(view, endpoint_id)
    if url is not None and state.format in CHATS:
        raise Invalid("The address of a chat is a secret: give it another one by rotating that.", "/url")
    event = NotificationEndpointChanged(
        state.url if url is None else url,
        state.events if events is None else tuple(dict.fromkeys(events)),
        given.get("workflow_key", state.workflow_key),
        given.get("description", state.description),
        state.sender if sender is None and url != PLATFORM_RELAY else sender,
    )
    require_settings(event.url, event.events, event.workflow_key, event.description, state.format, event.sender)
    return _answer(view, endpoint_id, state, None if evolve(state, event) == state else event)


def disable(view: View, endpoint_id: UUID, reason: str | None = None) -> Decided:
    """Nothing is delivered to it until it is enabled."""
    state = existing(view, endpoint_id)
    if not state.enabled:
        raise EndpointDisabled
    return _answer(view, endpoint_id, state, NotificationEndpointDisabled("by_hand", reason))


def enable(view: View, endpoint_id: UUID, reason: str | None = None) -> Decided:
    state = existing(view, endpoint_id)
    if state.enabled:
        raise EndpointEnabled
    return _answer(view, endpoint_id, state, NotificationEndpointEnabled(reason))


def rewind(view: View, endpoint_id: UUID, position: int, reason: str | None = None) -> Decided:
    """Have it sent what comes after a position, once more or not at all."""
    state = existing(view, endpoint_id)
    if state.format != "events":
        raise NotOfThisFormat
    return _answer(view, endpoint_id, state, NotificationEndpointRewound(position, reason))


def given_up(view: View, endpoint_id: UUID, why: Why) -> tuple[Fact, ...]:
    """What disables it, where it is not disabled by now."""
    state = view.read(NOTIFICATION_ENDPOINT, endpoint_id)
    return (Fact(endpoint_id, NotificationEndpointDisabled(why)),) if state.exists and state.enabled else ()


def rotate(view: View, endpoint_id: UUID, number: int, value_id: UUID, overlap: timedelta, url: str | None = None) -> Decided:
    """Give it the secret of this number, whose sealed text was written. The one before signs as well for so long.

    `url`: of a chat, its new address, which is that secret.
    """
    state = existing(view, endpoint_id)
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Invalid("The overlap must be from none to seven days.", "/overlap")
    if number != state.number + 1:
        raise RotatedMeanwhile
    if (url is not None) != (state.format in CHATS):
        raise Invalid("Only the secret of a chat is an address.", "/secret")
    shown = None if url is None else shown_url(state.format, url)
    name = secret_name(endpoint_id, number)
    signing = secret.create(
        view,
        secret_id_of(view.tenant_id, name),
        name,
        value_id,
        description=f"{_use_of(state.format)} {(shown or state.url)[:200]}",
    )
    previous, until = (state.secret, view.now + overlap) if overlap and url is None else (None, None)
    gone = [fact for each in state.kept if each != previous for fact in _deleted(view, each)]
    event = NotificationSecretRotated(name, number, previous, until, shown)
    return _answer(view, endpoint_id, state, event, also=(*signing.facts, *gone))


def delete(view: View, endpoint_id: UUID) -> Decided:
    """Its secrets go as well; what is still to be delivered to it is not."""
    state = existing(view, endpoint_id)
    gone = tuple(fact for each in state.kept for fact in _deleted(view, each))
    return _answer(view, endpoint_id, state, NotificationEndpointDeleted(state.url), also=gone)


class RotatedMeanwhile(RuleViolation):
    """The endpoint was given another secret at the same moment."""

    code = "rotated_meanwhile"


def existing(view: View, endpoint_id: UUID) -> NotificationEndpoint:
    state = view.read(NOTIFICATION_ENDPOINT, endpoint_id)
    if not state.exists:
        raise NotFound
    return state


def _deleted(view: View, name: str) -> tuple[Fact, ...]:
    """Somebody with the right to secrets may have deleted it before."""
    secret_id = secret_id_of(view.tenant_id, name)
    return secret.delete(view, secret_id).facts if view.read(SECRET, secret_id).exists else ()


def require_settings(
    url: str,
    events: tuple[str, ...],
    workflow_key: str | None,
    description: str | None,
    format: Format = "standard",
    sender: Sender | None = None,
) -> None:
    """Raises Invalid."""
    if format == "mail":
        require_mail(url, sender)
    elif sender is not None:
        raise Invalid("Only mail has a sender.", "/mail")
    else:
        require_url(url)
    if format == "events":
        require_topics(events, "/events")
        if workflow_key is not None:
            raise Invalid("The ledger is sent by topics, not by workflow.", "/workflow_key")
    else:
        require_wishes(events, "/events")
    if workflow_key is not None:
        require_text(workflow_key, "/workflow_key")
    if description is not None:
        require_text(description, "/description", 1_000)


SMTP_PORTS = {"smtp": 587, "smtps": 465}
"""By the scheme of a server's address: smtp begins in the clear and goes over to TLS before anything is said, or ends."""


def smtp_server(url: str) -> tuple[str, int]:
    """The host and port of `smtp://host:port` or `smtps://host:port`. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in SMTP_PORTS or not parts.hostname or parts.username is not None:
        raise ValueError(url)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(url)
    port = SMTP_PORTS[parts.scheme] if parts.port is None else parts.port
    if port == 0 or not parts.hostname.isascii() or not parts.hostname.isprintable() or " " in parts.hostname:
        raise ValueError(url)
    return parts.hostname, port


def require_mail(url: str, sender: Sender | None) -> None:
    """By the platform's relay, or by a server of the tenant's: then somebody is the sender. Raises Invalid."""
    if url == PLATFORM_RELAY:
        if sender is not None:
            raise Invalid("Mail by the platform's relay is from the platform's address: give a url as well.", "/mail")
        return
    require_text(url, "/url", LONGEST_URL)
    try:
        smtp_server(url)
    except ValueError:
        raise Invalid("A mail server is smtp://host:port or smtps://host:port, without user or path.", "/url") from None
    if sender is None:
        raise Invalid("A server of your own needs an address that mail is from.", "/mail/from")
    require_email(sender.address, "/mail/from")
    if not sender.address.isascii():
        raise Invalid("The address that mail is from is in ASCII.", "/mail/from")
    if (sender.username is None) != (sender.password is None):
        raise Invalid("A user name and the secret with the password go together.", "/mail")
    if sender.username is not None:
        require_text(sender.username, "/mail/username", LONGEST_USERNAME)
    if sender.password is not None:
        require_role_key(sender.password, "/mail/password_secret", "A secret's name")


def _answer(
    view: View,
    endpoint_id: UUID,
    state: NotificationEndpoint,
    event: NotificationEndpointEvent | None,
    also: tuple[Fact, ...] = (),
) -> Decided:
    after = state if event is None else evolve(state, event)
    told = after if after.exists else state
    result = {
        "id": str(endpoint_id),
        "url": told.url,
        "events": list(told.events),
        "workflow_key": told.workflow_key,
        "description": told.description,
        "format": told.format,
        **_columns_of(told.sender),
        "status": "enabled" if told.enabled else "disabled",
        "version": view.version(endpoint_id) + (event is not None),
    }
    return Decided(() if event is None else (*also, Fact(endpoint_id, event)), result=result)

"""A notification endpoint: an address of a tenant's to which events that it wishes for are delivered, signed.

Its signing secrets are secrets of the tenant (`domain.secret`), each under a name that follows from the endpoint and the secret's
number. A secret that was rotated signs beside the new one until a moment, so that a receiver can take its time.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, assert_never
from uuid import UUID

from domain import secret
from domain.facts import Aggregate, Decided, Event, EventType, Fact, Invalid, NotFound, RuleViolation, View
from domain.names import require_text, require_web_address
from domain.notices import require_wishes
from domain.secret import SECRET, secret_id_of
from domain.wording import because, listed

MOST_ENDPOINTS = 50
LONGEST_URL = 2_000
LONGEST_OVERLAP = timedelta(days=7)
Why = Literal["by_hand", "gone", "failing"]


@dataclass(frozen=True)
class NotificationEndpointCreated(Event):
    """`secret`: the name of the secret that signs. `workflow_key`: only what concerns this workflow is delivered."""

    url: str
    events: tuple[str, ...]
    secret: str
    workflow_key: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class NotificationEndpointChanged(Event):
    """How it is from now on."""

    url: str
    events: tuple[str, ...]
    workflow_key: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class NotificationEndpointDisabled(Event):
    """`why`: by_hand, gone (it answered 410), or failing (nothing was accepted for days)."""

    why: Why
    reason: str | None = None


@dataclass(frozen=True)
class NotificationEndpointEnabled(Event):
    reason: str | None = None


@dataclass(frozen=True)
class NotificationSecretRotated(Event):
    """`previous` signs as well, until `previous_until`; None: no more from now on."""

    secret: str
    number: int
    previous: str | None = None
    previous_until: datetime | None = None


@dataclass(frozen=True)
class NotificationEndpointDeleted(Event):
    url: str


NotificationEndpointEvent = (
    NotificationEndpointCreated
    | NotificationEndpointChanged
    | NotificationEndpointDisabled
    | NotificationEndpointEnabled
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

    def secrets(self, now: datetime) -> tuple[str, ...]:
        """The names of those that sign at a moment."""
        if self.previous is None or self.previous_until is None or now >= self.previous_until:
            return (self.secret,)
        return (self.secret, self.previous)


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
            )
        case NotificationEndpointChanged():
            return replace(
                state, url=event.url, events=event.events, workflow_key=event.workflow_key, description=event.description
            )
        case NotificationEndpointDisabled():
            return replace(state, enabled=False)
        case NotificationEndpointEnabled():
            return replace(state, enabled=True)
        case NotificationSecretRotated():
            kept = (event.secret,) if event.previous is None else (event.previous, event.secret)
            return replace(
                state,
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
            "notification_endpoint.created.v1",
            lambda e, _: f"The notification endpoint {e.url} was created, for {listed(e.events)}.",
            note="`secret`: the name of the secret that signs, never its value.",
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


def create(
    view: View,
    endpoint_id: UUID,
    url: str,
    events: tuple[str, ...],
    value_id: UUID,
    workflow_key: str | None = None,
    description: str | None = None,
) -> Decided:
    """`value_id`: of the sealed text of its first signing secret, which was written."""
    require_settings(url, events, workflow_key, description)
    name = secret_name(endpoint_id, 1)
    signing = secret.create(
        view, secret_id_of(view.tenant_id, name), name, value_id, description=f"Signs what goes to {url[:200]}"
    )
    wished = tuple(dict.fromkeys(events))
    event = NotificationEndpointCreated(url, wished, name, workflow_key, description)
    return _answer(view, endpoint_id, NotificationEndpoint(), event, also=signing.facts)


def change(
    view: View,
    endpoint_id: UUID,
    *,
    url: str | None = None,
    events: tuple[str, ...] | None = None,
    **given: str | None,
) -> Decided:
    """What is not given stays as it is. `given`: workflow_key, description; None takes one away."""
    state = existing(view, endpoint_id)
    event = NotificationEndpointChanged(
        state.url if url is None else url,
        state.events if events is None else tuple(dict.fromkeys(events)),
        given.get("workflow_key", state.workflow_key),
        given.get("description", state.description),
    )
    require_settings(event.url, event.events, event.workflow_key, event.description)
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


def given_up(view: View, endpoint_id: UUID, why: Why) -> tuple[Fact, ...]:
    """What disables it, where it is not disabled by now."""
    state = view.read(NOTIFICATION_ENDPOINT, endpoint_id)
    return (Fact(endpoint_id, NotificationEndpointDisabled(why)),) if state.exists and state.enabled else ()


def rotate(view: View, endpoint_id: UUID, number: int, value_id: UUID, overlap: timedelta) -> Decided:
    """Give it the secret of this number, whose sealed text was written. The one before signs as well for so long."""
    state = existing(view, endpoint_id)
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Invalid("The overlap must be from none to seven days.", "/overlap")
    if number != state.number + 1:
        raise RotatedMeanwhile
    name = secret_name(endpoint_id, number)
    signing = secret.create(
        view, secret_id_of(view.tenant_id, name), name, value_id, description=f"Signs what goes to {state.url[:200]}"
    )
    previous, until = (state.secret, view.now + overlap) if overlap else (None, None)
    gone = [fact for each in state.kept if each != previous for fact in _deleted(view, each)]
    return _answer(
        view, endpoint_id, state, NotificationSecretRotated(name, number, previous, until), also=(*signing.facts, *gone)
    )


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


def require_settings(url: str, events: tuple[str, ...], workflow_key: str | None, description: str | None) -> None:
    """Raises Invalid."""
    require_url(url)
    require_wishes(events, "/events")
    if workflow_key is not None:
        require_text(workflow_key, "/workflow_key")
    if description is not None:
        require_text(description, "/description", 1_000)


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
        "status": "enabled" if told.enabled else "disabled",
        "version": view.version(endpoint_id) + (event is not None),
    }
    return Decided(() if event is None else (*also, Fact(endpoint_id, event)), result=result)

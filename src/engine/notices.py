"""What is to be delivered of an event: to which endpoints, as they were when it happened, and to whom a start named.

By mail it goes to people: whom, says `engine.mail_recipients`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from domain.ai_task import AiTaskRequested
from domain.approval import ApprovalRequested
from domain.budget import BudgetPeriodOpened
from domain.envelope import RecordedEvent
from domain.execution import ExecutionStarted
from domain.facts import Event, Json
from domain.job import JobEnqueued
from domain.notices import ENDED, TYPES, matches
from domain.notification_delivery import DeliveryRequested, delivery_id
from domain.notification_endpoint import (
    NotificationEndpointChanged,
    NotificationEndpointCreated,
    NotificationEndpointDeleted,
    NotificationEndpointDisabled,
    NotificationEndpointEnabled,
)
from engine.mail_recipients import kind_of

Endpoints = Mapping[str, Json]
"""By id: {events, workflow_key, enabled, format}; one that was written by an older release has no format: it is standard."""


@dataclass(frozen=True)
class Begun:
    """With what the thing began to which it happened, and the start of the execution that it is, or belongs to."""

    first: Event
    execution: ExecutionStarted | None = None

    @property
    def workflow_key(self) -> str | None:
        if isinstance(self.first, BudgetPeriodOpened):
            return self.first.subject if self.first.scope == "workflow" else None
        return None if self.execution is None else self.execution.workflow_key

    @property
    def callback(self) -> Mapping[str, str]:
        """What the start of it named; nothing where it named nobody."""
        first = self.first
        if not isinstance(first, ExecutionStarted | JobEnqueued | ApprovalRequested | AiTaskRequested) or first.callback is None:
            return {}
        callback: Mapping[str, str] = first.callback
        return callback


def endpoints_after(endpoints: Endpoints, record: RecordedEvent) -> Endpoints:
    """The endpoints after one more event of the ledger."""
    id, event = str(record.stream_id), record.event
    known = endpoints.get(id, {"enabled": True})
    match event:
        case NotificationEndpointCreated():
            known = {**known, "format": event.format}
            return {**endpoints, id: {**known, "events": list(event.events), "workflow_key": event.workflow_key}}
        case NotificationEndpointChanged():
            return {**endpoints, id: {**known, "events": list(event.events), "workflow_key": event.workflow_key}}
        case NotificationEndpointDisabled():
            return {**endpoints, id: {**known, "enabled": False}}
        case NotificationEndpointEnabled():
            return {**endpoints, id: {**known, "enabled": True}}
        case NotificationEndpointDeleted():
            return {key: value for key, value in endpoints.items() if key != id}
        case _:
            return endpoints


def deliveries_of(
    record: RecordedEvent, event_id: UUID, endpoints: Endpoints, begun: Begun
) -> Iterator[tuple[UUID, DeliveryRequested]]:
    """Each with its id, once for each place that it goes to."""
    type = TYPES.get(record.event.__class__)
    if type is None:
        return
    told = DeliveryRequested(type, "event", position=record.position, resource_id=record.stream_id)
    callback = begun.callback if record.event.__class__ in ENDED else {}
    for id, endpoint in endpoints.items():
        if endpoint.get("format") in ("mail", "events"):
            continue
        is_wished = _is_wished(endpoint, type, begun)
        if endpoint["enabled"] and (is_wished or id == callback.get("endpoint_id")):
            to_endpoint = replace(told, kind="event" if is_wished else "callback", endpoint_id=UUID(id))
            yield delivery_id(event_id, record.command_id, id), to_endpoint
    if "url" in callback:
        to_address = replace(told, kind="callback", url=callback["url"], secret=callback["secret"])
        yield delivery_id(event_id, record.command_id, "callback"), to_address


def mail_endpoints(event: Event, endpoints: Endpoints, begun: Begun) -> tuple[UUID, ...]:
    """By which of them the people whom an event concerns are told of it by mail."""
    type = TYPES.get(event.__class__)
    if type is None or kind_of(event) is None:
        return ()
    mail = ((id, endpoint) for id, endpoint in endpoints.items() if _is_mail(endpoint) and endpoint["enabled"])
    return tuple(UUID(id) for id, endpoint in mail if _is_wished(endpoint, type, begun))


def _is_mail(endpoint: Json) -> bool:
    return bool(endpoint.get("format") == "mail")


def _is_wished(endpoint: Json, type: str, begun: Begun) -> bool:
    return matches(endpoint["events"], type) and endpoint["workflow_key"] in (None, begun.workflow_key)


def execution_of(first: Event) -> UUID | None:
    """The execution that the stream belongs to that begins so; None: it is an execution itself, or belongs to none."""
    return first.execution_id if isinstance(first, ApprovalRequested | AiTaskRequested) else None

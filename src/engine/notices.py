"""What is to be delivered of an event: to which endpoints, as they were when it happened, and to whom a start named."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from domain.approval import ApprovalRequested
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

Endpoints = Mapping[str, Json]
"""By id: {events, workflow_key, enabled}."""


@dataclass(frozen=True)
class Begun:
    """With what the thing began to which it happened, and the start of the execution that it is, or belongs to."""

    first: Event
    execution: ExecutionStarted | None = None

    @property
    def workflow_key(self) -> str | None:
        return None if self.execution is None else self.execution.workflow_key

    @property
    def callback(self) -> Mapping[str, str]:
        """What the start of it named; nothing where it named nobody."""
        if not isinstance(self.first, ExecutionStarted | JobEnqueued | ApprovalRequested) or self.first.callback is None:
            return {}
        callback: Mapping[str, str] = self.first.callback
        return callback


def endpoints_after(endpoints: Endpoints, record: RecordedEvent) -> Endpoints:
    """The endpoints after one more event of the ledger."""
    id, event = str(record.stream_id), record.event
    known = endpoints.get(id, {"enabled": True})
    match event:
        case NotificationEndpointCreated() | NotificationEndpointChanged():
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
        key = endpoint["workflow_key"]
        is_wished = matches(endpoint["events"], type) and key in (None, begun.workflow_key)
        if endpoint["enabled"] and (is_wished or id == callback.get("endpoint_id")):
            to_endpoint = replace(told, kind="event" if is_wished else "callback", endpoint_id=UUID(id))
            yield delivery_id(event_id, record.command_id, id), to_endpoint
    if "url" in callback:
        to_address = replace(told, kind="callback", url=callback["url"], secret=callback["secret"])
        yield delivery_id(event_id, record.command_id, "callback"), to_address


def execution_of(first: Event) -> UUID | None:
    """The execution that the stream belongs to that begins so; None: it is an execution itself, or belongs to none."""
    return first.execution_id if isinstance(first, ApprovalRequested) else None

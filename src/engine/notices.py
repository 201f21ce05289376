"""What is to be delivered of an event: to which endpoints, as they were when it happened, and to whom a start named."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from uuid import UUID

from domain.approval import ApprovalRequested
from domain.envelope import RecordedEvent
from domain.execution import ExecutionStarted
from domain.facts import Event, Json
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
    record: RecordedEvent, event_id: UUID, endpoints: Endpoints, execution: ExecutionStarted | None
) -> Iterator[tuple[UUID, DeliveryRequested]]:
    """Each with its id, once for each place that it goes to. `execution`: the start of that to which it happened."""
    type = TYPES.get(record.event.__class__)
    if type is None:
        return
    told = DeliveryRequested(type, "event", position=record.position, resource_id=record.stream_id)
    callback = _callback(record.event, execution)
    for id, endpoint in endpoints.items():
        key = endpoint["workflow_key"]
        is_wished = matches(endpoint["events"], type) and (
            key is None or (execution is not None and execution.workflow_key == key)
        )
        if endpoint["enabled"] and (is_wished or id == callback.get("endpoint_id")):
            to_endpoint = replace(told, kind="event" if is_wished else "callback", endpoint_id=UUID(id))
            yield delivery_id(event_id, record.command_id, id), to_endpoint
    if "url" in callback:
        to_address = replace(told, kind="callback", url=callback["url"], secret=callback["secret"])
        yield delivery_id(event_id, record.command_id, "callback"), to_address


def execution_of(first: Event) -> UUID | None:
    """The execution that the stream belongs to that begins so; None: it is an execution itself, or belongs to none."""
    return first.execution_id if isinstance(first, ApprovalRequested) else None


def _callback(event: Event, execution: ExecutionStarted | None) -> Mapping[str, str]:
    if type(event) not in ENDED or execution is None or execution.callback is None:
        return {}
    callback: Mapping[str, str] = execution.callback
    return callback

"""How events that were stored under an older topic become events of today.

A published topic never changes its meaning. When an event's class changes shape, its topic gets the next version, and the old
topic gets one line in `CHAIN`: the function that turns its JSON object into the next topic's. Chains are followed to their end.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

Payload = dict[str, Any]


class Upcast(NamedTuple):
    """One link: the topic that follows, and the function from the old payload to the new one (it may alter its argument)."""

    topic: str
    change: Callable[[Payload], Payload]


def member_added_v1(payload: Payload) -> Payload:
    """v1 did not say on which position of the platform ledger it relied: there is nothing to wait for."""
    return {**payload, "platform_position": 0}


def approval_resolved_v1(payload: Payload) -> Payload:
    """v1 knew of one person: the rule of its time was that the first decision resolves."""
    return {**payload, "decided_by": [payload["decided_by"]]}


PERMISSIONS_OF_V1 = frozenset(
    (
        *("tenants:read", "tenants:manage", "workflows:read", "workflows:write", "workflows:publish", "executions:read"),
        *("executions:start", "executions:control", "approvals:read", "approvals:decide", "approvals:manage", "ai_tasks:read"),
        *("ai_tasks:control", "jobs:work", "audit:read", "users:read", "users:manage", "members:manage", "roles:manage"),
        *("api_keys:manage", "users:act_as", "events:backdate", "events:read"),
    )
)
"""All that there were while keys were stored as `api_key.created.v1`."""


def api_key_created_v1(payload: Payload) -> Payload:
    """v1 did not say which membership a key was of: it is taken to be of the first, so that no old key comes back to life."""
    everything = set(payload["permissions"]) >= PERMISSIONS_OF_V1
    term = {} if payload.get("user_id") is None else {"term": 1}
    return {**payload, "all_permissions": everything, "by_platform": False, **term}


def api_key_revoked_v1(payload: Payload) -> Payload:
    """v1 did not know which key had made which."""
    return {**payload, "keep_made": False}


def activation_started_v1(payload: Payload) -> Payload:
    """v1 named the stream that was opened; the job of a task or an AI task bore the activation's id, and went without saying."""
    child, kind = payload.pop("child", None), payload["node_type"]
    waits = [] if child is None else [{"kind": "ai_task" if kind == "ai_agent" else "approval", "id": child}]
    if kind == "task" or (kind == "ai_agent" and child is not None):
        waits.append({"kind": "job", "id": payload["activation_id"], "about": "gesta.ai" if kind == "ai_agent" else ""})
    return {**payload, "waits": waits}


def activation_started_v2(payload: Payload) -> Payload:
    """v2 named the moment of a visit's timeout, by a process's clock; its timer bore the activation's id."""
    timeout_at = payload.pop("timeout_at", None)
    if timeout_at is None:
        return payload
    timeout = {"kind": "timer", "id": payload["activation_id"], "about": "timeout", "due": {"at": timeout_at}}
    return {**payload, "waits": [*payload["waits"], timeout]}


def activation_waiting_v1(payload: Payload) -> Payload:
    """v1 is v2 of a visit without timers."""
    return payload


def approval_requested_v1(payload: Payload) -> Payload:
    """v1 named moments, by a process's clock."""
    due_at, expires_at = payload.pop("due_at", None), payload.pop("expires_at", None)
    named = {"due": due_at, "expires": expires_at}
    return {**payload, **{name: {"at": at} for name, at in named.items() if at is not None}}


def ai_task_attempt_failed_v1(payload: Payload) -> Payload:
    """v1 named the moment of the next attempt, by a process's clock."""
    retry_at = payload.pop("retry_at", None)
    return payload if retry_at is None else {**payload, "retry": {"at": retry_at}}


def notification_endpoint_created_v1(payload: Payload) -> Payload:
    """v1 knew one format less, which who read it would have taken for damage."""
    return payload


CHAIN: dict[str, Upcast] = {
    "api_key.created.v1": Upcast("api_key.created.v2", api_key_created_v1),
    "api_key.revoked.v1": Upcast("api_key.revoked.v2", api_key_revoked_v1),
    "member.added.v1": Upcast("member.added.v2", member_added_v1),
    "activation.started.v1": Upcast("activation.started.v2", activation_started_v1),
    "activation.started.v2": Upcast("activation.started.v3", activation_started_v2),
    "activation.waiting.v1": Upcast("activation.waiting.v2", activation_waiting_v1),
    "ai_task.attempt_failed.v1": Upcast("ai_task.attempt_failed.v2", ai_task_attempt_failed_v1),
    "approval.requested.v1": Upcast("approval.requested.v2", approval_requested_v1),
    "approval.resolved.v1": Upcast("approval.resolved.v2", approval_resolved_v1),
    "notification_endpoint.created.v1": Upcast("notification_endpoint.created.v2", notification_endpoint_created_v1),
}


def current_topic(topic: str) -> str:
    """The topic at the end of the chain; the topic itself where it is not old."""
    while topic in CHAIN:
        topic = CHAIN[topic].topic
    return topic


def upcast(topic: str, data: bytes) -> bytes:
    """Stored JSON of an old topic, as JSON of its current topic. Raises ValueError where the data are no JSON object."""
    payload = from_json(data)
    if not isinstance(payload, dict):
        raise ValueError(f"an event of {topic} is not a JSON object")
    while topic in CHAIN:
        topic, change = CHAIN[topic]
        payload = change(payload)
    return to_json(payload, inf_nan_mode="constants")

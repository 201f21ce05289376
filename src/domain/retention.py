"""How long finished executions stay in the tables that people query, before they go to the archive.

There is one policy for the tenant, and one for each workflow that has its own; its stream's id follows from which it is. Nothing
is ever taken out of the ledger: an archived execution leaves the tables, and its events stay.
"""

from dataclasses import dataclass
from typing import assert_never
from uuid import UUID, uuid5

from domain.facts import Aggregate, Decided, Event, EventType, Fact, Invalid, Json, NotFound, View
from domain.names import require_role_key
from domain.wording import because, plural
from domain.workflow import WORKFLOW_KEY

MOST_DAYS = 36_500


@dataclass(frozen=True)
class RetentionSet(Event):
    """`days`: since an execution ended. `workflow_key`: of this workflow; None: of all that have no policy of their own."""

    days: int
    workflow_key: str | None = None


@dataclass(frozen=True)
class RetentionRemoved(Event):
    workflow_key: str | None = None
    reason: str | None = None


RetentionEvent = RetentionSet | RetentionRemoved


@dataclass(frozen=True)
class Retention:
    """`days`: None: there is no such policy. `workflow_key`: of which workflow, once there was one."""

    days: int | None = None
    workflow_key: str | None = None


def evolve(_state: Retention, event: RetentionEvent) -> Retention:
    match event:
        case RetentionSet():
            return Retention(event.days, event.workflow_key)
        case RetentionRemoved():
            return Retention(None, event.workflow_key)
        case _:
            assert_never(event)


def _of(workflow_key: str | None) -> str:
    return "executions" if workflow_key is None else f"executions of {workflow_key}"


RETENTION: Aggregate[Retention] = Aggregate(
    "retention",
    Retention(),
    evolve,
    (
        EventType(
            RetentionSet,
            "retention.set.v1",
            lambda e, _: f"Finished {_of(e.workflow_key)} are archived after {plural(e.days, 'day')}.",
            note="`workflow_key`: null for all workflows that have no policy of their own. The stream's id follows from it.",
        ),
        EventType(
            RetentionRemoved,
            "retention.removed.v1",
            lambda e, _: f"Finished {_of(e.workflow_key)} are no longer archived by a policy of their own{because(e.reason)}.",
        ),
    ),
    "tenant",
)


def retention_id_of(tenant_id: UUID, workflow_key: str | None) -> UUID:
    return uuid5(tenant_id, f"retention {workflow_key or ''}")


def set_days(view: View, workflow_key: str | None, days: int) -> Decided:
    """result {id, workflow_key, days, version}. Nothing happens where it is so already. Raises Invalid."""
    if workflow_key is not None:
        require_role_key(workflow_key, "/workflow_key", "A workflow's key")
        if view.owner(WORKFLOW_KEY, workflow_key) is None:
            raise Invalid("There is no such workflow.", "/workflow_key")
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(f"Executions are kept for 1 to {MOST_DAYS} days.", "/days")
    id = retention_id_of(view.tenant_id, workflow_key)
    return _answer(
        view, id, workflow_key, days, () if view.read(RETENTION, id).days == days else (RetentionSet(days, workflow_key),)
    )


def remove(view: View, id: UUID, reason: str | None = None) -> Decided:
    """What is in the archive stays there. The result is what the policy was. Raises NotFound."""
    policy = view.read(RETENTION, id)
    if policy.days is None:
        raise NotFound
    return _answer(view, id, policy.workflow_key, policy.days, (RetentionRemoved(policy.workflow_key, reason),))


def days_of(view: View, workflow_key: str) -> int | None:
    """After how many days a finished execution of this workflow is archived; None: never."""
    own = view.read(RETENTION, retention_id_of(view.tenant_id, workflow_key)).days
    return view.read(RETENTION, retention_id_of(view.tenant_id, None)).days if own is None else own


def _answer(view: View, id: UUID, workflow_key: str | None, days: int, events: tuple[RetentionEvent, ...]) -> Decided:
    result: Json = {"id": str(id), "workflow_key": workflow_key, "days": days, "version": view.version(id) + len(events)}
    return Decided(tuple(Fact(id, event) for event in events), result=result)

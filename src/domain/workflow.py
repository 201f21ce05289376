"""A workflow: a draft definition and the published versions that executions pin."""

from dataclasses import dataclass, field, replace
from typing import Literal, assert_never
from uuid import UUID

from rpds import HashTrieMap

from domain.facts import Aggregate, Event, Json


@dataclass(frozen=True)
class WorkflowDrafted(Event):
    """The first one creates the workflow. `definition` is the whole JSON as given (contract: definition)."""

    key: str
    name: str
    definition: Json
    description: str | None = None
    created_by: UUID | None = None


@dataclass(frozen=True)
class WorkflowPublished(Event):
    """`number` counts 1, 2, 3…; the definition is repeated so that a version stands alone."""

    number: int
    definition: Json
    note: str | None = None
    published_by: UUID | None = None


@dataclass(frozen=True)
class WorkflowArchived(Event):
    reason: str | None = None


WorkflowEvent = WorkflowDrafted | WorkflowPublished | WorkflowArchived


@dataclass(frozen=True)
class Workflow:
    status: Literal["absent", "draft", "active", "archived"] = "absent"
    key: str = ""
    draft: Json = None
    """The draft as last saved; None once it is published and until it is changed again."""
    published_version: int | None = None
    versions: HashTrieMap[int, Json] = field(default_factory=HashTrieMap)
    """Published definitions by number."""


def evolve(state: Workflow, event: WorkflowEvent) -> Workflow:
    match event:
        case WorkflowDrafted():
            status: Literal["draft", "active"] = "draft" if state.published_version is None else "active"
            return replace(state, status=status, key=event.key, draft=event.definition)
        case WorkflowPublished():
            return replace(
                state,
                status="active",
                draft=None,
                published_version=event.number,
                versions=state.versions.insert(event.number, event.definition),
            )
        case WorkflowArchived():
            return replace(state, status="archived")
        case _:
            assert_never(event)


WORKFLOW: Aggregate[Workflow] = Aggregate(
    "workflow", Workflow(), evolve, (WorkflowDrafted, WorkflowPublished, WorkflowArchived)
)

"""A workflow: a draft definition and the published versions that executions pin."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, assert_never
from uuid import UUID

from rpds import HashTrieMap

from domain.facts import (
    Aggregate,
    Claim,
    Decided,
    Event,
    EventType,
    Fact,
    FieldError,
    Invalid,
    Json,
    NotFound,
    RuleViolation,
    View,
)
from domain.names import require_slug, require_text
from domain.wording import because

WORKFLOW_KEY = "workflow.key"
"""The scope of the claims on workflows' keys."""


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


@dataclass(frozen=True)
class WorkflowRestored(Event):
    reason: str | None = None


WorkflowEvent = WorkflowDrafted | WorkflowPublished | WorkflowArchived | WorkflowRestored


@dataclass(frozen=True)
class Workflow:
    status: Literal["absent", "draft", "active", "archived"] = "absent"
    key: str = ""
    draft: Json = None
    """The draft as last saved; None once it is published and until it is changed again."""
    published_version: int | None = None
    versions: "HashTrieMap[int, Json]" = field(default_factory=HashTrieMap)
    """Published definitions by number."""


def evolve(state: Workflow, event: WorkflowEvent) -> Workflow:
    match event:
        case WorkflowDrafted():
            return replace(state, status=_open_status(state), key=event.key, draft=event.definition)
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
        case WorkflowRestored():
            return replace(state, status=_open_status(state))
        case _:
            assert_never(event)


def _open_status(state: Workflow) -> Literal["draft", "active"]:
    return "draft" if state.published_version is None else "active"


WORKFLOW: Aggregate[Workflow] = Aggregate(
    "workflow",
    Workflow(),
    evolve,
    (
        EventType(
            WorkflowDrafted,
            "workflow.drafted.v1",
            lambda e, _: f"A draft of the workflow {e.key} was saved.",
            tags=lambda e, _: (e.key,),
            note="The first one creates the workflow.",
        ),
        EventType(
            WorkflowPublished,
            "workflow.published.v1",
            lambda e, workflow: f"Version {e.number} of the workflow {workflow.name} was published.",
            note="`number` counts 1, 2, 3…; the definition stands in full.",
        ),
        EventType(
            WorkflowArchived,
            "workflow.archived.v1",
            lambda e, workflow: f"The workflow {workflow.name} was archived{because(e.reason)}.",
        ),
        EventType(
            WorkflowRestored,
            "workflow.restored.v1",
            lambda e, workflow: f"The workflow {workflow.name} was restored{because(e.reason)}.",
            note="It is as it was before it was archived.",
        ),
    ),
    "workflow",
)


class WorkflowExists(RuleViolation):
    """A workflow with this id exists already."""

    code = "workflow_exists"


class WorkflowIsArchived(RuleViolation):
    """The workflow is archived."""

    code = "workflow_archived"


class WorkflowNotArchived(RuleViolation):
    """The workflow is not archived."""

    code = "workflow_not_archived"


class KeyIsFixed(RuleViolation):
    """A workflow keeps the key it was created with."""

    code = "key_is_fixed"


class NothingToPublish(RuleViolation):
    """There is no draft that differs from the published version."""

    code = "nothing_to_publish"


class DefinitionRejected(Invalid):
    """The definition has faults; each names its node and path."""

    code = "definition_rejected"


@dataclass(frozen=True)
class Checked:
    """What was found in a definition. `errors` keep it from being published; `warnings` are told to its author."""

    errors: tuple[FieldError, ...] = ()
    warnings: tuple[FieldError, ...] = ()


Check = Callable[[Json], Checked]
"""The engine's lints."""
MOST_WARNINGS = 100
"""In the answer to publishing; validating tells all."""


def draft(view: View, workflow_id: UUID, definition: Json, by: UUID | None = None) -> Decided:
    """Create a workflow with its first draft. A draft may be unfinished, but it has a key and a name."""
    if view.read(WORKFLOW, workflow_id).status != "absent":
        raise WorkflowExists
    event = _drafted(definition, by)
    claims = (Claim(WORKFLOW_KEY, event.key, workflow_id, "/definition/key"),)
    return _answer(view, workflow_id, Workflow(), event, claims)


def redraft(view: View, workflow_id: UUID, definition: Json, by: UUID | None = None) -> Decided:
    """Replace the draft of an existing workflow."""
    state = _open(view, workflow_id)
    event = _drafted(definition, by)
    if event.key != state.key:
        raise KeyIsFixed(path="/definition/key")
    return _answer(view, workflow_id, state, event)


def publish(view: View, workflow_id: UUID, check: Check, note: str | None = None, by: UUID | None = None) -> Decided:
    """Make the draft the next version; the result has what was warned of. Raises DefinitionRejected with all errors."""
    state = _open(view, workflow_id)
    if state.draft is None:
        raise NothingToPublish
    checked = check(state.draft)
    if checked.errors:
        raise DefinitionRejected(path="/definition", errors=checked.errors)
    number = (state.published_version or 0) + 1
    warnings = [{"path": each.path, "code": each.code, "message": each.message} for each in checked.warnings[:MOST_WARNINGS]]
    return _answer(view, workflow_id, state, WorkflowPublished(number, state.draft, note, by), warnings=warnings)


def archive(view: View, workflow_id: UUID, reason: str | None = None) -> Decided:
    """Archive a workflow: nothing new starts; running executions go on with their pinned version."""
    return _answer(view, workflow_id, _open(view, workflow_id), WorkflowArchived(reason))


def restore(view: View, workflow_id: UUID, reason: str | None = None) -> Decided:
    """Take an archived workflow back into use, as it was: with its draft and its published versions."""
    state = view.read(WORKFLOW, workflow_id)
    if state.status == "absent":
        raise NotFound
    if state.status != "archived":
        raise WorkflowNotArchived
    return _answer(view, workflow_id, state, WorkflowRestored(reason))


def _open(view: View, workflow_id: UUID) -> Workflow:
    state = view.read(WORKFLOW, workflow_id)
    if state.status == "absent":
        raise NotFound
    if state.status == "archived":
        raise WorkflowIsArchived
    return state


def _drafted(definition: Json, by: UUID | None) -> WorkflowDrafted:
    if not isinstance(definition, dict):
        raise Invalid("A definition must be an object.", "/definition")
    for name in ("key", "name"):
        if not isinstance(definition.get(name), str):
            raise Invalid(f"A definition needs a {name}, a string.", f"/definition/{name}")
    require_slug(definition["key"], "/definition/key")
    require_text(definition["name"], "/definition/name")
    description = definition.get("description")
    if description is not None and not isinstance(description, str):
        raise Invalid("description must be a string.", "/definition/description")
    return WorkflowDrafted(definition["key"], definition["name"], definition, description, by)


def _answer(
    view: View, workflow_id: UUID, state: Workflow, event: WorkflowEvent, claims: tuple[Claim, ...] = (), **more: Json
) -> Decided:
    after = evolve(state, event)
    result = {
        "id": str(workflow_id),
        "key": after.key,
        "status": after.status,
        "published_version": after.published_version,
        "version": view.version(workflow_id) + 1,
        **more,
    }
    return Decided((Fact(workflow_id, event),), claims, result=result)

"""What a log has in it, whatever its format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

Kind = Literal["execution", "node", "request", "decision", "ai"]
KINDS: tuple[Kind, ...] = ("execution", "node", "request", "decision", "ai")
Transition = Literal["start", "complete", "ate_abort", "pi_abort", "suspend", "resume", "schedule"]
"""Of the standard model of XES's lifecycle extension. ate_abort: it failed; pi_abort: it was cancelled."""
ObjectType = Literal["execution", "workflow", "approval_request", "ai_task", "user", "model", "business_object"]
Value: TypeAlias = str | int | float | bool | datetime


class Link(NamedTuple):
    """An object that an event, or another object, has to do with, and how."""

    type: ObjectType
    id: str
    qualifier: str


@dataclass(frozen=True)
class Change:
    """An attribute of an object that is another from this event on."""

    type: ObjectType
    id: str
    name: str
    value: Value


@dataclass(frozen=True)
class Thing:
    """An object as it is when it is first heard of."""

    type: ObjectType
    id: str
    attributes: Mapping[str, Value] = field(default_factory=dict)
    links: Sequence[Link] = ()


@dataclass(frozen=True)
class Entry:
    """An event of a log. `instance`: what pairs the beginning of an activity with its end."""

    id: UUID
    position: int
    activity: str
    transition: Transition
    kind: Kind
    at: datetime
    instance: str
    resource: str
    role: str | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)
    links: Sequence[Link] = ()
    things: Sequence[Thing] = ()
    """Objects that it brings about, or is the first to speak of."""
    changes: Sequence[Change] = ()


@dataclass(frozen=True)
class Case:
    """An execution; or an approval request, or an AI task, that is of none. `attributes`: its search attributes."""

    type: ObjectType
    id: UUID
    workflow_id: UUID | None = None
    workflow_key: str | None = None
    version: int | None = None
    number: int | None = None
    business_key: str | None = None
    status: str | None = None
    parent_id: UUID | None = None
    shares_key: bool = False
    """Whether others have the same business key: it is taken again when its execution is over, and in other workflows."""
    attributes: Mapping[str, Value] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What people call it, which no other case is called; of those without a business key, the id."""
        if self.business_key is None:
            return str(self.id)
        return f"{self.business_key} ({self.workflow_key} {self.number})" if self.shares_key else self.business_key

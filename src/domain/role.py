"""A role: a named set of permissions of a tenant. Rules name roles by key."""

from dataclasses import dataclass, replace
from typing import assert_never

from domain.facts import Aggregate, Event


@dataclass(frozen=True)
class RoleCreated(Event):
    key: str
    name: str
    permissions: tuple[str, ...]
    description: str | None = None
    is_system: bool = False


@dataclass(frozen=True)
class RoleChanged(Event):
    name: str
    permissions: tuple[str, ...]
    description: str | None = None


@dataclass(frozen=True)
class RoleDeleted(Event):
    key: str


RoleEvent = RoleCreated | RoleChanged | RoleDeleted


@dataclass(frozen=True)
class Role:
    exists: bool = False
    key: str = ""
    name: str = ""
    description: str | None = None
    permissions: frozenset[str] = frozenset()
    is_system: bool = False


def evolve(state: Role, event: RoleEvent) -> Role:
    match event:
        case RoleCreated():
            return Role(True, event.key, event.name, event.description, frozenset(event.permissions), event.is_system)
        case RoleChanged():
            return replace(
                state, name=event.name, description=event.description, permissions=frozenset(event.permissions)
            )
        case RoleDeleted():
            return Role()
        case _:
            assert_never(event)


ROLE: Aggregate[Role] = Aggregate("role", Role(), evolve, (RoleCreated, RoleChanged, RoleDeleted))

"""The people of a test: members with roles, managers and attributes, and who stands in for whom."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid5

from domain import delegation, member, profile
from domain.delegation import Kind
from domain.facts import Claim, Decided, Event, Fact, Json, View
from domain.member import MEMBER, MemberAdded
from domain.role import ROLE, ROLE_KEY, RoleCreated, role_id_of
from engine.delegating import require_condition
from engine.expressions import Evaluator
from testkit.world import TENANT_ID, World

EVERYBODY = "testkit-member"
"""A role that all of them have: in a test everybody may decide whom a request asks."""
MAY = ("approvals:decide",)


@dataclass(frozen=True)
class Member:
    """A member. `roles`: keys; `manager`: the name of whom they report to."""

    roles: Sequence[str] = ()
    manager: str | None = None
    attributes: Mapping[str, Json] = field(default_factory=dict)


def user_id(name: str | None) -> UUID | None:
    """Of a person of the test: a name stands for the same id everywhere, an id for itself."""
    if name is None:
        return None
    try:
        return UUID(name)
    except ValueError:
        return uuid5(TENANT_ID, name)


class People:
    """Those of a world. With none, whoever acts has the roles that the test says they have."""

    def __init__(self, world: World, people: Mapping[str, Member]) -> None:
        self._world = world
        self.names: dict[UUID, str] = {self.id(name): name for name in people}
        if people:
            world.do(lambda _view: self._begun(people))
            for name, one in people.items():
                self.change(name, {"manager": one.manager, "attributes": one.attributes})

    def id(self, name: str) -> UUID:
        found = user_id(name)
        assert found is not None
        return found

    def known(self, name: str) -> UUID:
        """Raises ValueError where the test has no such person."""
        id = self.id(name)
        if id not in self.names:
            raise ValueError(
                f"There is no {name} among the people of this test, but: {', '.join(self.names.values()) or 'nobody'}."
            )
        return id

    def roles_of(self, id: UUID) -> frozenset[str]:
        state = self._world.read(MEMBER, id)
        keys = {self._world.read(ROLE, role_id).key for role_id in state.role_ids}
        return frozenset(keys - {EVERYBODY}) if state.active else frozenset()

    def is_active(self, id: UUID) -> bool:
        return self._world.read(MEMBER, id).active

    def change(self, name: str, changes: Mapping[str, Any]) -> None:
        """{roles, manager, attributes}, each in whole."""
        id, given = self.known(name), dict(changes)
        found: dict[str, Json] = {}
        if "roles" in given:
            self._world.do(lambda view: self._roles_created(view, given["roles"]))
            found["role_ids"] = self._role_ids(given["roles"])
        if "manager" in given:
            found["manager_id"] = None if given["manager"] is None else self.known(given["manager"])
        if "attributes" in given:
            found["attributes"] = dict(given["attributes"])
        self._world.do(lambda view: profile.change(view, id, found))

    def do(self, name: str, what: str) -> None:
        """suspend, reactivate or remove."""
        commands: Mapping[str, Callable[[View, UUID], Decided]] = {
            "suspend": member.suspend,
            "reactivate": member.reactivate,
            "remove": member.remove,
        }
        id = self.known(name)
        self._world.do(lambda view: commands[what](view, id))

    def delegate(
        self,
        giver: str,
        to: str,
        evaluator: Evaluator,
        *,
        kind: Kind,
        starts_at: datetime | None,
        ends_at: datetime | None,
        workflows: Sequence[str],
        condition: str | None,
        reason: str | None,
    ) -> str:
        if condition is not None:
            require_condition(evaluator, condition)
        from_id, to_id = self.known(giver), self.known(to)
        terms = (kind, starts_at, ends_at, tuple(workflows), condition, reason)
        return str(self._world.do(lambda view: delegation.give(view, from_id, to_id, *terms)).result["id"])

    def end_delegation(self, giver: str, id: str, by: str) -> None:
        ended = partial(delegation.end, from_user_id=self.known(giver), delegation_id=UUID(id), by=self.known(by))
        self._world.do(lambda view: ended(view))

    def _begun(self, people: Mapping[str, Member]) -> Decided:
        keys = [EVERYBODY, *dict.fromkeys(key for one in people.values() for key in one.roles)]
        facts: list[tuple[UUID, Event]] = [(_role_id(key), RoleCreated(key, key, MAY)) for key in keys]
        facts += [(self.id(name), MemberAdded(self.id(name), self._role_ids(one.roles), 1)) for name, one in people.items()]
        claims = tuple(Claim(ROLE_KEY, key, _role_id(key)) for key in keys)
        return Decided(tuple(Fact(stream, event) for stream, event in facts), claims=claims)

    def _roles_created(self, view: View, keys: Sequence[str]) -> Decided:
        new = [key for key in dict.fromkeys(keys) if view.owner(ROLE_KEY, key) is None]
        facts = tuple(Fact(_role_id(key), RoleCreated(key, key, MAY)) for key in new)
        return Decided(facts, claims=tuple(Claim(ROLE_KEY, key, _role_id(key)) for key in new))

    def _role_ids(self, keys: Sequence[str]) -> tuple[UUID, ...]:
        return tuple(_role_id(key) for key in dict.fromkeys((EVERYBODY, *keys)))


def _role_id(key: str) -> UUID:
    return role_id_of(TENANT_ID, key)

"""In whose place the caller may decide: of whom delegations lead to them now, and on which requests these hold.

Tables say who it may be; whether it is so is asked of the ledger, by the code that decisions go by (`engine.delegating`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from api.call import RequestContext
from api.loaded import Loaded, Looking
from api.queries.delegations import STOOD_IN_FOR
from api.reads import Question, Row
from domain import access
from domain.access import DeactivatedUser, NotAMember, SuspendedMember
from domain.delegation import MOST_PEOPLE, MOST_STEPS, way
from engine.delegating import DECIDE, way_to
from engine.engine import Engine

MOST_TOGETHER = 20
"""People whose requests are listed together with one's own. Those of others are listed by their id."""


@dataclass(frozen=True)
class Person:
    """Somebody for whom the caller stands in, and the keys of their roles."""

    id: UUID
    roles: frozenset[str]


@dataclass(frozen=True)
class Substitutes:
    """For whom `me` stands in."""

    me: UUID
    people: Sequence[Person]
    engine: Engine
    looking: Looking

    async def name(self, row: Row) -> UUID | None:
        """In whose name the caller decides on the request of a row: their own, before that of another. None: in nobody's.

        `row`: what is asked, `able`: who may, if it is they or the caller stands in for them, and `excluded`: who may not.
        """
        able = set(row["able"].split(","))
        if str(self.me) in able:
            return self.me
        for person in self.people:
            if str(person.id) in able and await self._stands_in(person.id, row):
                return person.id
        return None

    async def _stands_in(self, person: UUID, row: Row) -> bool:
        request = {name: row[name] for name in ("title", "priority", "context")}
        request |= {name: row[name] or "" for name in ("workflow_key", "node_id")}
        request["requested_by"] = None if row["requested_by"] is None else str(row["requested_by"])
        excluded = {UUID(one) for one in row["excluded"]}

        def asked(view: Loaded, _platform: Loaded) -> bool:
            return way_to(view, self.engine, request, person, self.me, excluded) is not None

        return await self.looking.ask(asked)


async def substitutes(call: RequestContext, wanted: UUID | str | None) -> Substitutes:
    """`wanted`: for this one alone; `nobody`; None: for all, as far as they are listed together."""
    me, clock = call.session.rights.user_id, call.services.clock
    assert me is not None
    now = clock.now()
    looking = Looking.at(call.services.handler, call.tenant_id, now)
    if wanted == "nobody":
        return Substitutes(me, (), call.services.engine, looking)
    params = {"tenant_id": call.tenant_id, "me": me, "now": now, "steps": MOST_STEPS, "most": MOST_PEOPLE}
    (rows,) = (await call.rows([Question(STOOD_IN_FOR, params, by_key=True)])).rows
    people: list[Person] = []
    for row in rows:
        if wanted in (None, row["person"]) and len(people) < MOST_TOGETHER:
            person = await looking.ask(partial(_person, id=row["person"], me=me))
            people += [] if person is None else [person]
    return Substitutes(me, tuple(people), call.services.engine, looking)


def _person(view: Loaded, platform: Loaded, id: UUID, me: UUID) -> Person | None:
    """None where nobody stands in for them: they may not decide themselves, or what they gave is of an earlier membership."""
    try:
        rights = access.standing(view, id, platform)
    except (NotAMember, SuspendedMember, DeactivatedUser):
        return None
    if not rights.allows(DECIDE) or way(view, id, me, lambda _: True) is None:
        return None
    return Person(id, rights.roles)


def named(me: UUID | None, roles: frozenset[str], people: Sequence[Person]) -> Mapping[tuple[str, str], list[UUID]]:
    """By each name by which the caller or one of these people is asked: who of them is. `me`: None where it is only for those."""
    found: dict[tuple[str, str], list[UUID]] = {}
    everybody = [*(() if me is None else (Person(me, roles),)), *people]
    for person in everybody:
        for name in (("user", str(person.id)), ("anyone", ""), *(("role", role) for role in sorted(person.roles))):
            found.setdefault(name, []).append(person.id)
    return found

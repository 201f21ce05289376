"""What an approval node asks, and whom, as its visit finds it: expressions evaluated, roles' members looked up."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from uuid import UUID

from domain.approval import Outcome, Voter
from domain.approval.events import COUNTED
from domain.approval.rules import RULES, WHOLE, weight_of
from domain.facts import Holders, Json, View
from domain.member import MEMBER
from domain.profile import manager_of
from domain.role import ROLE, ROLE_KEY
from engine.expressions import resolve
from engine.invalid import InvalidValue

if TYPE_CHECKING:
    from engine.nodes.kind import Visit
    from engine.own_asker import OwnAsker

    Asker: TypeAlias = Visit | OwnAsker

Named: TypeAlias = tuple[frozenset[UUID], frozenset[str], frozenset[UUID]]
"""Users, roles, and which of the users are asked as somebody's managers alone."""
REQUESTER = "requester"
LONGEST_ROLE = 63
"""Characters of a role's key: a longer name is nobody's, and the tables could not be searched by it."""
TOO_LONG = f"a role's key may have at most {LONGEST_ROLE} characters"
MOST_VOTERS = 5_000
"""People whose decisions one request, or one of its steps, may count where they are fixed when they are asked."""
MOST_LEVELS = 10
"""Of managers above somebody."""
LARGEST = 1_000_000
"""Of the numbers of a rule."""


@dataclass(frozen=True)
class Asks:
    """Who is asked by the whole: `by`, `exclude`; `fallback`: who is, where nobody else is there; `requester`: what becomes of
    the requester who is one of them."""

    by: Json = None
    exclude: Json = None
    fallback: Json = None
    requester: Literal["forbid", "skip", "escalate"] | None = None


class OnlyTheRequester(InvalidValue):
    """Nobody is asked but the requester, who is passed over."""


def outcomes_of(visit: "Asker", written: Iterable[Json], asks: Asks) -> tuple[Outcome, ...]:
    """An outcome's own `by` stands instead of that of the whole; who is excluded adds up. Raises OnlyTheRequester."""
    excluded = [asks.exclude or [], [REQUESTER] if asks.requester else []]
    known: dict[int, Named] = {}

    def named(by: Json) -> Named:
        """Most outcomes are for the same people, of whom there may be thousands: they are looked for once."""
        if id(by) not in known:
            known[id(by)] = _named_by(visit, by)
        return known[id(by)]

    return tuple(
        _outcome(visit, each, each.get("by", asks.by), [*excluded, each.get("exclude", [])], asks, named, number)
        for number, each in enumerate(written)
    )


def _outcome(
    visit: "Asker", written: Json, by: Json, exclude: Json, asks: Asks, named: Callable[[Json], Named], number: int
) -> Outcome:
    name, excluded, where = written["name"], _excluded(visit, exclude), f"/outcomes/{number}/by" if "by" in written else "/by"
    users, roles, managers = (frozenset[UUID](), frozenset[str](), frozenset[UUID]()) if by is None else named(by)
    fell_back, instead = False, frozenset[UUID]()
    if by is not None and asks.requester in ("skip", "escalate") and is_asked(visit.view, requester_of(visit), users, roles):
        if asks.requester == "escalate":
            instead = managers_of(visit.view, [requester_of(visit)], 1)
            users |= instead
        elif not anybody(visit.view, users, roles, excluded):
            raise OnlyTheRequester(f"nobody may choose {name} but the requester", where)
    if by is not None and asks.fallback is not None and not anybody(visit.view, users, roles, excluded):
        users, roles, managers = named(asks.fallback)
        fell_back, instead = True, frozenset()
    if by is not None and not users and not roles:
        raise InvalidValue(f"nobody may choose {name}: its `by` names neither users nor roles", where)
    if by is not None and not roles and users <= {*excluded}:
        raise InvalidValue(f"nobody may choose {name}: everybody whom its `by` names is excluded", where)
    return Outcome(
        name,
        written["kind"],
        tuple(sorted(users)),
        tuple(sorted(roles)),
        excluded,
        written.get("comment"),
        tuple(written.get("reasons", ())),
        written.get("form"),
        True if fell_back else None,
        written.get("proof"),
        written.get("means"),
        tuple(sorted(managers)) or None,
        tuple(sorted(instead)) or None,
    )


def _named_by(visit: "Asker", by: Json) -> Named:
    managers = frozenset[UUID]()
    users = {user_id(name) for name in names(resolve(by.get("users", []), visit.evaluator, visit.variables))}
    roles = {*names(resolve(by.get("roles", []), visit.evaluator, visit.variables))}
    if "expr" in by:
        for name in names(visit.evaluator.evaluate(by["expr"], visit.variables)):
            if is_user_id(name):
                users.add(UUID(name))
            else:
                roles.add(name)
    if "manager_of" in by:
        below = names(resolve(by["manager_of"], visit.evaluator, visit.variables))
        people = [requester_of(visit) if name == REQUESTER else user_id(name) for name in below]
        levels = levels_of(resolve(by.get("levels", 1), visit.evaluator, visit.variables))
        managers = managers_of(visit.view, people, levels) - users
        users |= managers
    if any(len(name) > LONGEST_ROLE for name in roles):
        raise InvalidValue(TOO_LONG)
    return frozenset(users), frozenset(roles), managers


def requester_of(visit: "Asker") -> UUID | None:
    return visit.requested_by


def _excluded(visit: "Asker", exclude: Json) -> tuple[UUID, ...]:
    found: set[UUID] = set()
    for name in names(resolve(exclude, visit.evaluator, visit.variables)):
        if name == REQUESTER:
            found.update(visit.requesters)
        else:
            found.add(user_id(name))
    return tuple(sorted(found))


def names(value: Json) -> Iterable[str]:
    """A text, or lists of texts within lists (an expression in a list may itself give a list)."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from names(item)
    else:
        raise InvalidValue("users and roles must be texts")


def is_user_id(name: str) -> bool:
    return _id(name) is not None


def user_id(name: str) -> UUID:
    found = _id(name)
    if found is None:
        raise InvalidValue(f"{name!r} is not a user's id")
    return found


def _id(name: str) -> UUID | None:
    try:
        found = UUID(name)
    except ValueError:
        return None
    return found if str(found) == name.lower() else None


def managers_of(view: View, people: Iterable[UUID | None], levels: int) -> frozenset[UUID]:
    """Who stands so many levels above each of them, where somebody does. Nobody, None, has no manager."""
    found = (manager_of(view, one, levels) for one in people if one is not None)
    return frozenset(one for one in found if one is not None)


def levels_of(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_LEVELS:
        raise InvalidValue(f"levels must be a whole number from 1 to {MOST_LEVELS}")
    return value


def is_asked(view: View, one: UUID | None, users: Collection[UUID], roles: Collection[str]) -> bool:
    """Whether somebody is one of the users, or an active member with one of the roles."""
    if one is None or one in users:
        return one is not None
    member = view.read(MEMBER, one)
    return member.active and any(view.read(ROLE, role_id).key in roles for role_id in member.role_ids)


def anybody(view: View, users: Iterable[UUID], roles: Iterable[str], excluded: Collection[UUID]) -> bool:
    """Whether an active member is among them who is not excluded."""
    if any(view.read(MEMBER, one).active for one in users if one not in excluded):
        return True
    return not set(roles_of_people(view, tuple(roles))) <= {*excluded}


# By which rule, and whose decisions it counts --------------------------------------------------------------------------


def rule_of(visit: "Asker", written: Json) -> Json:
    """The rule with its numbers and names as they are now."""
    found = dict(written)
    for name, schema in RULES[written["type"]].fields.items():
        if name not in written:
            continue
        if schema is WHOLE:
            found[name] = _whole(name, resolve(written[name], visit.evaluator, visit.variables))
        elif name == "veto":
            found[name] = [_as_known(each) for each in names(resolve(written[name], visit.evaluator, visit.variables))]
        elif name == "weights":
            found[name] = {_as_known(each): weight for each, weight in written[name].items()}
    return found


def _as_known(name: str) -> str:
    """A role's key as it is; a user's id as it is compared with, however it was written."""
    return name.lower() if is_user_id(name) else name


def _whole(name: str, value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST:
        raise InvalidValue(f"{name} of the rule must be a whole number from 1 to {LARGEST:,}")
    return value


def voters_of(view: View, rule: Json, outcomes: Iterable[Outcome], apart: Collection[UUID] = ()) -> tuple[Voter, ...]:
    """The people who may choose what the rule counts, as it is now, but for those who are kept `apart`.

    Raises InvalidValue where there are none, or too few.
    """
    asked = next(outcome for outcome in outcomes if outcome.kind in COUNTED)
    roles = roles_of_people(view, asked.roles)
    found = [_voter(rule, one, roles.get(one, ())) for one in sorted({*roles, *asked.users} - {*asked.exclude, *apart})]
    if not found:
        raise InvalidValue("nobody may decide: the roles that are asked have no active members but those who are excluded", "/by")
    if len(found) > MOST_VOTERS:
        raise InvalidValue(f"{len(found):,} people are asked; the most are {MOST_VOTERS:,}", "/by")
    quota, most = quota_of(rule, found), sum(voter.weight for voter in found) if "weights" in rule else len(found)
    if quota > most:
        raise InvalidValue(f"the rule wants {quota:,}, and all {len(found):,} people who are asked come to {most:,}", "/rule")
    return tuple(found)


def quota_of(rule: Json, voters: Iterable[Voter] | None) -> int:
    """How many approvals a rule asks for (of what weight)."""
    return RULES[rule["type"]].quota(rule, sum(1 for _ in voters or ()))


def roles_of_people(view: View, asked: Iterable[str]) -> Mapping[UUID, list[str]]:
    """By person: those of the roles that are asked that they have."""
    ids = {key: found for key in asked if (found := view.owner(ROLE_KEY, key)) is not None}
    holders = view.holders(frozenset(ids.values())) if ids else Holders()
    members = {one: view.read(MEMBER, one) for one in sorted(holders.changed)}
    people: dict[UUID, list[str]] = {}
    for key, role_id in ids.items():
        known = (one for one in holders.known.get(role_id, ()) if one not in members)
        changed = (one for one, member in members.items() if member.active and role_id in member.role_ids)
        for one in (*known, *changed):
            people.setdefault(one, []).append(key)
    return people


def people_of(view: View, roles: Iterable[str]) -> frozenset[UUID]:
    """The active members who have one of these roles."""
    return frozenset(roles_of_people(view, roles))


def _voter(rule: Any, one: UUID, roles: Iterable[str]) -> Voter:
    """In the role that counts most of those that they have."""
    best = max(roles, key=lambda role: weight_of(rule, one, role), default=None)
    stops = not {str(one), *roles}.isdisjoint(rule.get("veto", ()))
    return Voter(one, best, weight_of(rule, one, best), stops)


# Whom a level of an escalation asks -------------------------------------------------------------------------------------


def named_by(visit: "Asker", by: Json) -> tuple[frozenset[UUID], frozenset[str]]:
    """Users and roles. Raises InvalidValue and ExpressionError."""
    return _named_by(visit, by)[:2]


def voter_of(rule: Json, one: UUID, roles: Iterable[str]) -> Voter:
    return _voter(rule, one, roles)

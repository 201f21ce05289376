"""Delegations of a member's: who may decide approval requests in their place, from when to when, and which.

All of one member's are a stream of their own, whose id follows from the member's. An absence is a delegation that also says why
the member does not answer. Whoever stands in for somebody may pass it on by a delegation of their own; a way from one to the
other has three steps at most, and nobody is on it twice.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias, assert_never
from uuid import UUID, uuid5

from domain.facts import Aggregate, Decided, Event, EventType, Fact, FieldError, Invalid, NotFound, RuleViolation, View
from domain.member import MEMBER
from domain.wording import because

Kind: TypeAlias = Literal["delegation", "absence"]
Ending: TypeAlias = Literal["withdrawn", "returned", "expired"]
MOST_DELEGATIONS = 20
"""Of one member that have not ended."""
MOST_WORKFLOWS = 100
LONGEST_CONDITION = 2_000
MOST_STEPS = 3
"""From who is stood in for to who stands in."""
MOST_PEOPLE = 200
"""Who are looked at on the way."""


@dataclass(frozen=True)
class DelegationGiven(Event):
    """`from_term`, `to_term`: of which membership each of the two is. No end: until it is taken back.

    `workflows`: keys; none: whichever. `condition`: CEL over `request`; none: whatever is asked.
    """

    delegation_id: UUID
    from_user_id: UUID
    to_user_id: UUID
    kind: Kind
    starts_at: datetime
    ends_at: datetime | None = None
    workflows: tuple[str, ...] = ()
    condition: str | None = None
    reason: str | None = None
    from_term: int = 1
    to_term: int = 1


@dataclass(frozen=True)
class DelegationEnded(Event):
    """withdrawn: by the member or for them; returned: by who stood in; expired: its time was over, and it was cleared away."""

    delegation_id: UUID
    from_user_id: UUID
    to_user_id: UUID
    how: Ending
    reason: str | None = None


DelegationEvent = DelegationGiven | DelegationEnded


@dataclass(frozen=True)
class Delegation:
    id: UUID
    to: UUID
    starts_at: datetime
    ends_at: datetime | None
    workflows: tuple[str, ...]
    condition: str | None
    from_term: int
    to_term: int
    kind: Kind = "delegation"

    def in_force(self, moment: datetime) -> bool:
        return self.starts_at <= moment and not self.is_over(moment)

    def is_over(self, moment: datetime) -> bool:
        return self.ends_at is not None and self.ends_at <= moment

    def overlaps(self, starts_at: datetime, ends_at: datetime | None) -> bool:
        return (ends_at is None or self.starts_at < ends_at) and (self.ends_at is None or starts_at < self.ends_at)


@dataclass(frozen=True)
class Delegations:
    """Those of one member that were not taken back, in their order."""

    given: tuple[Delegation, ...] = ()


def evolve(state: Delegations, event: DelegationEvent) -> Delegations:
    match event:
        case DelegationGiven():
            about = event.workflows, event.condition, event.from_term, event.to_term, event.kind
            one = Delegation(event.delegation_id, event.to_user_id, event.starts_at, event.ends_at, *about)
            return replace(state, given=(*state.given, one))
        case DelegationEnded():
            return replace(state, given=tuple(one for one in state.given if one.id != event.delegation_id))
        case _:
            assert_never(event)


def _told(event: DelegationGiven) -> str:
    what = (
        "A member is away, and another stands in for them"
        if event.kind == "absence"
        else "A member delegated decisions to another"
    )
    return f"{what}{because(event.reason)}."


ENDED: dict[Ending, str] = {
    "withdrawn": "A delegation was taken back",
    "returned": "A member gave a delegation back",
    "expired": "A delegation is over",
}

DELEGATION: Aggregate[Delegations] = Aggregate(
    "delegation",
    Delegations(),
    evolve,
    (
        EventType(
            DelegationGiven,
            "delegation.given.v1",
            lambda e, _: _told(e),
            severity="warning",
            note="In the stream of the member's delegations. `workflows`: keys, none: all; `condition`: CEL over `request`.",
        ),
        EventType(
            DelegationEnded,
            "delegation.ended.v1",
            lambda e, _: f"{ENDED[e.how]}{because(e.reason)}.",
            note="`how`: withdrawn, returned by who stood in, or expired.",
        ),
    ),
    "approval",
)


class DelegationCycle(RuleViolation):
    """Who should stand in is stood in for, at that time, by the one whom they should stand in for."""

    code = "delegation_cycle"


class TooManyDelegations(RuleViolation):
    """There are too many delegations."""

    code = "too_many_delegations"


def delegations_of(tenant_id: UUID, user_id: UUID) -> UUID:
    """The stream of a member's delegations."""
    return uuid5(tenant_id, f"delegations:{user_id}")


def give(
    view: View,
    from_user_id: UUID,
    to_user_id: UUID,
    kind: Kind = "delegation",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    workflows: Collection[str] = (),
    condition: str | None = None,
    reason: str | None = None,
) -> Decided:
    """Have a member stand in for another. `condition` was checked before. What is over is cleared away."""
    stream = delegations_of(view.tenant_id, from_user_id)
    state, starts_at = view.read(DELEGATION, stream), starts_at or view.now
    _require_span(view.now, starts_at, ends_at)
    terms = _terms(view, from_user_id, to_user_id)
    over = [one for one in state.given if one.is_over(view.now)]
    if len(state.given) - len(over) >= MOST_DELEGATIONS:
        raise TooManyDelegations(f"A member may have {MOST_DELEGATIONS} delegations at a time.")
    if _leads_to(view, to_user_id, from_user_id, starts_at, ends_at):
        raise DelegationCycle(path="/to_user_id")
    given = DelegationGiven(
        view.new_id(),
        from_user_id,
        to_user_id,
        kind,
        starts_at,
        ends_at,
        tuple(sorted(set(workflows))),
        condition,
        reason,
        *terms,
    )
    ended = [DelegationEnded(one.id, from_user_id, one.to, "expired") for one in over]
    facts = tuple(Fact(stream, event) for event in (*ended, given))
    return Decided(facts, result=_result(given, view.version(stream) + len(facts), "given"))


def end(view: View, from_user_id: UUID, delegation_id: UUID, by: UUID | None, reason: str | None = None) -> Decided:
    """Take a delegation back, or give it back: that is what it is where `by` is who stands in."""
    stream = delegations_of(view.tenant_id, from_user_id)
    one = next((one for one in view.read(DELEGATION, stream).given if one.id == delegation_id), None)
    if one is None:
        raise NotFound
    ended = DelegationEnded(delegation_id, from_user_id, one.to, "returned" if by == one.to else "withdrawn", reason)
    return Decided((Fact(stream, ended),), result=_result(ended, view.version(stream) + 1, ended.how))


def way(
    view: View, person: UUID, substitute: UUID, applies: Callable[[Delegation], bool], barred: Collection[UUID] = ()
) -> tuple[UUID, ...] | None:
    """By whom it came that one may stand in for the other now: from the person to the substitute; None where they may not.

    The shortest way by delegations that are in force and apply. `barred`: who may not be on it.
    """
    ways: list[tuple[UUID, ...]] = [(person,)]
    seen = {person, *barred}
    for _ in range(MOST_STEPS):
        further: list[tuple[UUID, ...]] = []
        for passed in ways:
            for one in _in_force(view, passed[-1]):
                if one.to in seen or not _holds(view, passed[-1], one) or not applies(one):
                    continue
                if one.to == substitute:
                    return (*passed, substitute)
                seen.add(one.to)
                further.append((*passed, one.to))
            if len(seen) > MOST_PEOPLE:
                return None
        ways = further
    return None


def substitutes_of(view: View, person: UUID, applies: Callable[[Delegation], bool]) -> tuple[Delegation, ...]:
    """Those of somebody's delegations that hold now and apply, without what is passed on by who stands in."""
    return tuple(one for one in _in_force(view, person) if _holds(view, person, one) and applies(one))


def _in_force(view: View, person: UUID) -> Iterator[Delegation]:
    for one in view.read(DELEGATION, delegations_of(view.tenant_id, person)).given:
        if one.in_force(view.now):
            yield one


def _holds(view: View, person: UUID, one: Delegation) -> bool:
    """Whether both are active members, in the membership that it was given in."""
    giver, taker = view.read(MEMBER, person), view.read(MEMBER, one.to)
    return giver.active and taker.active and (giver.term, taker.term) == (one.from_term, one.to_term)


def _leads_to(view: View, begin: UUID, end: UUID, starts_at: datetime, ends_at: datetime | None) -> bool:
    """Whether delegations of these times lead from one to the other. Who is read is an expectation of the command."""
    ahead, seen = [begin], {begin}
    while ahead:
        for one in view.read(DELEGATION, delegations_of(view.tenant_id, ahead.pop())).given:
            if not one.overlaps(starts_at, ends_at) or one.to in seen:
                continue
            if one.to == end:
                return True
            seen.add(one.to)
            ahead.append(one.to)
        if len(seen) > MOST_PEOPLE:
            raise TooManyDelegations(f"Too many people would be stood in for: {MOST_PEOPLE} at most.", "/to_user_id")
    return False


def _require_span(now: datetime, starts_at: datetime, ends_at: datetime | None) -> None:
    if ends_at is not None and ends_at <= max(starts_at, now):
        raise Invalid("A delegation ends after it begins, and in the future.", "/ends_at")


def _terms(view: View, from_user_id: UUID, to_user_id: UUID) -> tuple[int, int]:
    giver, taker = view.read(MEMBER, from_user_id), view.read(MEMBER, to_user_id)
    faults = []
    if not giver.belongs:
        faults.append(FieldError("/from_user_id", "unknown", f"There is no member {from_user_id} here."))
    if not taker.active:
        faults.append(FieldError("/to_user_id", "unknown", f"There is no active member {to_user_id} here."))
    if from_user_id == to_user_id:
        faults.append(FieldError("/to_user_id", "oneself", "Nobody stands in for themselves."))
    if faults:
        raise Invalid(faults[0].message, faults[0].path, tuple(faults))
    return giver.term, taker.term


def _result(event: DelegationEvent, version: int, status: str) -> dict[str, object]:
    return {
        "id": str(event.delegation_id),
        "from_user_id": str(event.from_user_id),
        "to_user_id": str(event.to_user_id),
        "status": status,
        "version": version,
    }

"""Who stands in for whom, beside an independent search."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st

from domain import delegation, member
from domain.delegation import (
    DELEGATION,
    MOST_DELEGATIONS,
    Delegation,
    DelegationEnded,
    DelegationGiven,
    delegations_of,
    end,
    give,
    way,
)
from domain.facts import Fact
from domain.member import MemberAdded
from tests.given import MOMENT, TENANT_ID, Story, given

ANN, BOB, CEM, DEE, EVE, STRANGER = PEOPLE = tuple(UUID(int=number) for number in range(1, 7))
HOUR = timedelta(hours=1)


def staff(now: datetime = MOMENT) -> Story:
    return given([Fact(one, MemberAdded(one, (), 5)) for one in PEOPLE if one != STRANGER], now=now)


def handed(story: Story, giver: UUID, taker: UUID, **more: Any) -> Story:
    return story.when(lambda view: give(view, giver, taker, **more))


def may(story: Story, person: UUID, substitute: UUID, *barred: UUID, now: datetime | None = None) -> tuple[UUID, ...] | None:
    view = story.view if now is None else given(story.view.facts, now=now).view
    return way(view, person, substitute, lambda _: True, barred)


def test_who_was_given_it_stands_in_from_when_to_when() -> None:
    story = handed(staff(), ANN, BOB, kind="absence", starts_at=MOMENT + HOUR, ends_at=MOMENT + 2 * HOUR, reason="on leave")
    (event,) = (fact.event for fact in story.decided.facts)
    assert isinstance(event, DelegationGiven)
    assert (event.kind, event.reason, event.from_term, event.to_term) == ("absence", "on leave", 1, 1)
    assert may(story, ANN, BOB) is None
    assert may(story, ANN, BOB, now=MOMENT + HOUR) == (ANN, BOB)
    assert may(story, BOB, ANN, now=MOMENT + HOUR) is None
    assert may(story, ANN, BOB, now=MOMENT + 2 * HOUR) is None


def test_a_way_has_three_steps_at_most_and_the_shortest_is_taken() -> None:
    story = staff()
    for giver, taker in ((ANN, BOB), (BOB, CEM), (CEM, DEE), (DEE, EVE)):
        story = handed(story, giver, taker)
    assert may(story, ANN, DEE) == (ANN, BOB, CEM, DEE)
    assert may(story, ANN, EVE) is None
    assert may(handed(story, ANN, CEM), ANN, EVE) == (ANN, CEM, DEE, EVE)
    assert may(story, ANN, DEE, CEM) is None, "who is barred passes nothing on"


@pytest.mark.parametrize(
    ("giver", "taker", "more", "path"),
    [
        (ANN, ANN, {}, "/to_user_id"),
        (ANN, STRANGER, {}, "/to_user_id"),
        (STRANGER, ANN, {}, "/from_user_id"),
        (ANN, BOB, {"ends_at": MOMENT}, "/ends_at"),
        (ANN, BOB, {"starts_at": MOMENT + HOUR, "ends_at": MOMENT + HOUR}, "/ends_at"),
    ],
)
def test_what_is_no_delegation_is_refused(giver: UUID, taker: UUID, more: dict[str, Any], path: str) -> None:
    handed(staff(), giver, taker, **more).then_refused("invalid", path)


def test_who_is_stood_in_for_does_not_stand_in_at_that_time() -> None:
    story = handed(handed(staff(), ANN, BOB, ends_at=MOMENT + 2 * HOUR), BOB, CEM)
    handed(story, CEM, ANN).then_refused("delegation_cycle", "/to_user_id")
    handed(story, BOB, ANN).then_refused("delegation_cycle", "/to_user_id")
    assert may(handed(story, BOB, ANN, starts_at=MOMENT + 2 * HOUR), BOB, ANN, now=MOMENT + 2 * HOUR) == (BOB, ANN)


def test_it_ends_when_either_of_the_two_says_so() -> None:
    story = handed(staff(), ANN, BOB)
    id = UUID(story.result["id"])
    story.when(lambda view: end(view, ANN, id, BOB)).then(DelegationEnded(id, ANN, BOB, "returned"))
    gone = story.when(lambda view: end(view, ANN, id, ANN, "back")).then(DelegationEnded(id, ANN, BOB, "withdrawn", "back"))
    assert may(gone, ANN, BOB) is None
    gone.when(lambda view: end(view, ANN, id, ANN)).then_refused("not_found")
    story.when(lambda view: end(view, BOB, id, ANN)).then_refused("not_found")


@pytest.mark.parametrize("who", [ANN, BOB, CEM])
def test_who_is_suspended_or_leaves_gives_and_takes_nothing(who: UUID) -> None:
    story = handed(handed(staff(), ANN, BOB), BOB, CEM)
    assert may(story, ANN, CEM) == (ANN, BOB, CEM)
    away = story.when(lambda view: member.suspend(view, who))
    assert may(away, ANN, CEM) is None
    assert may(away.when(lambda view: member.reactivate(view, who)), ANN, CEM) == (ANN, BOB, CEM)
    back = story.when(lambda view: member.remove(view, who)).when(lambda view: member.add(view, who, (), 6))
    assert may(back, ANN, CEM) is None, "a delegation is of one membership"


def test_there_are_so_many_at_a_time_and_what_is_over_is_cleared_away() -> None:
    story = staff()
    for _ in range(MOST_DELEGATIONS):
        story = handed(story, ANN, BOB, ends_at=MOMENT + HOUR)
    handed(story, ANN, BOB).then_refused("too_many_delegations")
    later = handed(given(story.view.facts, now=MOMENT + HOUR), ANN, CEM)
    ended = [fact.event for fact in later.decided.facts if isinstance(fact.event, DelegationEnded)]
    assert [event.how for event in ended] == ["expired"] * MOST_DELEGATIONS
    assert len(later.view.read(DELEGATION, delegations_of(TENANT_ID, ANN)).given) == 1


@dataclass
class Company:
    """What happened, and what it comes to, kept apart from the aggregate."""

    story: Story
    given: dict[str, tuple[UUID, UUID, int, int | None]] = field(default_factory=dict)
    suspended: set[UUID] = field(default_factory=set)

    def links(self, hour: int) -> set[tuple[UUID, UUID]]:
        return {
            (giver, taker)
            for giver, taker, start, stop in self.given.values()
            if start <= hour and (stop is None or hour < stop) and not {giver, taker} & self.suspended
        }

    def may(self, person: UUID, substitute: UUID, hour: int, barred: set[UUID]) -> bool:
        links = self.links(hour)
        between = [one for one in PEOPLE if one not in {person, substitute, *barred}]
        ways = (path for count in range(3) for path in permutations(between, count))
        return any(all(link in links for link in zip((person, *path), (*path, substitute), strict=True)) for path in ways)


PERSON = st.sampled_from(PEOPLE[:5])
MOVES = st.one_of(
    st.tuples(st.just("give"), PERSON, PERSON, st.integers(0, 3), st.none() | st.integers(1, 5)),
    st.tuples(st.just("end"), st.integers(0, 9)),
    st.tuples(st.just("suspend"), PERSON),
    st.tuples(st.just("reactivate"), PERSON),
)


@settings(max_examples=60, deadline=None)
@forall(st.lists(MOVES, min_size=3, max_size=18), st.sets(PERSON, max_size=2))
def test_it_is_as_a_search_of_all_ways_says(moves: list[tuple[Any, ...]], barred: set[UUID]) -> None:
    company = Company(staff())
    for move in moves:
        _do(company, move)
    for hour in range(6):
        view = given(company.story.view.facts, now=MOMENT + hour * HOUR).view
        for person, substitute in permutations(PEOPLE[:5], 2):
            others = barred - {person, substitute}
            found = way(view, person, substitute, lambda _: True, others)
            assert (found is not None) == company.may(person, substitute, hour, others)
            assert found is None or len(set(found)) == len(found) <= delegation.MOST_STEPS + 1


def _do(company: Company, move: tuple[Any, ...]) -> None:
    story = company.story
    match move:
        case ("give", giver, taker, start, stop):
            ends_at = None if stop is None else MOMENT + stop * HOUR
            story = story.when(
                partial(give, from_user_id=giver, to_user_id=taker, starts_at=MOMENT + start * HOUR, ends_at=ends_at)
            )
            if story.refusal is None:
                company.given[story.result["id"]] = (giver, taker, start, stop)
        case ("end", number) if company.given:
            id, (giver, *_) = list(company.given.items())[number % len(company.given)]
            story = story.when(partial(end, from_user_id=giver, delegation_id=UUID(id), by=giver))
            del company.given[id]
        case ("suspend", who):
            story = story.when(partial(member.suspend, user_id=who))
            company.suspended.add(who)
        case ("reactivate", who):
            story = story.when(partial(member.reactivate, user_id=who))
            company.suspended.discard(who)
    company.story = story if story.refusal is None else story.then_refused(story.refusal.code)


def test_a_delegation_that_does_not_apply_leads_nowhere() -> None:
    story = handed(handed(staff(), ANN, BOB, workflows=["travel"]), BOB, CEM)

    def of_travel(one: Delegation) -> bool:
        return not one.workflows or "travel" in one.workflows

    assert way(story.view, ANN, CEM, of_travel) == (ANN, BOB, CEM)
    assert way(story.view, ANN, CEM, lambda one: not one.workflows) is None

"""Managers and attributes of members."""

from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st

from domain import member, profile
from domain.facts import Fact
from domain.member import MEMBER, Member, MemberAdded, MemberChanged, MemberReactivated, MemberRemoved, MemberSuspended, evolve
from tests.given import Story, given

ANN, BOB, CEM, DEE, STRANGER = (UUID(int=number) for number in range(1, 6))


def added(*people: UUID) -> list[Fact]:
    return [Fact(one, MemberAdded(one, (), 5)) for one in people]


def report(story: Story, who: UUID, to: UUID | None) -> Story:
    return story.when(lambda view: profile.change(view, who, {"manager_id": to}))


def line() -> Story:
    """Ann reports to Bob, Bob to Cem, Cem to Dee."""
    story = given(added(ANN, BOB, CEM, DEE))
    for who, to in ((ANN, BOB), (BOB, CEM), (CEM, DEE)):
        story = report(story, who, to)
    return story


def test_a_member_is_changed_in_what_is_named_and_keeps_the_rest() -> None:
    story = report(given(added(ANN, BOB)), ANN, BOB).then(MemberChanged(ANN, BOB, {}))
    story = story.when(lambda view: profile.change(view, ANN, {"attributes": {"cost_centre": "4711"}}))
    story.then(MemberChanged(ANN, BOB, {"cost_centre": "4711"}))
    assert story.result["manager_id"] == str(BOB)
    story.when(lambda view: profile.change(view, ANN, {"manager_id": BOB, "attributes": {"cost_centre": "4711"}})).then()
    report(story, ANN, None).then(MemberChanged(ANN, None, {"cost_centre": "4711"}))


def test_a_manager_is_a_member() -> None:
    report(given(added(ANN)), ANN, STRANGER).then_refused("invalid", "/manager_id")
    report(given(added(BOB)), ANN, BOB).then_refused("not_found")
    gone = given([*added(ANN, BOB), Fact(BOB, MemberRemoved(BOB))])
    report(gone, ANN, BOB).then_refused("invalid", "/manager_id")


@pytest.mark.parametrize("who", [ANN, BOB, CEM, DEE])
def test_nobody_is_above_themselves(who: UUID) -> None:
    report(line(), DEE, who).then_refused("manager_cycle", "/manager_id")


def test_a_line_has_an_end() -> None:
    people = [UUID(int=100 + number) for number in range(profile.LONGEST_LINE + 2)]
    chain = [Fact(low, MemberChanged(low, high, {})) for low, high in pairwise(people[1:])]
    story = given([*added(*people), *chain])
    report(story, people[0], people[2]).then(MemberChanged(people[0], people[2], {}))
    report(story, people[0], people[1]).then_refused("line_too_long", "/manager_id")


def test_who_is_not_active_is_passed_over_and_the_next_above_takes_their_place() -> None:
    def above(story: Story, levels: int = 1) -> UUID | None:
        return profile.manager_of(story.view, ANN, levels)

    story = line()
    assert [above(story, levels) for levels in (1, 2, 3, 4)] == [BOB, CEM, DEE, None]
    away = story.when(lambda view: member.suspend(view, BOB))
    assert [above(away, levels) for levels in (1, 2, 3)] == [CEM, DEE, None]
    gone = away.when(lambda view: member.remove(view, BOB))
    assert above(gone) == CEM
    report(gone, CEM, ANN).then_refused("manager_cycle")
    back = gone.when(lambda view: member.add(view, BOB, (), 6))
    assert (above(back), above(back, 2)) == (BOB, None)


def test_who_comes_back_begins_anew() -> None:
    events: list[Any] = [MemberAdded(ANN, (), 5), MemberChanged(ANN, BOB, {"a": 1}), MemberSuspended(ANN), MemberReactivated(ANN)]
    state = Member()
    for event in events:
        state = evolve(state, event)
    assert (state.manager_id, state.attributes) == (BOB, {"a": 1})
    for event in (MemberRemoved(ANN), MemberAdded(ANN, (), 6)):
        state = evolve(state, event)
    assert (state.manager_id, state.attributes, state.term) == (None, {}, 2)


@pytest.mark.parametrize(
    ("attributes", "path"),
    [
        ({"Cost centre": "1"}, "/attributes"),
        ({"a": ""}, "/attributes/a"),
        ({"a": "x" * 256}, "/attributes/a"),
        ({"a": None}, "/attributes/a"),
        ({"a": {"b": 1}}, "/attributes/a"),
        ({"a": [1]}, "/attributes/a"),
        ({"a": ["x"] * 51}, "/attributes/a"),
        ({"a": 2**63}, "/attributes/a"),
        ({"a": float("nan")}, "/attributes/a"),
        ({f"a{number}": 1 for number in range(51)}, "/attributes"),
    ],
)
def test_attributes_are_few_small_and_plain(attributes: dict[str, Any], path: str) -> None:
    story = given(added(ANN)).when(lambda view: profile.change(view, ANN, {"attributes": attributes}))
    story.then_refused("invalid", path)


PEOPLE = [ANN, BOB, CEM, DEE]


@settings(max_examples=200, deadline=None)
@forall(st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from([*PEOPLE, None, "leave", "return"])), max_size=25))
def test_lines_end_whatever_is_tried(tries: list[tuple[UUID, Any]]) -> None:
    story = given(added(*PEOPLE))
    for who, what in tries:
        if what == "leave":
            story = story.when(partial(member.remove, user_id=who))
        elif what == "return":
            story = story.when(partial(member.add, user_id=who, role_ids=(), platform_position=5))
        else:
            story = report(story, who, what)
        if story.refusal is not None:
            story = story.then_refused(story.refusal.code)
        for one in PEOPLE:
            above = [manager_id for manager_id, _ in profile.line_above(story.view, one)]
            assert one not in above
            assert len(above) < len(PEOPLE)
    assert isinstance(story.view.read(MEMBER, ANN), Member)

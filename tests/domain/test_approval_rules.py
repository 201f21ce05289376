"""Every rule against a count by brute force that shares no code with it: resolved when nothing can change it, and not before."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.approval import Outcome, Voter
from domain.approval.rules import RULES, Vote, are_fixed, outcome_of, weight_of

OFFERED = (Outcome("no", "reject"), Outcome("yes", "approve"), Outcome("pass", "other"), Outcome("redo", "changes"))
KIND = {"yes": "approve", "no": "reject", "pass": "other", "redo": "changes"}
Ballot = tuple[int, str]
"""A person, by number, and their answer."""


@dataclass(frozen=True)
class Election:
    """A rule as JSON, with the weights and vetoes of its people by their numbers."""

    rule: dict[str, Any]
    weights: tuple[int, ...]
    stopping: frozenset[int] = frozenset()

    @property
    def voters(self) -> tuple[Voter, ...]:
        return tuple(Voter(UUID(int=n), None, weight, n in self.stopping) for n, weight in enumerate(self.weights))

    def found(self, ballots: tuple[Ballot, ...]) -> str | None:
        """What the code says."""
        votes = [Vote(UUID(int=n), answer, KIND[answer], self.weights[n]) for n, answer in ballots]  # type: ignore[arg-type]
        return outcome_of(self.rule, OFFERED, votes, self.voters)

    # The count by brute force

    def certain(self, ballots: tuple[Ballot, ...]) -> str | None:
        """What all ways of going on until everybody has answered come to."""
        if self.rule["type"] in ("single", "first"):
            return ballots[0][1] if ballots else None
        if any(answer == "redo" for _, answer in ballots):
            return "redo"
        waiting = [n for n in range(len(self.weights)) if n not in dict(ballots)]
        if self.rule["type"] == "all_answer" and waiting:
            return None
        ends = set()
        for answers in product(("yes", "no", "pass"), repeat=len(waiting)):
            for order in (
                permutations(zip(waiting, answers, strict=True))
                if "rejections" in self.rule
                else [tuple(zip(waiting, answers, strict=True))]
            ):
                ends.add(self.final(ballots + tuple(order)))
                if len(ends) > 1:
                    return None
        return ends.pop()

    def final(self, ballots: tuple[Ballot, ...]) -> str:
        """What it comes to when all have answered, in this order."""
        yes = [n for n, answer in ballots if answer == "yes"]
        no = [n for n, answer in ballots if answer == "no"]
        match self.rule["type"]:
            case "unanimous":
                passed = set(yes) == set(range(len(self.weights)))
            case "majority":
                passed = len(yes) > len(self.weights) - len(yes)
            case "all_answer":
                passed = len(yes) > 0
            case "veto":
                passed = not self.stopping & set(no) and len(yes) >= self.rule.get("count", 1)
            case "multiple":
                passed = self._in_turn(ballots, [1] * len(self.weights), self.rule["count"])
            case "weighted":
                passed = self._in_turn(ballots, self.weights, self.rule["threshold"])
            case other:
                raise AssertionError(f"the rule {other} has no count by brute force")
        return "yes" if passed else "no"

    def _in_turn(self, ballots: tuple[Ballot, ...], counting: Any, wanted: int) -> bool:
        """Whichever is there first: enough for it, or enough against it, where the rule says how many that are."""
        for number in range(1, len(ballots) + 1):
            so_far = ballots[:number]
            if sum(counting[n] for n, answer in so_far if answer == "yes") >= wanted:
                return True
            if sum(counting[n] for n, answer in so_far if answer == "no") >= self.rule.get("rejections", float("inf")):
                return False
        return False


def elections(people: int) -> Iterator[Election]:
    ones = (1,) * people
    for simple in ("single", "first", "unanimous", "majority", "all_answer"):
        yield Election({"type": simple}, ones)
    for count in range(1, people + 1):
        yield Election({"type": "multiple", "count": count}, ones)
        for rejections in range(1, people + 1):
            yield Election({"type": "multiple", "count": count, "rejections": rejections}, ones)
        for stopping in range(1, people + 1):
            yield Election({"type": "veto", "count": count, "veto": ["x"]}, ones, frozenset(range(stopping)))
    yield Election({"type": "veto", "veto": ["x"]}, ones, frozenset((0,)))
    for weights in {tuple(range(people)), tuple(range(1, people + 1)), (3, *ones[1:])}:
        for threshold in range(1, sum(weights) + 1):
            yield Election({"type": "weighted", "threshold": threshold, "weights": {"x": 1}}, weights)
            yield Election({"type": "weighted", "threshold": threshold, "rejections": 2, "weights": {"x": 1}}, weights)


def agree(election: Election, ballots: tuple[Ballot, ...]) -> None:
    """Step by step, until it is resolved: nothing is decided after that."""
    for number in range(len(ballots) + 1):
        found, certain = election.found(ballots[:number]), election.certain(ballots[:number])
        assert found == certain, (election, ballots[:number])
        if found is not None:
            return
    assert len(ballots) < len(election.weights), f"all have answered, and it is open: {election}, {ballots}"


def test_there_is_a_count_for_every_rule() -> None:
    assert {election.rule["type"] for election in elections(2)} == set(RULES)


@pytest.mark.parametrize("people", [1, 2, 3])
def test_every_rule_with_any_order_of_answers_is_what_counting_all_ways_to_go_on_says(people: int) -> None:
    for election in elections(people):
        for order in permutations(range(people)):
            for answers in product(KIND, repeat=people):
                agree(election, tuple(zip(order, answers, strict=True)))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_so_it_is_with_more_people(data: st.DataObject) -> None:
    people = data.draw(st.integers(4, 5))
    election = data.draw(st.sampled_from([each for each in elections(people) if people < 5 or "rejections" not in each.rule]))
    order = data.draw(st.permutations(range(people)))
    answers = data.draw(st.lists(st.sampled_from(["yes", "no", "pass", "yes", "no", "redo"]), min_size=people, max_size=people))
    agree(election, tuple(zip(order, answers, strict=True)))


def votes(*answers: str) -> list[Vote]:
    return [Vote(UUID(int=n), answer, KIND[answer]) for n, answer in enumerate(answers)]  # type: ignore[arg-type]


def test_where_anybody_may_still_come_a_quota_stays_reachable_and_one_rejection_ends_it_unless_it_says_how_many() -> None:
    two = {"type": "multiple", "count": 2}
    assert outcome_of(two, OFFERED, votes("yes", "pass")) is None
    assert outcome_of(two, OFFERED, votes("yes", "yes")) == "yes"
    assert outcome_of(two, OFFERED, votes("yes", "no")) == "no"
    assert outcome_of({**two, "rejections": 2}, OFFERED, votes("yes", "no")) is None
    assert outcome_of({**two, "rejections": 2}, OFFERED, votes("no", "no")) == "no"


def test_of_several_outcomes_of_a_kind_the_one_with_most_votes_is_taken_and_of_equals_the_first_that_is_offered() -> None:
    offered = (Outcome("later", "approve"), Outcome("now", "approve"), Outcome("never", "reject"), Outcome("no", "reject"))
    voters = tuple(Voter(UUID(int=n)) for n in range(3))

    def came_to(rule: str, *answers: str) -> str | None:
        kinds = {outcome.name: outcome.kind for outcome in offered}
        cast = [Vote(UUID(int=n), answer, kinds[answer]) for n, answer in enumerate(answers)]
        return outcome_of({"type": rule}, offered, cast, voters)

    assert came_to("unanimous", "now", "later", "now") == "now"
    assert came_to("majority", "now", "later") == "later"
    assert came_to("unanimous", "no") == "no"
    assert came_to("all_answer", "no", "never", "no") == "no"


def test_a_person_s_weight_is_by_their_own_name_else_by_their_role_else_one() -> None:
    ann, rule = UUID(int=1), {"type": "weighted", "threshold": 2, "weights": {str(UUID(int=1)): 5, "boss": 3}}
    assert weight_of(rule, ann, "boss") == 5
    assert weight_of(rule, UUID(int=2), "boss") == 3
    assert weight_of(rule, UUID(int=2), "clerk") == weight_of(rule, UUID(int=2), None) == 1
    assert weight_of({"type": "single"}, ann, "boss") == 1


def test_rules_that_count_people_fix_them_and_others_do_where_they_say_so() -> None:
    assert {name for name in RULES if are_fixed({"type": name})} == {"unanimous", "majority", "veto", "all_answer"}
    assert are_fixed({"type": "multiple", "count": 1, "members": "at_start"})

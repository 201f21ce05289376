"""The rules by which decisions resolve an approval request. A new rule is a function and its line in `RULES`.

What they count: decisions of the kind `approve` are for it, those of the kind `reject` against it; one of the kind `other` is
neither, and its person has answered all the same. A decision of another kind (`changes`, `submit`, `withdraw`) ends the request,
whatever the rule. Each rule answers as soon as no further decision can change what it comes to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias
from uuid import UUID

from domain.approval.events import COUNTED, Outcome, OutcomeKind, Voter
from domain.facts import Json


@dataclass(frozen=True)
class Vote:
    """What one person decided, as rules see it."""

    user_id: UUID
    outcome: str
    kind: OutcomeKind = "other"
    weight: int = 1


@dataclass(frozen=True)
class Standing:
    """The votes so far, in their order, and whose may come yet. `voters`: None where anybody's may who is eligible then."""

    outcomes: tuple[Outcome, ...]
    votes: Sequence[Vote]
    voters: Sequence[Voter] | None = None

    @cached_property
    def open(self) -> tuple[Voter, ...]:
        """Who is yet to answer, where it is known."""
        answered = {vote.user_id for vote in self.votes}
        return tuple(voter for voter in self.voters or () if voter.user_id not in answered)

    def heads(self, kind: OutcomeKind) -> int:
        return sum(vote.kind == kind for vote in self.votes)

    def weight(self, kind: OutcomeKind) -> int:
        return sum(vote.weight for vote in self.votes if vote.kind == kind)

    def chosen(self, kind: OutcomeKind) -> str:
        """Of the outcomes of a kind, the one with the most votes (by weight); of equals the first that is offered."""
        offered = [outcome.name for outcome in self.outcomes if outcome.kind == kind]
        return max(offered, key=lambda name: sum(vote.weight for vote in self.votes if vote.outcome == name))

    def by_quota(self, quota: int, reached: int, reachable: int, against: int, enough_against: int | None) -> str | None:
        """Approved by a quota; rejected where that cannot be reached any more, or enough speak against it.

        Where nobody knows who may answer yet, it can always be reached: unless the rule says how many, one rejection is enough.
        """
        if reached >= quota:
            return self.chosen("approve")
        if self.voters is None:
            lost = against >= (enough_against or 1)
        else:
            lost = reached + reachable < quota or (enough_against is not None and against >= enough_against)
        return self.chosen("reject") if lost else None


Resolve: TypeAlias = Callable[[Json, Standing], str | None]
"""Given the rule as JSON and how things stand: the outcome, as soon as no further vote can change it."""


def single(_rule: Json, standing: Standing) -> str | None:
    """The first decision is the request's."""
    return standing.votes[0].outcome if standing.votes else None


def first(rule: Json, standing: Standing) -> str | None:
    """Several are asked, and the first response counts."""
    return single(rule, standing)


def multiple(rule: Json, standing: Standing) -> str | None:
    """`count` approvals."""
    approvals, rejections = standing.heads("approve"), standing.heads("reject")
    return standing.by_quota(rule["count"], approvals, len(standing.open), rejections, rule.get("rejections"))


def unanimous(_rule: Json, standing: Standing) -> str | None:
    """Everybody approves. Nobody is not everybody."""
    assert standing.voters is not None
    return standing.by_quota(len(standing.voters) or 1, standing.heads("approve"), len(standing.open), 0, None)


def majority(_rule: Json, standing: Standing) -> str | None:
    """More than half of those who are asked approve."""
    assert standing.voters is not None
    return standing.by_quota(len(standing.voters) // 2 + 1, standing.heads("approve"), len(standing.open), 0, None)


def weighted(rule: Json, standing: Standing) -> str | None:
    """Approvals of a weight of `threshold`."""
    reachable = sum(voter.weight for voter in standing.open)
    approvals, rejections = standing.weight("approve"), standing.weight("reject")
    return standing.by_quota(rule["threshold"], approvals, reachable, rejections, rule.get("rejections"))


def veto(rule: Json, standing: Standing) -> str | None:
    """`count` approvals, unless somebody who may stop it rejects; so all who may are waited for."""
    assert standing.voters is not None
    may_stop = {voter.user_id for voter in standing.voters if voter.veto}
    if any(vote.kind == "reject" and vote.user_id in may_stop for vote in standing.votes):
        return standing.chosen("reject")
    found = standing.by_quota(rule.get("count", 1), standing.heads("approve"), len(standing.open), 0, None)
    stopped = found == standing.chosen("reject")
    return found if stopped or not any(voter.veto for voter in standing.open) else None


def all_answer(_rule: Json, standing: Standing) -> str | None:
    """Everybody answers, and then one approval is enough."""
    if standing.open:
        return None
    return standing.chosen("approve" if standing.heads("approve") else "reject")


WHOLE: Json = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 1_000_000}, {"type": "string", "pattern": "^=[^=]"}]}
"""A number from 1, or an expression that comes to one."""
NAMES: Json = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": 1000}
WEIGHTS: Json = {
    "type": "object",
    "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
    "minProperties": 1,
    "maxProperties": 1000,
}


@dataclass(frozen=True)
class Rule:
    """A rule and what its JSON may say beside `type` and `members`. `needed`: what it must say.

    `counts`: whether it counts sides, so that it needs an outcome of the kind `approve` and one of the kind `reject`.
    `counts_people`: whether it goes by how many are asked, so that they are fixed when they are asked.
    """

    resolve: Resolve
    fields: Mapping[str, Json] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    counts: bool = True
    counts_people: bool = False
    quota: Callable[[Json, int], int] = lambda _rule, _asked: 1
    """How many approvals it asks for (of what weight), by how many are asked."""


RULES: Mapping[str, Rule] = {
    "single": Rule(single, counts=False),
    "first": Rule(first, counts=False),
    "multiple": Rule(multiple, {"count": WHOLE, "rejections": WHOLE}, ("count",), quota=lambda rule, _: rule["count"]),
    "unanimous": Rule(unanimous, counts_people=True, quota=lambda _, asked: asked),
    "majority": Rule(majority, counts_people=True, quota=lambda _, asked: asked // 2 + 1),
    "weighted": Rule(
        weighted,
        {"weights": WEIGHTS, "threshold": WHOLE, "rejections": WHOLE},
        ("weights", "threshold"),
        quota=lambda rule, _: rule["threshold"],
    ),
    "veto": Rule(
        veto, {"veto": NAMES, "count": WHOLE}, ("veto",), counts_people=True, quota=lambda rule, _: rule.get("count", 1)
    ),
    "all_answer": Rule(all_answer, counts_people=True),
}
"""By the `type` of a rule."""


def outcome_of(
    rule: Json, outcomes: tuple[Outcome, ...], votes: Sequence[Vote], voters: Sequence[Voter] | None = None
) -> str | None:
    """What the votes come to by a rule; None while that is open."""
    ending = next((vote.outcome for vote in votes if vote.kind not in COUNTED), None)
    return ending or RULES[rule["type"]].resolve(rule, Standing(outcomes, votes, voters))


def are_fixed(rule: Json) -> bool:
    """Whether the people whose decisions count are fixed when they are asked."""
    return bool(rule.get("members", "at_start" if RULES[rule["type"]].counts_people else "at_decision") == "at_start")


def weight_of(rule: Json, user_id: UUID, role: str | None) -> int:
    """What a person's decision counts: by their own name, else by that of the role in which they act, else one."""
    weights: Mapping[str, int] = rule.get("weights") or {}
    return weights.get(str(user_id), weights.get(role, 1) if role is not None else 1)

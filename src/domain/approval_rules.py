"""The rules by which decisions resolve an approval request. A new rule is a function and its line in `RULES`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from domain.facts import Json


@dataclass(frozen=True)
class Vote:
    """What one person decided, as rules see it."""

    user_id: UUID
    outcome: str


Resolve: TypeAlias = Callable[[Json, Sequence[Vote]], str | None]
"""Given the rule as JSON and the votes in their order: the outcome, as soon as no further vote can change it."""


def single(_rule: Json, votes: Sequence[Vote]) -> str | None:
    """The first decision is the request's."""
    return votes[0].outcome if votes else None


RULES: Mapping[str, Resolve] = {"single": single}
"""By the `type` of a rule."""


def outcome_of(rule: Json, votes: Sequence[Vote]) -> str | None:
    """What the votes come to by a rule; None while that is open."""
    return RULES[rule["type"]](rule, votes)

"""When a join closes a round, and whom that concerns.

A join keeps a queue per incoming edge and scope (edges from several handles of one node share one). The scope of a token that
waits is the innermost split on its path whose branches together reach all queues of the join; where there is none, the execution.
Splits that a join further out has reached into no longer count: their remaining tokens meet in the scopes around them, and are
looked at again. A token that has been sent towards a join waits there from that moment on, even if others arrive before it.

A round that cancels its losers takes them wherever they are: every live token of the scope that came down a branch leading to
the join (`engine.ways`). Of nested splits the innermost branch decides, so that a side branch of a losing branch that leads
elsewhere is untouched.
"""

from dataclasses import dataclass
from uuid import UUID

from domain.execution import Activation, Execution
from domain.tokens import Branch, Path, Token, branch_in
from engine.nodes.kind import JoinRule
from engine.plan import Plan
from engine.ways import Ways


@dataclass(frozen=True)
class Round:
    tokens: tuple[int, ...]
    swallowed: tuple[int, ...] = ()
    cancelled: tuple[Activation, ...] = ()
    """The running activations that hold some of the swallowed tokens."""
    scope: UUID | None = None


def close_round(plan: Plan, state: Execution, token: Token, join_rule: JoinRule) -> Round | None:
    """The round that this token's arrival closes, if it does."""
    join = token.target
    edges = state.waiting.get(join)
    if edges is not None and len(edges) < join_rule.need:
        return None  # there are no more queues with tokens than edges; most arrivals at a wide join need not look further
    scopes = Scopes(plan, state, join)
    scope, first = scopes.of(token.path), dict[int, int]()
    ids = state.tokens.keys() if edges is None else (each for of_edge in edges.values() for each in of_edge)
    for waiting in (state.tokens[each] for each in sorted(ids)):
        if waiting.target == join and waiting.edge is not None and scopes.of(waiting.path) == scope:
            first.setdefault(plan.queue_of[waiting.edge], waiting.id)
    if len(first) < join_rule.need:
        return None
    taken = tuple(sorted(first.values())[: join_rule.need])
    if not join_rule.cancels_losers:
        return Round(taken, scope=scope)
    ways = plan.ways_to(join)
    lost = [each.id for each in state.tokens.values() if each.id not in taken and _loses(ways, each.path, scope)]
    cancelled = [each for each in state.activations.values() if _loses(ways, each.path, scope)]
    lost += [held for activation in cancelled for held in activation.tokens]
    return Round(taken, tuple(sorted(lost)), tuple(sorted(cancelled, key=lambda each: each.order)), scope)


def regrouped(plan: Plan, before: Execution, after: Execution) -> list[int]:
    """The tokens that wait at joins in splits that have ended since: in the scopes around them a round may be complete."""
    if before.ended_splits is after.ended_splits:
        return []
    ended = {split for split in after.ended_splits if split not in before.ended_splits}
    if not ended:
        return []
    return sorted(
        token.id
        for token in after.tokens.values()
        if plan.types[token.target].join_rule is not None and any(branch.split in ended for branch in token.path)
    )


class Scopes:
    """The scopes of the tokens that wait at one join. Many tokens share few splits, so what is found is kept."""

    def __init__(self, plan: Plan, state: Execution, join: str) -> None:
        self._ways, self._state = plan.ways_to(join), state
        self._is_scope: dict[UUID, bool] = {}

    def of(self, path: Path) -> UUID | None:
        return next((branch.split for branch in reversed(path) if self._known(branch)), None)

    def _known(self, branch: Branch) -> bool:
        found = self._is_scope.get(branch.split)
        if found is None:
            found = branch.split not in self._state.ended_splits and self._ways.covers(branch.taken)
            self._is_scope[branch.split] = found
        return found


def _loses(ways: Ways, path: Path, scope: UUID | None) -> bool:
    if scope is not None and branch_in(path, scope) is None:
        return False
    return not path or ways.leads(path[-1].edges)

"""When a join closes a round, and whom that concerns.

A join keeps a queue per incoming edge and scope (edges from several handles of one node share one). The scope of a token that
waits is the innermost split on its path whose branches together reach all queues of the join; where there is none, the execution.
Splits that a join further out has reached into no longer count: their remaining tokens meet in the scopes around them.

A round that swallows takes its losers wherever they are: every live token of the scope that came down a branch leading to the
join. Of nested splits the innermost branch decides, so that a side branch of a losing branch that leads elsewhere is untouched.
"""

from dataclasses import dataclass
from uuid import UUID

from domain.execution import Activation, Execution
from domain.tokens import Branch, Path, Token, branch_in
from engine.nodes.kind import Gather
from engine.plan import Plan


@dataclass(frozen=True)
class Round:
    tokens: tuple[int, ...]
    swallowed: tuple[int, ...] = ()
    cancelled: tuple[Activation, ...] = ()
    """The running activations that hold some of the swallowed tokens."""
    scope: UUID | None = None


def close_round(plan: Plan, state: Execution, token: Token, gather: Gather) -> Round | None:
    """The round that this token's arrival closes, if it does."""
    scopes = Scopes(plan, state, token.target)
    join, scope = token.target, scopes.of(token.path)
    first: dict[int, int] = {}
    for waiting in sorted(state.tokens.values(), key=lambda each: each.id):
        if waiting.target == join and waiting.edge is not None and scopes.of(waiting.path) == scope:
            first.setdefault(plan.queue_of[waiting.edge], waiting.id)
    if len(first) < gather.need:
        return None
    taken = tuple(sorted(first.values())[: gather.need])
    if not gather.swallows:
        return Round(taken, scope=scope)
    lost = [each.id for each in state.tokens.values() if each.id not in taken and _loses(plan, each.path, scope, join)]
    cancelled = [each for each in state.activations.values() if _loses(plan, each.path, scope, join)]
    lost += [held for activation in cancelled for held in activation.tokens]
    return Round(taken, tuple(sorted(lost)), tuple(sorted(cancelled, key=lambda each: each.order)), scope)


class Scopes:
    """The scopes of the tokens that wait at one join. Many tokens share few splits, so what is found is kept."""

    def __init__(self, plan: Plan, state: Execution, join: str) -> None:
        self._plan, self._state, self._join = plan, state, join
        self._is_scope: dict[UUID, bool] = {}

    def of(self, path: Path) -> UUID | None:
        return next((branch.split for branch in reversed(path) if self._known(branch)), None)

    def _known(self, branch: Branch) -> bool:
        found = self._is_scope.get(branch.split)
        if found is None:
            found = branch.split not in self._state.ended_splits and self._plan.covers(branch.taken, self._join)
            self._is_scope[branch.split] = found
        return found


def _loses(plan: Plan, path: Path, scope: UUID | None, join: str) -> bool:
    if scope is not None and branch_in(path, scope) is None:
        return False
    return not path or plan.leads(path[-1].edges, join)

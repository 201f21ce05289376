"""What an interrupting outcome cancels: visits of other nodes, and tokens on their way there, that came down a sibling branch."""

from collections.abc import Iterable
from uuid import UUID

from domain.execution import Activation, Execution
from domain.tokens import Branch, Path, branch_in
from engine.plan import Plan


def interrupted_by(
    plan: Plan, state: Execution, activation: Activation, nodes: Iterable[str]
) -> tuple[tuple[int, ...], tuple[Activation, ...]]:
    """The tokens and the visits that are interrupted when `activation` ends.

    For each node they are looked for within the innermost split that has another branch than the visit's own leading to that
    node; where there is none, in the whole execution. What leads back to where a split began, and from there to the node, is no
    way to it.
    """
    tokens: list[int] = []
    visits: list[Activation] = []
    for node in nodes:
        scope = _scope(plan, state, activation.path, node)
        tokens += [token.id for token in state.tokens.values() if token.target == node and _is_within(token.path, scope)]
        visits += [
            each
            for each in state.activations.values()
            if each.node_id == node and each.id != activation.id and _is_within(each.path, scope)
        ]
    return tuple(sorted(tokens)), tuple(visits)


def _scope(plan: Plan, state: Execution, path: Path, node: str) -> UUID | None:
    graph, place = plan.graph, plan.graph.place[node]
    barred = {edge for branch in path for edge in graph.leaving[graph.ends[branch.taken[0]][0]]}

    def parts(branch: Branch) -> bool:
        others = [graph.ends[edge][1] for edge in branch.taken if edge not in branch.edges]
        return branch.split not in state.ended_splits and any(place in graph.reached_from(other, barred) for other in others)

    return next((branch.split for branch in reversed(path) if parts(branch)), None)


def _is_within(path: Path, scope: UUID | None) -> bool:
    return scope is None or branch_in(path, scope) is not None

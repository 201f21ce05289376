"""Tokens: where an execution is. A token travels an edge, is taken by an activation, and is replaced by those it sends on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from uuid import UUID

from rpds import HashTrieMap

Lineage: TypeAlias = "HashTrieMap[str, UUID]"
"""Node id → the activation that visited it last on the way to here."""


@dataclass(frozen=True)
class Branch:
    """The part of a split that a token lives in. Edges are indices in the definition."""

    split: UUID
    """The activation that sent on several tokens at once."""
    edges: tuple[int, ...]
    """The branches it came down: one, or several that a join has merged."""
    taken: tuple[int, ...]
    """All branches of the split."""


Path: TypeAlias = tuple[Branch, ...]
"""The splits a token lives in, outermost first."""


@dataclass(frozen=True)
class Token:
    id: int
    edge: int | None
    """The edge it travels; None for the first token, which stands at the start node."""
    target: str
    path: Path = ()
    lineage: Lineage = field(default_factory=HashTrieMap)


def branch_in(path: Path, split: UUID) -> int | None:
    """The place of a split in a path."""
    return next((place for place, branch in enumerate(path) if branch.split == split), None)


def inside(path: Path, scope: UUID | None) -> Path:
    """The splits of a path within a scope, which is one of its splits or, None, the execution."""
    if scope is None:
        return path
    place = branch_in(path, scope)
    return () if place is None else path[place + 1 :]


def merge_paths(paths: Sequence[Path], scope: UUID | None, swallowed: Iterable[Path], others_live: bool) -> Path:
    """The path of a join's token. It stays in the scope's split, its branches merged, while others live in that split."""
    if scope is None:
        return ()
    place = branch_in(paths[0], scope)
    assert place is not None, "a join takes tokens of its scope"
    outer = paths[0][:place]
    if not others_live:
        return outer
    merged = {edge for path in (*paths, *swallowed) for branch in path if branch.split == scope for edge in branch.edges}
    return (*outer, replace(paths[0][place], edges=tuple(sorted(merged))))

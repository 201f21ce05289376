"""Reachability between nodes, as bit sets: whether a branch leads to a join is asked at every round."""

from collections.abc import Mapping, Sequence


class Reach:
    """`a` reaches `b` where a path of edges leads from `a` to `b`; every node reaches itself."""

    def __init__(self, nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> None:
        self._place: Mapping[str, int] = {node: place for place, node in enumerate(nodes)}
        self._sets = _closure(len(nodes), [(self._place[source], self._place[target]) for source, target in edges])

    def reaches(self, source: str, target: str) -> bool:
        return bool(self._sets[self._place[source]] >> self._place[target] & 1)


def _closure(size: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    followers: list[list[int]] = [[] for _ in range(size)]
    for source, target in edges:
        followers[source].append(target)
    return [_reached_from(place, followers) for place in range(size)]


def _reached_from(start: int, followers: list[list[int]]) -> int:
    reached, open_places = 1 << start, [start]
    while open_places:
        for place in followers[open_places.pop()]:
            if not reached >> place & 1:
                reached |= 1 << place
                open_places.append(place)
    return reached

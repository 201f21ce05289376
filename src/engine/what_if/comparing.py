"""Whether an execution would have gone another way: its visits as they were, and as they are in a play, one after another.

A way is told by what nodes do that both versions have, and by where it leads from there. What one version alone has and what is
over at once, a `set` for one, is passed over: a node that was put on an edge is no other way. A node that waits is.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationStarted,
    ExecutionCancelled,
    ExecutionCompensating,
    ExecutionCompleted,
    ExecutionFailed,
)
from domain.facts import Json
from engine.definition import Node
from engine.nodes import BY_NAME
from engine.what_if.playing import Played
from engine.what_if.record import Key, PastExecution

Verdict = Literal["same", "other_output", "elsewhere", "undecided", "not_played"]
GIVEN_UP = "It would take longer, and of what was given up when it ended it is not known what would have come then."
WAITS: Mapping[str, Json] = {"what": "waits"}
STOPS = ("end", "fail")
"""Types of nodes that are no part of a way to another one."""


@dataclass
class Seen:
    """A visit. `what`: how it ended; None: it waits. `to`: where its tokens go, with their numbers."""

    key: Key
    type: str
    took: tuple[int, ...]
    number: int
    """Of the event by which it began."""
    what: Literal["left", "ended", "failed", "cancelled"] | None = None
    handle: str | None = None
    code: str | None = None
    message: str | None = None
    """Of an error."""
    to: tuple[tuple[int, str], ...] = ()


@dataclass
class Way:
    """`visits`: in the order in which they ended, those that wait last."""

    visits: list[Seen] = field(default_factory=list)
    status: str = "running"
    code: str | None = None
    output: Json = None

    @classmethod
    def of(cls, events: Iterable[object]) -> "Way":
        way, open = cls(), dict[UUID, Seen]()
        for number, event in enumerate(events):
            match event:
                case ActivationStarted(compensates=None):
                    open[event.activation_id] = Seen((event.node_id, event.visit), event.node_type, event.tokens, number)
                case ActivationCompleted() | ActivationFailed() | ActivationCancelled() if event.activation_id in open:
                    seen = open.pop(event.activation_id)
                    way.visits.append(seen)
                    _end(seen, event)
                case ExecutionCompensating(ends=ends, code=code):
                    way.status, way.code = ends, code
                    break
                case ExecutionCompleted(output=output):
                    way.status, way.output = "completed", output
                case ExecutionFailed(code=code):
                    way.status, way.code = "failed", code
                case ExecutionCancelled():
                    way.status = "cancelled"
                case _:
                    pass
        way.visits += open.values()
        return way

    def targets(self, passes: Callable[[str], bool]) -> dict[Key, Counter[str]]:
        """By visit: where it leads, past nodes that are passed over."""
        taken = {token: seen for seen in self.visits for token in seen.took}
        found: dict[Key, Counter[str]] = {}

        def beyond(seen: Seen, met: frozenset[Key]) -> Iterator[str]:
            for token, target in seen.to:
                after = taken.get(token)
                if passes(target) and after is not None and after.key[0] == target and after.key not in met:
                    yield from beyond(after, met | {after.key})
                else:
                    yield target

        for seen in self.visits:
            if not passes(seen.key[0]):
                found[seen.key] = Counter(beyond(seen, frozenset()))
        return found


def _end(seen: Seen, event: ActivationCompleted | ActivationFailed | ActivationCancelled) -> None:
    match event:
        case ActivationCompleted(handle=None):
            seen.what = "ended"
        case ActivationCompleted(handle=handle, moves=moves):
            seen.what, seen.handle, seen.to = "left", handle, tuple((move.token, move.target) for move in moves)
        case ActivationFailed(handle=None, error=error):
            seen.what, seen.code, seen.message = "failed", error.type, error.message
        case ActivationFailed(handle=handle, moves=moves, error=error):
            seen.what, seen.handle, seen.code, seen.message = "left", handle, error.type, error.message
            seen.to = tuple((move.token, move.target) for move in moves)
        case ActivationCancelled():
            seen.what = "cancelled"


@dataclass(frozen=True)
class Difference:
    """`key`: the visit at which it begins; None: the end of the execution, or its start. `taken`, `would`: what was, what would
    be: {what, handle?, to?, code?}. `what`: left, ended, failed, cancelled, waits, not_entered, not_started; of an execution also
    completed. `message`: of the error that would be."""

    key: Key | None
    taken: Mapping[str, Json]
    would: Mapping[str, Json]
    message: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Compared:
    verdict: Verdict
    difference: Difference | None
    ended: Mapping[str, Json]
    """How it ended: {status, code?}."""
    would_end: Mapping[str, Json]
    """The same; or {status: waiting, at}; or {status: unknown, at}: it depends on what comes there, and when."""
    why: str | None = None
    """Of what is undecided."""


def compare(past: PastExecution, played: Played, before: Mapping[str, Node]) -> Compared:
    """`before`: the nodes of the version that it ran by."""
    then, would = Way.of(record.event for record in past.events), Way.of(played.events)
    ended = _ended(then)
    if played.refused is not None:
        refused = Difference(None, {"what": "started"}, {"what": "not_started", "message": played.refused})
        return Compared("elsewhere", refused, ended, {"status": "not_started"})
    difference = _difference(then, would, played, before)
    would_end = _would_end(would, played)
    if difference is not None:
        return Compared("elsewhere", difference, ended, would_end)
    if played.unknown or played.stopped is not None or played.lost:
        return Compared("undecided", None, ended, would_end, played.stopped or next(iter(played.unknown.values()), GIVEN_UP))
    verdict: Verdict = "same" if then.output == would.output else "other_output"
    return Compared(verdict, None, ended, would_end)


def _ended(way: Way) -> dict[str, Json]:
    return {"status": way.status} | ({} if way.code is None else {"code": way.code})


def _would_end(way: Way, played: Played) -> dict[str, Json]:
    if way.status != "running":
        return {"status": "unknown", "at": sorted({node_id for node_id, _ in played.lost})} if played.lost else _ended(way)
    at = sorted({seen.key[0] for seen in way.visits if seen.what is None})
    return {"status": "unknown" if played.unknown or played.stopped is not None else "waiting", "at": at}


def _difference(then: Way, would: Way, played: Played, before: Mapping[str, Node]) -> Difference | None:
    now = played.nodes

    def passes(other: Mapping[str, Node], own: Mapping[str, Node]) -> Callable[[str], bool]:
        """Nodes that only one version has, and that are over at once."""
        return lambda node_id: not _is_shared(node_id, other, own) and _is_instant(own[node_id].type)

    targets_then, targets_now = then.targets(passes(now, before)), would.targets(passes(before, now))
    by_key = {seen.key: seen for seen in then.visits if seen.key in targets_then}
    reached = {seen.key: seen for seen in would.visits if seen.key in targets_now}
    unsure = _unsure(would, played)
    for key, seen in reached.items():
        taken, side = by_key.get(key), _side(seen, targets_now[key])
        if _outlasts(seen, taken, played):
            side = dict(WAITS)
        elif key in played.unknown or key in unsure:
            continue
        if seen.what is None and taken is not None and taken.what == "cancelled" and (played.unknown or played.lost):
            continue  # somebody else may yet have it cancelled
        if taken is None:
            return Difference(key, {"what": "not_entered"}, side, seen.message)
        if (was := _side(taken, targets_then[key])) != side:
            return Difference(key, was, side, seen.message)
    if played.unknown or played.stopped is not None or played.lost:
        return None
    for key, seen in by_key.items():
        if key not in reached:
            return Difference(key, _side(seen, targets_then[key]), {"what": "not_entered"})
    if (then.status, then.code) != (would.status, would.code):
        return Difference(None, _whole(then), _whole(would))
    return None


def _outlasts(seen: Seen, taken: Seen | None, played: Played) -> bool:
    """Whether it was cancelled with others, and had come to nothing when it had ended by the record."""
    if seen.what != "cancelled" or taken is None or taken.what == "cancelled":
        return False
    certain = played.certain is None or seen.number < played.certain
    return certain and seen.key in played.lost and seen.key not in played.unknown


def _unsure(would: Way, played: Played) -> set[Key]:
    """Visits that may not be there, or that may end otherwise, once it is known when those end of which nothing is known: what
    is cancelled, what a join begins that does not wait for all, and what follows from that."""
    if played.certain is None:
        return set()
    unsure, tokens = set[Key](), set[int]()
    for seen in sorted(would.visits, key=lambda each: each.number):
        late = seen.number >= played.certain
        races = seen.type == "join" and played.nodes[seen.key[0]].config["mode"] != "all"
        if (late and (races or seen.what == "cancelled")) or not tokens.isdisjoint(seen.took):
            unsure.add(seen.key)
            tokens.update(token for token, _ in seen.to)
        elif seen.what == "cancelled":
            unsure.add(seen.key)
    return unsure


def _is_shared(node_id: str, one: Mapping[str, Node], other: Mapping[str, Node]) -> bool:
    return node_id in one and node_id in other and one[node_id].type == other[node_id].type


def _is_instant(type: str) -> bool:
    return not BY_NAME[type].waits and type not in STOPS


def _side(seen: Seen, to: Counter[str]) -> dict[str, Any]:
    if seen.what is None:
        return dict(WAITS)
    side: dict[str, Any] = {"what": seen.what}
    if seen.handle is not None:
        side |= {"handle": seen.handle, "to": sorted(to.elements())}
    if seen.code is not None:
        side["code"] = seen.code
    return side


def _whole(way: Way) -> dict[str, Json]:
    return dict(WAITS) if way.status == "running" else {"what": way.status} | ({} if way.code is None else {"code": way.code})

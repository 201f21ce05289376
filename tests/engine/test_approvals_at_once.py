"""Many approvals of an execution at once, in branches, loops and items, also of one node: each decision reaches its own visit.

Definitions are drawn at random; random people decide what is open, in any order. Each decision's comment names its request, and
what the nodes behind an approval see of it is the comment of the one that they come from.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

from domain.approval import Approval, ApprovalRequested, Decider
from domain.execution import ActivationCompleted, ExecutionCompleted
from domain.facts import Json, Refusal
from engine.engine import decide_approval
from tests.engine.approval_oracle import ANSWERS, Asked, Oracle, Person
from tests.engine.drawing import drawing
from tests.engine.items import Site, body

ROUNDS = int(os.environ.get("GESTA_TEST_BALLOTS", "20"))
PEOPLE = [UUID(int=0xB0 + number) for number in range(4)]
MOST_DECISIONS = 2_000
RULES: list[dict[str, Any]] = [
    {"type": "single"},
    {"type": "multiple", "count": 2, "members": "at_start"},
    {"type": "majority"},
    {"type": "unanimous"},
    {"type": "all_answer"},
]


@dataclass
class Drawer:
    """Draws a definition. A piece of it is (nodes, edges, where it begins, where it ends)."""

    random: Random
    asks: dict[str, tuple[dict[str, Any], list[int]]] = field(default_factory=dict)
    """By node: the rule, and who is asked."""
    ids: Iterator[int] = field(default_factory=count)

    def definition(self) -> Json:
        nodes, edges, first, last = self.piece(3, joined=False)
        return drawing({"start": "start", **nodes, "end": "end"}, f"start > {first}", *edges, f"{last} > end")

    def piece(self, depth: int, *, joined: bool) -> tuple[dict[str, Any], list[str], str, str]:
        kinds = ["ask"] if depth == 0 else ["ask", "chain", "fork", "each", "each"] + ["twice"] * (not joined)
        made: tuple[dict[str, Any], list[str], str, str] = getattr(self, self.random.choice(kinds))(depth - 1, joined=joined)
        return made

    def ask(self, _depth: int, *, joined: bool) -> tuple[dict[str, Any], list[str], str, str]:  # noqa: ARG002
        """An approval, and what is seen of it behind it. Once more, where changes are asked for."""
        number = next(self.ids)
        name, seen = f"ask{number}", f"seen{number}"
        self.asks[name] = self.random.choice(RULES), sorted(self.random.sample(range(len(PEOPLE)), 3))
        rule, people = self.asks[name]
        outcomes = [{"name": answer, "kind": kind} for answer, kind in ANSWERS.items()]
        config = {"title": name, "by": {"users": [str(PEOPLE[one]) for one in people]}, "rule": rule, "outcomes": outcomes}
        sees = {"comment": f"=nodes.{name}.output.comment", "outcome": f"=nodes.{name}.output.outcome"}
        edges = [*(f"{name}.{answer} > {seen}" for answer in ("yes", "no", "pass")), f"{name}.redo > {name}"]
        return {name: ("approval", config), seen: ("set", {"values": sees})}, edges, name, seen

    def chain(self, depth: int, *, joined: bool) -> tuple[dict[str, Any], list[str], str, str]:
        one, other = (self.piece(depth, joined=joined) for _ in range(2))
        return one[0] | other[0], [*one[1], f"{one[3]} > {other[2]}", *other[1]], one[2], other[3]

    def fork(self, depth: int, *, joined: bool) -> tuple[dict[str, Any], list[str], str, str]:  # noqa: ARG002
        one, other = (self.piece(depth, joined=True) for _ in range(2))
        number = next(self.ids)
        fork, join = f"fork{number}", f"join{number}"
        edges = [f"{fork} > {one[2]}", f"{fork} > {other[2]}", f"{one[3]} > {join}", f"{other[3]} > {join}"]
        nodes = {fork: ("set", {"values": {}}), join: ("join", {"mode": "all"})}
        return nodes | one[0] | other[0], [*edges, *one[1], *other[1]], fork, join

    def twice(self, depth: int, *, joined: bool) -> tuple[dict[str, Any], list[str], str, str]:
        """Two tokens come to the same nodes."""
        nodes, edges, first, last = self.piece(depth, joined=joined)
        number = next(self.ids)
        fork, left, right = (f"{each}{number}" for each in ("fork", "left", "right"))
        edges = [*edges, f"{fork} > {left}", f"{fork} > {right}", f"{left} > {first}", f"{right} > {first}"]
        return dict.fromkeys((fork, left, right), ("set", {"values": {}})) | nodes, edges, fork, last

    def each(self, depth: int, *, joined: bool) -> tuple[dict[str, Any], list[str], str, str]:  # noqa: ARG002
        nodes, edges, first, _ = self.piece(depth, joined=False)
        name, begin = (f"{each}{next(self.ids)}" for each in ("each", "begin"))
        within = body({begin: ("set", {"values": {}}), **nodes}, f"{begin} > {first}", *edges)
        config = {"items": "=input.items", "body": within, "max_concurrency": self.random.choice([2, 10])}
        return {name: ("foreach", config)}, [], name, name


@dataclass
class Crowd:
    """Whoever is asked decides, now here, now there."""

    site: Site
    drawer: Drawer
    random: Random
    counted: dict[UUID, Oracle] = field(default_factory=dict)
    answered: dict[UUID, UUID] = field(default_factory=dict)
    """Who decided a request last."""
    most_of_a_node: int = 0

    @property
    def asked(self) -> dict[UUID, ApprovalRequested]:
        return {fact.stream_id: fact.event for fact in self.site.facts if isinstance(fact.event, ApprovalRequested)}

    def state(self, request_id: UUID) -> Approval:
        state: Approval = self.site.states[request_id]
        return state

    def everybody_decides(self) -> None:
        for _ in range(MOST_DECISIONS):
            self.compare()
            open_now = [each for each in self.counted if self.state(each).status == "pending"]
            if not open_now:
                return
            nodes = Counter(self.state(each).node_id for each in open_now)
            self.most_of_a_node = max(self.most_of_a_node, *nodes.values())
            self.decide(self.random.choice(open_now))
        raise AssertionError("it does not end")

    def decide(self, request_id: UUID) -> None:
        who, [answer] = self.random.randrange(len(PEOPLE)), self.random.choices(list(ANSWERS), [8, 4, 2, 1])
        expected, decider = self.counted[request_id].decide(who, answer, None, None, None), Decider(PEOPLE[who])
        refused: Refusal | None = None
        try:
            self.site.do(
                lambda view: decide_approval(view, self.site.engine, request_id, decider, outcome=answer, comment=str(request_id))
            )
        except Refusal as refusal:
            refused = refusal
        assert (refused is None) == expected, refused
        if refused is not None:
            return
        self.answered[request_id] = PEOPLE[who]
        self.site.work_off()

    def compare(self) -> None:
        """Nothing has become of any request but by the decisions on it."""
        for id, event in self.asked.items():
            if id not in self.counted:
                rule, people = self.drawer.asks[str(event.node_id)]
                self.counted[id] = Oracle({n: Person({"x"}) for n in range(len(PEOPLE))}, [Asked(rule, 1, frozenset(people), ())])
                self.counted[id].settle()
            state, oracle = self.state(id), self.counted[id]
            assert (state.status, state.resolution and state.resolution.outcome) == (oracle.status, oracle.outcome or None)
            counted = [(PEOPLE.index(each.user_id), each.outcome) for each in state.decisions]
            assert counted == [(vote.who, vote.answer) for vote in oracle.steps[0].votes]
            item = None if event.item_id is None else self.site.item(event.item_id).item
            assert event.item_index == (None if item is None else item.index)

    def every_visit_has_its_own(self) -> None:
        """An approval's visit has what came of its own request, and so does what is behind it, in the same item."""
        ended = {
            fact.event.activation_id: (fact.stream_id, fact.event)
            for fact in self.site.facts
            if isinstance(fact.event, ActivationCompleted)
        }
        wanted, seen = Counter[tuple[UUID, str, str, str]](), Counter[tuple[UUID, str, str, str]]()
        for id, event in self.asked.items():
            stream_id, visit = ended[event.activation_id]  # type: ignore[index]
            outcome, last = self.counted[id].outcome, self.answered[id]
            found = visit.output["comment"], visit.output["outcome"], visit.output["user_id"], visit.handle
            assert found == (str(id), outcome, str(last), outcome)
            assert event.item_id in (None, stream_id)
            if outcome != "redo":
                wanted[stream_id, str(event.node_id).removeprefix("ask"), str(id), outcome] += 1
        for stream_id, visit in ended.values():
            if visit.node_id.startswith("seen"):
                output = visit.output
                seen[stream_id, visit.node_id.removeprefix("seen"), output["comment"], output["outcome"]] += 1
        assert seen == wanted


def crowd(seed: int) -> Crowd:
    drawer = Drawer(Random(seed))
    site = Site(drawer.definition())
    one = Crowd(site, drawer, Random(seed))
    site.start({"items": ["a", "b", "c"]})
    one.everybody_decides()
    assert isinstance(site.end, ExecutionCompleted), (seed, site.end)
    one.every_visit_has_its_own()
    site.settled()
    return one


def test_they_never_mix_up() -> None:
    most, asked = zip(*((one.most_of_a_node, len(one.asked)) for one in map(crowd, range(ROUNDS))), strict=True)
    assert max(most) > 3, "several of a node were open at once"
    assert max(asked) > 20

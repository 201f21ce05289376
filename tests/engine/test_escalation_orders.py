"""Moments of approvals in any order with all that people do: each comes once, and the timers are those that the events say."""

from collections import Counter
from collections.abc import Callable
from random import Random
from uuid import UUID

import pytest

from domain.approval import (
    APPROVAL,
    ApprovalDecided,
    ApprovalEscalated,
    ApprovalOverdue,
    ApprovalReminded,
    ApprovalStepStarted,
    Decider,
)
from domain.envelope import Envelope, RecordedEvent
from domain.facts import Decided, Json, Timer, View
from engine.engine import (
    cancel,
    claim_approval,
    decide_approval,
    fire,
    pause,
    release_approval,
    resume,
    return_approval,
    revoke_decision,
)
from projections.own_approval_invariants import OwnApprovalInvariants
from store.topics import topic_of
from tests.engine.drawing import EXECUTION_ID
from tests.engine.people import CAT, COMPANY, DAN, request_id
from tests.engine.test_escalation import OFFICE, asked, found
from tests.given import MOMENT, TENANT_ID

OFFICE_TIME = {"calendar": "office", "duration": "PT3H"}
CONFIG: Json = {
    "title": "Please decide",
    "by": {"roles": ["boss"]},
    "exclude": [str(CAT)],
    "due_in": "P1D",
    "remind": [{"after": "PT1H"}, {"before_due": OFFICE_TIME}],
    "escalate": [
        {"after": OFFICE_TIME, "by": {"manager_of": "asked"}},
        {"after": "PT8H", "by": {"users": [str(CAT), str(DAN)]}, "replace": True},
        {"after": "P2D", "outcome": "rejected"},
    ],
}
STEP: Json = {
    "start_in": "PT1H",
    "escalate": [{"after_start_by": "PT1H", "by": {"roles": ["board"]}}],
    "remind": CONFIG["remind"],
}
STEPS: Json = [
    {"name": "a", **STEP, "due_in": "PT4H", "rule": {"type": "multiple", "count": 2}},
    {"name": "b", **STEP, "due_in": OFFICE_TIME, "parallel_with": "a", "rule": {"type": "unanimous"}},
    {"name": "c", "escalate": [{"after": "PT1H", "outcome": "approved"}]},
]
SHAPES = (CONFIG, {**CONFIG, "rule": {"type": "majority"}}, {**CONFIG, "steps": STEPS})
TURNS = 30


class Shuffled:
    """A request, and everything that may happen to it, by chance."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.play = asked(SHAPES[seed % len(SHAPES)], OFFICE, by=DAN)
        self.id = request_id(self.play)
        self.seen: dict[tuple[UUID, str], Timer] = {}

    def turn(self) -> None:
        self.seen |= {(timer.id, timer.purpose): timer for timer in self.play.story.timers.values()}
        happens = self.random.choice((self.comes, self.comes, self.comes_late, self.is_decided, self.is_changed, self.is_steered))
        before = self.play.story
        self.play.story = before.when(happens())
        if self.play.story.refusal is not None:
            self.play.story = before

    def comes(self) -> Callable[[View], Decided]:
        return self.firing(list(self.play.story.timers.values()) or list(self.seen.values()))

    def comes_late(self) -> Callable[[View], Decided]:
        """One that another process has fired, or that was set for a step that has been sent back to since."""
        return self.firing(list(self.seen.values()))

    def firing(self, timers: list[Timer]) -> Callable[[View], Decided]:
        timer = found(self.random.choice(timers))
        return lambda view: fire(view, self.play.engine, timer)

    def is_decided(self) -> Callable[[View], Decided]:
        who, outcome = self.random.choice(list(COMPANY)), self.random.choice(("approved", "approved", "rejected"))
        decider = Decider(who, COMPANY[who])
        return lambda view: decide_approval(view, self.play.engine, self.id, decider, outcome=outcome)

    def is_changed(self) -> Callable[[View], Decided]:
        who, engine = self.random.choice(list(COMPANY)), self.play.engine
        decider, step = Decider(who, COMPANY[who]), self.random.choice(("a", "b", "c", None))
        ways: tuple[Callable[[View], Decided], ...] = (
            lambda view: claim_approval(view, engine, self.id, decider, step=step),
            lambda view: release_approval(view, engine, self.id, None, step=step),
            lambda view: revoke_decision(view, engine, self.id, who, step=step),
            lambda view: return_approval(view, engine, self.id, decider, step=step or "a", comment="Again."),
        )
        return self.random.choice(ways)

    def is_steered(self) -> Callable[[View], Decided]:
        engine, ways = self.play.engine, (pause, resume, resume, cancel)
        way = self.random.choice(ways if self.random.random() < 0.2 else ways[:3])
        return lambda view: way(view, engine, EXECUTION_ID)

    def check(self) -> None:
        invariants = OwnApprovalInvariants()
        for position, fact in enumerate(self.play.view.facts, 1):
            event = fact.event
            topic, who = topic_of(type(event)), Envelope("system")
            record = RecordedEvent(TENANT_ID, position, fact.stream_id, 1, topic, event, MOMENT, MOMENT, UUID(int=1), who, b"")
            invariants.see(record)
        assert {timer for timer, _, _ in invariants.timers()} == set(self.play.story.timers)
        came: Counter[object] = Counter()
        turn: Counter[int] = Counter()
        for event in self.play.view.events(self.id):
            match event:
                case ApprovalStepStarted():
                    turn[event.step] += 1
                case ApprovalReminded():
                    came["remind", event.step, event.number, turn[event.step]] += 1
                case ApprovalEscalated():
                    where = 0 if event.whole else event.step
                    came["escalate", where, event.level, event.step, turn[where]] += 1
                case ApprovalOverdue():
                    came[event.what, event.step, turn[event.step]] += 1
                case ApprovalDecided():
                    assert event.user_id != CAT, "who is excluded is so at every level"
                case _:
                    pass
        assert all(count == 1 for count in came.values()), came
        if self.play.view.read(APPROVAL, self.id).status != "pending":
            assert self.play.story.timers == {}


@pytest.mark.parametrize("seed", range(12))
def test_each_moment_comes_once_whatever_happens_and_no_timer_is_left_behind(seed: int) -> None:
    shuffled = Shuffled(seed)
    for _ in range(TURNS):
        shuffled.turn()
        shuffled.check()

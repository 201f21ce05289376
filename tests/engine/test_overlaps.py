"""Overlap policies against an oracle: a few lines that know nothing of streams, timers or decisions.

Hours pass, executions end, in any order; what was started, skipped and left waiting is the same.
"""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given, settings

from domain.trigger import QUEUE
from engine.triggers.overlap import POLICIES
from tests.engine.triggering import HOURLY, Playing, hour, waiting


@dataclass
class Oracle:
    """As one would say it: who runs, who waits, who was started."""

    policy: str
    runs: list[datetime] = field(default_factory=list)
    queue: list[datetime] = field(default_factory=list)
    started: list[datetime] = field(default_factory=list)
    skipped: list[datetime] = field(default_factory=list)
    last: datetime | None = None

    def hour(self, at: datetime) -> None:
        busy = self.last in self.runs or bool(self.queue)
        if self.policy == "cancel_other" and self.last in self.runs:
            self.runs.remove(self.last)
        if self.policy in ("allow", "cancel_other") or not busy:
            self.start(at)
        elif self.policy == "buffer_all" or (self.policy == "buffer_one" and not self.queue):
            self.queue.append(at)
        else:
            self.skipped.append(at)

    def end(self, at: datetime) -> None:
        self.runs.remove(at)
        if at == self.last and self.queue:
            self.start(self.queue.pop(0))

    def start(self, at: datetime) -> None:
        self.started.append(at)
        self.runs.append(at)
        self.last = at


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(POLICIES), st.lists(st.sampled_from(["hour", "hour", "end first", "end last", "late hour"]), max_size=14))
def test_any_run_of_hours_and_ends_comes_to_what_the_oracle_says(policy: str, steps: list[str]) -> None:
    place, oracle = Playing(waiting({**HOURLY, "overlap": policy, "catch_up": "P7D"}), hour(0.5)).tick(), Oracle(policy)
    now = 0
    for step in steps:
        live = place.live
        if step.endswith("hour"):
            now += 1
            place.tick()
            oracle.hour(hour(now))
        elif live:
            ended = live[0 if step == "end first" else -1]
            scheduled = dict(place.started)[ended].scheduled_at
            assert scheduled is not None
            place.end(ended)
            oracle.end(scheduled)
            for _ in [timer for timer in place.timers if timer.purpose == QUEUE]:
                place.queue()
        assert place.times == oracle.started
        assert sorted(str(dict(place.started)[id].scheduled_at) for id in place.live) == sorted(map(str, oracle.runs))
        assert [each.at for each in place.state().waiting] == oracle.queue
    assert [code for outcome, code in place.fired if outcome == "skipped"] == ["overlap"] * len(oracle.skipped)
    assert len(set(place.times)) == len(place.times)
    assert all(one < other for one, other in pairwise(sorted(map(str, place.times))))

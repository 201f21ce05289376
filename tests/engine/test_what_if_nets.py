"""Random definitions are played, and their records through their own versions again: each visit comes out as it did.

GESTA_TEST_NETS says how many definitions are played.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.envelope import RecordedEvent
from domain.facts import View
from engine.context import EngineLimits
from engine.what_if.comparing import Way
from tests.engine import playing
from tests.engine.past import past, recorded, through
from tests.engine.playing import Player
from tests.engine.playing_families import FamilyPlayer
from tests.engine.restarting import Ledger, Process
from tests.engine.test_restarts import SEEDS
from tests.engine.working_nets import WorkingDrawer
from tests.engine.working_simulator import WorkingSimulation
from tests.given import MOMENT


class KeptLedger(Ledger):
    """It knows which events came by one command."""

    def append(self, facts: Any) -> None:
        before = len(self.events)
        super().append(facts)
        if not hasattr(self, "commands"):
            self.commands: list[int] = []
        self.commands += [max(self.commands, default=0) + 1] * (len(self.events) - before)

    @property
    def records(self) -> list[RecordedEvent]:
        versions = Counter[UUID]()
        found = []
        for position, (each, command) in enumerate(zip(self.events, self.commands, strict=True), 1):
            versions[each.stream_id] += 1
            at = MOMENT + timedelta(seconds=command)
            found.append(recorded(position, each.stream_id, versions[each.stream_id], each.event, command, at))
        return found

    def view_at(self, position: int, now: datetime) -> View:
        process = Process(self.events[:position], self.claims, 0)
        process.now = now
        return process


class WorkingPlayer(Player):
    def drawn(self) -> tuple[WorkingSimulation, EngineLimits]:
        """A command's share is as large as is usual: what goes on by a job goes on at once where it is played again."""
        limits = EngineLimits(steps_per_execution=60)
        return WorkingSimulation(WorkingDrawer(self.seed).net(), 60, share=limits.steps_per_command), limits


def ends(way: Way) -> dict[Any, Any]:
    to = {seen.key: sorted(target for _, target in seen.to) for seen in way.visits}
    return {seen.key: (seen.type, seen.what, seen.handle, seen.code, to[seen.key]) for seen in way.visits}


def play_again(player: Player) -> str:
    player.play()
    ledger = player.ledger
    assert isinstance(ledger, KeptLedger)
    found = past(ledger.records)
    again, compared = through(found, ledger.view_at, limits=player.limits)
    then, now = Way.of(each.event for each in found.events), Way.of(again.events)
    note = f"definition {player.seed}: {player.log}\n{compared}\n{again.unknown} {again.stopped}"
    assert ends(then) == ends(now), note
    assert compared.verdict == "same", note
    assert (again.assumed, again.left_out) == ([], []), note
    return str(compared.ended["status"])


def test_what_is_played_through_its_own_version_comes_out_as_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "Ledger", KeptLedger)
    some = ((WorkingPlayer, 8), (FamilyPlayer, 8))
    seen = Counter(play_again(kind(seed)) for kind, least in some for seed in range(max(least, SEEDS // 10)))
    assert [each for each in ("completed", "failed", "cancelled") if not seen[each]] == []


def test_a_child_that_nobody_waits_for_and_that_nothing_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was begun, and no edge led on: that is no error of its own."""
    monkeypatch.setattr(playing, "Ledger", KeptLedger)
    assert play_again(FamilyPlayer(635)) == "failed"


def test_other_items_are_not_what_the_record_tells_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "Ledger", KeptLedger)
    verdicts = Counter[str]()
    for seed in range(6):
        player = FamilyPlayer(seed)
        player.play()
        ledger = player.ledger
        assert isinstance(ledger, KeptLedger)
        found = past(ledger.records)
        lists = {key[0] for key, visit in found.visits.items() if visit.started.node_type == "foreach" and visit.waited}
        nodes = [{**n, "config": {**n["config"], "items": [1]}} if n["id"] in lists else n for n in ledger.definition["nodes"]]
        if lists:
            verdicts[through(found, ledger.view_at, {**ledger.definition, "nodes": nodes}, player.limits)[1].verdict] += 1
    assert verdicts.keys() == {"undecided"}

"""The engine, killed after every step, does what an independent simulation of the contract does.

With work, models, calls, time, messages, pauses, interruptions and undoing; what comes too late is refused, or nothing.
GESTA_TEST_NETS says how many definitions are played; the same numbers draw the same ones.
"""

import os
from collections import Counter

import pytest

from tests.engine.playing import Player
from tests.engine.playing_families import FamilyPlayer

SEEDS = int(os.environ.get("GESTA_TEST_NETS", "100"))


WORTH = ["completed", "cancelled", "undone", "paused", "heard", "said", "found by looking back", "tried again", "timed out"]
TOGETHER = ["paused", "heard", "said", "tried again", "timed out", "list completed", "list failed", "child completed"]
BOTH = ["refused", "nothing"]


def play(player: type[Player], seeds: range) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        try:
            seen += player(seed).play()
        except AssertionError as error:
            error.add_note(f"definition {seed}")
            raise
    return seen


@pytest.mark.parametrize("part", range(2))
def test_an_engine_that_is_killed_after_every_step_does_what_the_contract_says(part: int) -> None:
    seen = play(Player, range(part, SEEDS, 2))
    assert [each for each in [*WORTH, "left off", *BOTH] if not seen[each]] == [], "the definitions are worth playing"


def test_a_timer_that_fires_for_an_item_that_is_given_up_is_gone_before_the_item() -> None:
    """As random ledgers found (tests/projections/random_logs.py)."""
    assert FamilyPlayer(3086773225).play()["nothing"]


@pytest.mark.parametrize("part", range(2))
def test_so_it_does_with_children_and_lists(part: int) -> None:
    """Many streams, each with its own events; a definition takes several times as long."""
    seen = play(FamilyPlayer, range(part, SEEDS // 3, 2))
    assert [each for each in [*TOGETHER, "list given up", *BOTH] if not seen[each]] == [], "the definitions are worth playing"


def test_a_child_that_ends_while_its_parent_is_given_up_tells_nobody() -> None:
    """Its parent is an item of a list that nobody waits for any more, and that a later command ends."""
    FamilyPlayer(810).play()


def test_an_item_that_a_pause_held_does_not_move_once_the_one_before_it_has_ended_their_list() -> None:
    FamilyPlayer(3435768692).play()

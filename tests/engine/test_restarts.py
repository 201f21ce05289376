"""The engine, killed after every step, does what an independent simulation of the contract does.

With work, models, calls, time, messages, pauses, interruptions and undoing; what comes too late is refused, or nothing.
GESTA_TEST_NETS says how many definitions are played; the same numbers draw the same ones.
"""

import os
from collections import Counter

import pytest

from tests.engine.playing import Player

SEEDS = int(os.environ.get("GESTA_TEST_NETS", "300"))


@pytest.mark.parametrize("part", range(4))
def test_an_engine_that_is_killed_after_every_step_does_what_the_contract_says(part: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(part, SEEDS, 4):
        try:
            seen += Player(seed).play()
        except AssertionError as error:
            error.add_note(f"definition {seed}")
            raise
    worth = ["completed", "cancelled", "undone", "paused", "heard", "said", "found by looking back"]
    worth += ["tried again", "timed out", "refused", "nothing", "left off"]
    assert [each for each in worth if not seen[each]] == [], "the definitions are worth playing"

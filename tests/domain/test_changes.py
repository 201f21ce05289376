"""Copies of states with some fields changed."""

from dataclasses import dataclass, replace

import pytest

from domain.changes import changed


@dataclass(frozen=True)
class State:
    name: str = "absent"
    steps: int = 0


def test_a_changed_copy_is_what_replace_makes_and_leaves_the_original_alone() -> None:
    before = State("running", 1)
    after = changed(before, steps=2)
    assert after == replace(before, steps=2)
    assert hash(after) == hash(replace(before, steps=2))
    assert before == State("running", 1)


def test_a_field_that_is_not_there_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="stpes"):
        changed(State(), stpes=2)  # type: ignore[call-arg]

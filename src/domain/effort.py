"""What one command may compute, and where.

Most of it is small, and done at once. What is larger is asked for: a decision does not wait, it is run again when the answer is
at hand (as with streams, see `View`). So an event loop is never held up by what a client sent, and whoever asks on a command's
behalf can put an end to it. Estimates are in units of some 25 ns: the comparison of two small values.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

UNITS_PER_SECOND = 40_000_000
SMALL = UNITS_PER_SECOND // 2_000
"""Done here whatever else the command has done: half a millisecond."""
HERE = UNITS_PER_SECOND // 100
"""Done here by one command before anything larger than SMALL is asked for."""
OVERDRAFT = UNITS_PER_SECOND // 10
"""Done here in small pieces beyond that."""
COMMAND = UNITS_PER_SECOND
"""For all that a command computes, wherever."""
ASKED = 8
"""Pieces of work of one command that others do."""

Work: TypeAlias = tuple[Any, ...]
"""A kind of work and what it needs, as plain data."""
Answer: TypeAlias = tuple[int, Any] | None
"""What it took, in units, and what came of it; None where it had to be stopped."""
Ask: TypeAlias = Callable[[Work, float], Answer]
"""Given the seconds of a processor that it may take."""
SECONDS = 1.0


class TooCostly(Exception):
    """It would take, or took, more than a command may compute."""

    def __init__(self) -> None:
        super().__init__("it takes more computing than one command may use")


@dataclass
class Effort:
    """Of one run of a decision. `ask`: where heavy work is done; None: here, as everything."""

    ask: Ask | None = None
    sizes: dict[int, tuple[Any, int]] = field(default_factory=dict)
    """By identity: values that were measured, and what was found. It may be kept from run to run."""
    here: int = HERE
    left: int = COMMAND
    asked: int = 0

    def is_light(self, units: int) -> bool:
        """Whether to do it here. If so it counts as done. Raises TooCostly."""
        if self.ask is not None and units > SMALL and units > self.here:
            return False
        self.here -= units
        self._spend(units)
        if self.ask is not None and self.here < -OVERDRAFT:
            raise TooCostly
        return True

    def elsewhere(self, work: Work, seconds: float = SECONDS, *, charged: bool = True) -> Any:
        """What came of work that is not light. Raises TooCostly, and passes on what `ask` raises while there is no answer.

        `charged`: it counts as the command's; else the seconds are all that bounds it.
        """
        assert self.ask is not None
        self.asked += 1
        if self.asked > ASKED:
            raise TooCostly
        answer = self.ask(work, seconds)
        if answer is None:
            self._spend(int(seconds * UNITS_PER_SECOND) // 2)
            raise TooCostly
        units, found = answer
        if charged:
            self._spend(units)
        return found

    @property
    def spent(self) -> bool:
        """Whether another command should go on from here, where that is possible."""
        return self.left < COMMAND * 3 // 4 or self.here < -OVERDRAFT // 4 or self.asked >= ASKED // 2

    def _spend(self, units: int) -> None:
        self.left -= units
        if self.left < 0:
            raise TooCostly

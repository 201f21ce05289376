"""How often something may be done: so often at once, then at a rate, for each key."""

from collections.abc import Hashable
from datetime import datetime
from typing import Generic, TypeVar

from runtime.clock import Clock

MOST_BUCKETS = 10_000

K = TypeVar("K", bound=Hashable)


class TokenBucket(Generic[K]):
    """`burst` at once, then `rate` a second."""

    def __init__(self, clock: Clock, *, rate: float, burst: int) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._levels: dict[K, tuple[float, datetime]] = {}

    def take(self, key: K) -> bool:
        """Whether it may be done once more, which is then counted."""
        level, now = self._level(key), self._clock.now()
        if len(self._levels) >= MOST_BUCKETS and key not in self._levels:
            self._levels.clear()  # forgetting is generous, and bounded
        self._levels[key] = (level - 1 if level >= 1 else level, now)
        return level >= 1

    def wait(self, key: K) -> float:
        """In how many seconds it may be done again; 0: now. Counts nothing."""
        return max(0.0, 1 - self._level(key)) / self._rate

    def _level(self, key: K) -> float:
        now = self._clock.now()
        level, since = self._levels.get(key, (float(self._burst), now))
        return min(self._burst, level + self._rate * max(0.0, (now - since).total_seconds()))

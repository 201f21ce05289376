"""How far a fold has come, told on standard error: one line that changes where somebody looks, one for each tenth elsewhere."""

import sys
import time

SECONDS = 0.2


class Progress:
    """Of one ledger, up to a position."""

    def __init__(self, name: str, total: int) -> None:
        self._name = name
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._shown = self._started
        self._tenth = 0

    def tell(self, events: int) -> None:
        """So many more are done."""
        self._done += events
        now, tenth = time.monotonic(), self._done * 10 // max(self._total, 1)
        if sys.stderr.isatty():
            if now - self._shown >= SECONDS:
                self._shown = now
                print(f"\r{self._words(now)}\x1b[K", end="", file=sys.stderr, flush=True)
        elif tenth > self._tenth and now - self._started > 10 * SECONDS:
            self._tenth = tenth
            print(self._words(now), file=sys.stderr, flush=True)

    def end(self) -> None:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _words(self, now: float) -> str:
        rate = self._done / max(now - self._started, 1e-9)
        left = max(self._total - self._done, 0) / max(rate, 1e-9)
        return f"{self._name}: {self._done:,} of {self._total:,} events, {rate:,.0f} a second, {left:,.0f} s left"

"""Refusals as evidence: what the rules or permissions refused is appended as command.refused, at a bounded rate."""

import logging
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from domain.facts import PermissionDenied, Refusal, RuleViolation
from domain.refusal import CommandRefused
from runtime.clock import Clock
from store.append import Entry, NewEvent
from store.codec import Codec, Unencodable, encode_envelope
from store.command import Command
from store.errors import StoreError
from store.topics import topic_of
from store.writer import Writer

log = logging.getLogger(__name__)

MOST_BUCKETS = 10_000


class TokenBucket:
    """`burst` at once, then `rate` a second, for each key."""

    def __init__(self, clock: Clock, *, rate: float, burst: int) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._levels: dict[UUID, tuple[float, datetime]] = {}

    def take(self, key: UUID) -> bool:
        now = self._clock.now()
        level, since = self._levels.get(key, (float(self._burst), now))
        level = min(self._burst, level + self._rate * max(0.0, (now - since).total_seconds()))
        if len(self._levels) >= MOST_BUCKETS and key not in self._levels:
            self._levels.clear()  # forgetting is generous, and bounded
        self._levels[key] = (level - 1 if level >= 1 else level, now)
        return level >= 1


class Evidence:
    """Appends refusals. Not for what is absent or malformed: that goes to logs and metrics only."""

    def __init__(
        self,
        writer: Writer,
        clock: Clock,
        new_id: Callable[[], UUID],
        codec: Codec,
        *,
        rate: float,
        burst: int,
        appended: Callable[[UUID], None],
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._new_id = new_id
        self._codec = codec
        self._bucket = TokenBucket(clock, rate=rate, burst=burst)
        self._appended = appended

    async def record(self, command: Command, refusal: Refusal) -> None:
        """Waits until it is appended. A refusal that cannot be recorded is logged: the caller is refused either way."""
        if not isinstance(refusal, RuleViolation | PermissionDenied):
            return
        details = {"action": "refuse", "tenant_id": str(command.tenant_id), "command": command.name, "code": refusal.code}
        if not self._bucket.take(command.tenant_id):
            log.warning("Too many refusals to record them all", extra=details)
            return
        try:
            outcome = await self._writer.submit(command.tenant_id, self._entry(command, refusal)).settled()
        except (StoreError, Unencodable) as error:
            log.error("A refusal was not recorded: %s", error, extra=details)
            return
        if outcome.verdict == "appended":
            self._appended(command.tenant_id)
        else:
            log.error("A refusal was not recorded: %s", outcome.error or outcome.reason, extra=details)

    def _entry(self, command: Command, refusal: Refusal) -> Entry:
        # An id of its own: under the command's own id a repetition that the rules allow by then would count as done.
        refusal_id = self._new_id()
        event = CommandRefused(command.name, refusal.code, refusal.message, command.resource, command.resource_id, refusal.path)
        # It was refused now, whenever the caller says that it happened: who may not backdate does not do so by being refused.
        new = NewEvent(refusal_id, topic_of(CommandRefused), self._clock.now(), self._codec.encode(event))
        return Entry(refusal_id, encode_envelope(command.envelope), (new,))

"""Refusals as evidence: what the rules or permissions refused is appended as command.refused, at a rate bounded by caller.

By caller, so that nobody's flood hides what somebody else was refused.
"""

import logging
from collections.abc import Callable
from uuid import UUID

from domain.facts import PermissionDenied, Refusal, RuleViolation
from domain.refusal import CommandRefused
from runtime.buckets import TokenBucket
from runtime.clock import Clock
from store.append import Entry, NewEvent
from store.codec import Codec, Unencodable, encode_envelope
from store.command import Command
from store.errors import StoreError
from store.topics import topic_of
from store.writer import Writer

log = logging.getLogger(__name__)

Source = tuple[UUID, str, str | None]
"""Whose refusals are counted together: a tenant's person, or its key of a service, whatever they do on behalf of whom."""


class RefusalLog:
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
        self._bucket: TokenBucket[Source] = TokenBucket(clock, rate=rate, burst=burst)
        self._appended = appended

    async def record(self, command: Command, refusal: Refusal) -> None:
        """Waits until it is appended. A refusal that cannot be recorded is logged: the caller is refused either way."""
        if not isinstance(refusal, RuleViolation | PermissionDenied):
            return
        details = {"action": "refuse", "command": command.name, "code": refusal.code, **_caller(command)}
        if not self._bucket.take(_source(command)):
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


def _source(command: Command) -> Source:
    envelope = command.envelope
    whose = str(envelope.user_id) if envelope.actor_type == "user" else envelope.actor_id
    return command.tenant_id, envelope.actor_type, whose


def _caller(command: Command) -> dict[str, str | None]:
    """Who was refused what, for the log."""
    envelope = command.envelope
    about = {"tenant_id": command.tenant_id, "resource": command.resource, "resource_id": command.resource_id}
    who = {"actor_type": envelope.actor_type, "actor_id": envelope.actor_id, "user_id": envelope.user_id}
    where = {"on_behalf_of": envelope.on_behalf_of, "ip": envelope.ip, "request_id": envelope.request_id}
    return {name: None if value is None else str(value) for name, value in {**about, **who, **where}.items()}

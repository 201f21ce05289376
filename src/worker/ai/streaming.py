"""The text of an answer while it comes, written down in pieces; without the key, however that is cut up."""

import logging
import time
from collections.abc import Callable
from hashlib import sha256
from uuid import UUID

from domain.ai_task import AiTaskRequested
from domain.redaction import Redaction
from domain.storable import storable_text
from store import ai_streams
from worker.context import OUT_OF_REACH, WorkerContext

log = logging.getLogger(__name__)

AT_MOST_EVERY = 0.1
"""Seconds from one piece to the next."""
LONGEST_FORM = 6
"""Times as long as a secret is the longest form in which somebody might repeat it."""


def is_streamed(requested: AiTaskRequested) -> bool:
    """What a guard looks at goes nowhere before it has."""
    guards = requested.guards
    return bool(requested.stream) and not (isinstance(guards, dict) and guards.get("output"))


class Streaming:
    """Of one attempt. Where the database is out of reach, the answer goes on without it."""

    def __init__(
        self,
        context: WorkerContext,
        tenant_id: UUID,
        task_id: UUID,
        attempt_id: UUID,
        secret: str | None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._of = (tenant_id, task_id, attempt_id)
        self._redaction = Redaction(() if secret is None else (secret,))
        self._hold = 0 if secret is None else LONGEST_FORM * len(secret.encode())
        self._pending = ""
        self._written = 0
        self._digest = sha256()
        self._last = monotonic()
        self._monotonic = monotonic

    async def told(self, text: str) -> None:
        self._pending += text
        if self._monotonic() - self._last >= AT_MOST_EVERY:
            await self._write(self._hold)

    async def finish(self) -> str | None:
        """SHA-256, in hex, of all that was written; None: nothing was."""
        await self._write(0)
        return self._digest.hexdigest() if self._written else None

    async def _write(self, hold: int) -> None:
        """All but so many characters: a secret may have begun in them."""
        told = self._redaction.text(self._pending)
        ready = told[: len(told) - hold] if hold else told
        self._pending = told[len(ready) :]
        piece = storable_text(ready[: max(ai_streams.MOST_CHARACTERS - self._written, 0)])
        self._last = self._monotonic()
        if not piece:
            return
        try:
            async with self._context.pool.connection() as connection:
                await ai_streams.write(connection, self._context.handler.codec, *self._of, piece)
        except OUT_OF_REACH as error:
            log.warning("A piece of an answer is not streamed: %s", error, extra={"action": "ai_stream"})
            return
        self._written += len(piece)
        self._digest.update(piece.encode())

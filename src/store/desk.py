"""The heavy work of one command: what was asked of others while it is decided, and what they answered."""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from domain.effort import UNITS_PER_SECOND, Answer, Effort, Work
from domain.facts import Decided, View
from runtime.aside import Aside, Busy, Stopped, plain
from store.errors import LedgerBusy
from store.view import DecisionView, Need

T = TypeVar("T")


class NeedAnswer(Need):
    """An answer is not at hand. `await need.fetch()`, then decide again."""

    def __init__(self, desk: "Desk", key: bytes, work: bytes, seconds: float) -> None:
        super().__init__()
        self._asked = desk, key, work, seconds

    async def fetch(self) -> None:
        """Raises LedgerBusy where too much is asked at the same time."""
        desk, key, work, seconds = self._asked
        await desk.fetch(key, work, seconds)


class Desk:
    """Runs of one decision ask here. Each of them mints the same ids, so that they ask the same questions."""

    def __init__(self, aside: Aside, tenant_id: UUID, new_id: Callable[[], UUID]) -> None:
        self._aside = aside
        self._tenant_id = tenant_id
        self._new_id = new_id
        self._ids: list[UUID] = []
        self._answers: dict[bytes, Answer] = {}
        self._sizes: dict[int, tuple[Any, int]] = {}

    def over(self, decide: Callable[[View], Decided]) -> Callable[[View], Decided]:
        """The decision, run with this desk at hand."""

        def run(view: View) -> Decided:
            if isinstance(view, DecisionView):
                view.effort = self.effort()
                view.number_by(self._numbers())
            return decide(view)

        return run

    async def compute(self, what: Callable[[Effort], T]) -> T:
        """What a function returns that has effort to make and decides nothing."""
        while True:
            try:
                return what(self.effort())
            except NeedAnswer as need:
                await need.fetch()

    def effort(self) -> Effort:
        return Effort(self._ask, self._sizes)

    def _ask(self, work: Work, seconds: float) -> Answer:
        data = plain(work)
        key = hashlib.blake2b(data, digest_size=16).digest()
        if key not in self._answers:
            raise NeedAnswer(self, key, data, seconds)
        return self._answers[key]

    async def fetch(self, key: bytes, work: bytes, seconds: float) -> None:
        try:
            took, found = await self._aside.do(self._tenant_id, work, seconds)
            self._answers[key] = int(took * UNITS_PER_SECOND), found
        except Stopped:
            self._answers[key] = None
        except Busy:
            raise LedgerBusy("too much heavy work is asked for") from None

    def _numbers(self) -> Callable[[], UUID]:
        made = 0

        def next_id() -> UUID:
            nonlocal made
            if made == len(self._ids):
                self._ids.append(self._new_id())
            made += 1
            return self._ids[made - 1]

        return next_id

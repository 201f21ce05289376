"""The view that a decision reads, and what it remembers of the reading."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias, TypeVar, cast
from uuid import UUID

from domain.effort import Effort
from domain.facts import Aggregate, Holders
from store.cache import StreamState

S = TypeVar("S")
StateOf: TypeAlias = Callable[[UUID], StreamState | None]
"""The tip of a stream, or None where it is not at hand."""
OwnerOf: TypeAlias = Callable[[str, str], tuple[bool, UUID | None]]
"""Whether the owner of a name is at hand, and the owner."""
HoldersOf: TypeAlias = Callable[[frozenset[UUID]], Holders | None]
"""Who has roles, or None where that is not at hand."""
CommittedOf: TypeAlias = Callable[[UUID], bool]
"""Whether the tip of a stream is in the ledger, and not only what commands under way will make of it."""


class Need(BaseException):
    """Something is not at hand. No decision may catch it: the caller fetches it and decides again."""


class NeedStream(Need):
    def __init__(self, stream_id: UUID, aggregate: Aggregate[object] | None) -> None:
        super().__init__(stream_id)
        self.stream_id = stream_id
        self.aggregate = aggregate


class NeedOwner(Need):
    def __init__(self, scope: str, name: str) -> None:
        super().__init__(scope, name)
        self.scope = scope
        self.name = name


class NeedHolders(Need):
    def __init__(self, role_ids: frozenset[UUID]) -> None:
        super().__init__(role_ids)
        self.role_ids = role_ids


class DecisionView:
    """A `domain.facts.View` for one run of one decision."""

    def __init__(
        self,
        tenant_id: UUID,
        now: datetime,
        new_id: Callable[[], UUID],
        tip_of: StateOf,
        owner_of: OwnerOf,
        committed_of: CommittedOf = lambda _: True,
        holders_of: HoldersOf = lambda _: None,
    ) -> None:
        self._tenant_id = tenant_id
        self._now = now
        self._new_id = new_id
        self._tip_of = tip_of
        self._owner_of = owner_of
        self._committed_of = committed_of
        self._holders_of = holders_of
        self.effort = Effort()
        self._fresh: set[UUID] = set()
        self.touched: dict[UUID, StreamState] = {}
        """Every stream that was read or is written, as it was found: the command's expectations."""
        self.names: dict[tuple[str, str], UUID | None] = {}
        """The names whose owner was asked for, and who that was."""

    @property
    def tenant_id(self) -> UUID:
        return self._tenant_id

    @property
    def now(self) -> datetime:
        return self._now

    def number_by(self, new_id: Callable[[], UUID]) -> None:
        """From now on ids come from there."""
        self._new_id = new_id

    def new_id(self) -> UUID:
        made = self._new_id()
        self._fresh.add(made)
        return made

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S:
        tip = self._touch(stream_id, cast("Aggregate[object]", aggregate))
        if tip.version == 0 and tip.aggregate is None:
            tip = self.touched[stream_id] = StreamState(aggregate=aggregate)
        return cast("S", tip.state_of(aggregate))

    def version(self, stream_id: UUID) -> int:
        return self._touch(stream_id, None).version

    def at_hand(self, stream_id: UUID) -> StreamState:
        """The stream as it was found."""
        return self._touch(stream_id, None)

    def committed(self, stream_id: UUID) -> bool:
        return stream_id in self.touched and self._committed_of(stream_id)

    def owner(self, scope: str, name: str) -> UUID | None:
        known, owner = self._owner_of(scope, name)
        if not known:
            raise NeedOwner(scope, name)
        self.names[scope, name] = owner
        return owner

    def holders(self, role_ids: frozenset[UUID]) -> Holders:
        found = self._holders_of(role_ids)
        if found is None:
            raise NeedHolders(role_ids)
        return found

    def minted(self, stream_id: UUID) -> bool:
        """Whether the decision made this id itself: nobody else can know the stream."""
        return stream_id in self._fresh

    def _touch(self, stream_id: UUID, aggregate: Aggregate[object] | None) -> StreamState:
        known = self.touched.get(stream_id)
        if known is not None and known.serves(aggregate):
            return known
        tip = known or self._tip_of(stream_id)
        if tip is None and stream_id in self._fresh:
            tip = StreamState()
        if tip is None or not tip.serves(aggregate):
            raise NeedStream(stream_id, aggregate)
        self.touched[stream_id] = tip
        return tip

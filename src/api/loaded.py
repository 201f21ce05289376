"""A view of streams that are loaded one by one, for questions that change nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from domain.effort import Effort
from domain.envelope import PLATFORM
from domain.facts import Aggregate, Holders
from runtime.ids import new_id
from store.handler import Handler

S = TypeVar("S")
T = TypeVar("T")


class Missing(Exception):
    """A stream that was not loaded yet."""

    def __init__(self, tenant_id: UUID, aggregate: Aggregate[Any], stream_id: UUID) -> None:
        self.tenant_id = tenant_id
        self.aggregate = aggregate
        self.stream_id = stream_id


@dataclass(frozen=True)
class Loaded:
    """A `domain.facts.View`, and an `access.Platform`."""

    tenant_id: UUID
    now: datetime
    streams: dict[UUID, tuple[Any, int]] = field(default_factory=dict)
    effort: Effort = field(default_factory=Effort)

    def new_id(self) -> UUID:
        return new_id()

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S:
        if stream_id not in self.streams:
            raise Missing(self.tenant_id, aggregate, stream_id)
        state: S = self.streams[stream_id][0]
        return state

    def version(self, stream_id: UUID) -> int:
        return self.streams[stream_id][1]

    def committed(self, stream_id: UUID) -> bool:  # noqa: ARG002
        return True

    def owner(self, scope: str, name: str) -> UUID | None:
        raise NotImplementedError(f"what is asked depends on no name ({scope} {name})")

    def holders(self, role_ids: frozenset[UUID]) -> Holders:
        raise NotImplementedError(f"what is asked depends on nobody else's roles ({role_ids})")


@dataclass(frozen=True)
class Looking:
    """Questions to a tenant's streams and the platform's, as of one moment of asking: each stream is read once."""

    handler: Handler
    view: Loaded
    platform: Loaded

    @classmethod
    def at(cls, handler: Handler, tenant_id: UUID, now: datetime) -> "Looking":
        return cls(handler, Loaded(tenant_id, now), Loaded(PLATFORM, now))

    async def ask(self, what: Callable[[Loaded, Loaded], T]) -> T:
        """Asked again, while a stream is missing. What it computes is bounded, and done elsewhere where it is much."""
        while True:
            try:
                return await self.handler.compute(
                    self.view.tenant_id, lambda effort: what(replace(self.view, effort=effort), self.platform)
                )
            except Missing as missing:
                loaded = self.platform if missing.tenant_id == PLATFORM else self.view
                loaded.streams[missing.stream_id] = await self.handler.read(
                    missing.tenant_id, missing.aggregate, missing.stream_id
                )

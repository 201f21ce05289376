"""What the platform's ledger says, for decisions in a tenant's: it cannot be an expectation there, so it is read just before."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from uuid import UUID

from domain.envelope import PLATFORM
from domain.facts import Aggregate
from store.handler import Handler

S = TypeVar("S")
T = TypeVar("T")
Stream = tuple[Aggregate[Any], UUID]


class NotInSnapshot(Exception):
    """A decision wants to know of the platform what was not read for it."""

    def __init__(self, aggregate: Aggregate[Any], stream_id: UUID) -> None:
        self.aggregate = aggregate
        self.stream_id = stream_id


@dataclass(frozen=True)
class PlatformSnapshot:
    """What the platform's ledger said when a command came in. An `access.Platform`."""

    states: dict[UUID, Any]

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S:
        if stream_id not in self.states:
            raise NotInSnapshot(aggregate, stream_id)
        return cast("S", self.states[stream_id])


async def deciding(handler: Handler, streams: set[Stream], command: Callable[[PlatformSnapshot], Awaitable[T]]) -> T:
    """Have a command decided, with these streams of the platform's ledger as they are now. What else it needs is added."""
    while True:
        platform = await _snapshot(handler, streams)
        try:
            return await command(platform)
        except NotInSnapshot as missing:  # the key has another owner by now, or the like
            streams.add((missing.aggregate, missing.stream_id))


async def _snapshot(handler: Handler, streams: set[Stream]) -> PlatformSnapshot:
    wanted = list(streams)
    found = await asyncio.gather(*(handler.read(PLATFORM, aggregate, stream_id) for aggregate, stream_id in wanted))
    return PlatformSnapshot({stream_id: state for (_, stream_id), (state, _version) in zip(wanted, found, strict=True)})

"""What the tests of the handler share: roles as the aggregate at hand, a clock that stands still, and a held head."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from domain.envelope import Envelope
from domain.facts import Decided, Event, Fact, NotFound, RuleViolation, View
from domain.role import ROLE, RoleChanged, RoleCreated
from runtime.aside import Aside
from store.append import Entry, NewEvent
from store.codec import JSON, encode_envelope
from store.command import Command
from store.handler import HEAVY, Handler, Tuning
from store.loader import Loader
from store.notifications.sending import Notifier
from store.queue import BatchLimits
from store.snapshots import Snapshots
from store.topics import topic_of
from store.writer import Writer
from tests.store.ledgers import append, connected, entry

PATIENCE = 60.0
SNAPSHOT_AT = 16
"""Events of a stream for a snapshot: few, so that tests have some."""
AT_HAND = 24
"""And where a process has the state at hand."""
WHO = Envelope("system")
NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)


class StillClock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time

    def advance(self, **span: float) -> None:
        self.time += timedelta(**span)


class RoleExists(RuleViolation):
    """There is such a role."""

    code = "role_exists"


class Process:
    """A handler with its parts, as a process has them."""

    def __init__(self, url: str, writer_url: str, limits: BatchLimits | None, tuning: Tuning | None) -> None:
        self.clock = StillClock()
        self.writer = Writer(writer_url, limits)
        self.snapshots = Snapshots(url, first_at=SNAPSHOT_AT, every=SNAPSHOT_AT, at_hand=AT_HAND, rest=0)
        self.loader = Loader(url, state_versions=self.snapshots.state_versions)
        self.notifier = Notifier(url)
        self.aside = Aside(HEAVY)
        self.handler = Handler(
            self.writer,
            self.loader,
            self.notifier,
            clock=self.clock,
            tuning=tuning,
            aside=self.aside,
            snapshots=self.snapshots,
        )

    async def aclose(self) -> None:
        await self.aside.aclose()
        await asyncio.wait_for(self.writer.aclose(), PATIENCE)
        await self.snapshots.aclose()
        await self.loader.aclose()
        await self.notifier.aclose()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the others run until it holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - this yields, it does not wait
                await asyncio.sleep(0)


@asynccontextmanager
async def running(
    url: str, writer_url: str | None = None, limits: BatchLimits | None = None, tuning: Tuning | None = None
) -> AsyncIterator[Process]:
    process = Process(url, writer_url or url, limits, tuning)
    try:
        yield process
    finally:
        await process.aclose()


@contextmanager
def held_head(url: str, tenant_id: UUID) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else's transaction that holds a ledger's head, and may append, until the block ends."""
    with connected(url) as connection, connection.transaction():
        append(connection, tenant_id)
        yield connection


def command(tenant_id: UUID, name: str = "role.change", **given: Any) -> Command:
    return Command(tenant_id, name, WHO, **given)


def create(role_id: UUID) -> Callable[[View], Decided]:
    def decide(view: View) -> Decided:
        if view.read(ROLE, role_id).exists:
            raise RoleExists
        return Decided((Fact(role_id, RoleCreated("key", "Name", ())),), result={"id": str(role_id)})

    return decide


def rename(role_id: UUID, name: str) -> Callable[[View], Decided]:
    def decide(view: View) -> Decided:
        if not view.read(ROLE, role_id).exists:
            raise NotFound
        return Decided((Fact(role_id, RoleChanged(name, ())),), result=name)

    return decide


def count_up(role_id: UUID) -> Callable[[View], Decided]:
    """The role's name counts the commands: a lost or doubled one shows."""

    def decide(view: View) -> Decided:
        name = str(int(view.read(ROLE, role_id).name or "0") + 1)
        return Decided((Fact(role_id, RoleChanged(name, ())),), result=int(name))

    return decide


def stored(stream_id: UUID, *events: Event, **given: Any) -> Entry:
    """An entry as another process would append it."""
    made = entry(**given)
    new = [NewEvent(stream_id, topic_of(type(event)), NOON, JSON.encode(event)) for event in events]
    return Entry(made.command_id, encode_envelope(WHO), new, made.expectations, made.claims, made.releases)

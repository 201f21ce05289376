"""Ledgers drawn at random: what the engine's random tests play, told side by side.

Nets with work, models, time, messages, children, lists and undoing; nets that are migrated; requests that several people decide;
agents that use tools and ask people; walks that end in one way or another. Each play under ids of its own, so that a ledger has
many, and some of what is over is archived.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple, TypeAlias
from uuid import NAMESPACE_OID, UUID, uuid5

from domain.envelope import PLATFORM, Envelope, RecordedEvent
from domain.execution import ExecutionArchived, ExecutionCancelled, ExecutionCompleted, ExecutionFailed
from domain.facts import Event, Fact
from domain.member import MemberAdded
from domain.user import UserRegistered
from store.codec import JSON, encode_envelope
from store.topics import topic_of, topics_of
from tests.engine.playing import Player
from tests.engine.playing_families import FamilyPlayer
from tests.engine.random_agents import Agents
from tests.engine.test_approval_orders import contest
from tests.engine.test_migrating_nets import MigratingPlayer
from tests.projections.random_work import walks
from tests.projections.story import START, Ledgers, platform_story

ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
KEY = re.compile(rb'"(?:workflow_)?key":"[^"]+"')
ENDS = topics_of(ExecutionCompleted, ExecutionFailed, ExecutionCancelled)
BY = Envelope("system", "chance")


class Stored(NamedTuple):
    """An event as its ledger has it."""

    stream_id: UUID
    topic: str
    data: bytes


def stored(stream_id: UUID, event: Event) -> Stored:
    return Stored(stream_id, topic_of(type(event)), JSON.encode(event))


def net(player: type[Player]) -> Callable[[int], list[Stored]]:
    def play(seed: int) -> list[Stored]:
        played = player(seed)
        played.play()
        return [Stored(each.stream_id, each.topic, each.data) for each in played.ledger.events]

    return play


def people(seed: int) -> list[Stored]:
    return of_facts(contest(seed, 40, Counter()).view.facts)


def agents(seed: int) -> list[Stored]:
    return of_facts(Agents(seed).play().view.facts)


def walk(seed: int) -> list[Stored]:
    return [stored(*step) for step in walks(Random(seed), 12)]


def of_facts(facts: Iterable[Fact]) -> list[Stored]:
    return [stored(fact.stream_id, fact.event) for fact in facts]


Play: TypeAlias = Callable[[int], list[Stored]]
PLAYS: tuple[Play, ...] = (net(Player), net(MigratingPlayer), net(FamilyPlayer), people, agents, agents, walk)


def of_its_own(name: str, number: int, events: Iterable[Stored]) -> list[Stored]:
    """The same with ids and keys that no other has."""

    def id(found: re.Match[bytes]) -> bytes:
        return str(uuid5(NAMESPACE_OID, f"{name} {number} {found[0].decode()}")).encode()

    def key(found: re.Match[bytes]) -> bytes:
        return found[0][:-1] + f'-{number}"'.encode()

    return [
        Stored(UUID(ID.sub(id, str(each.stream_id).encode()).decode()), each.topic, KEY.sub(key, ID.sub(id, each.data)))
        for each in events
    ]


class Drawn:
    """A tenant's ledger."""

    def __init__(self, tenant_id: UUID, seed: int, plays: int = len(PLAYS)) -> None:
        self.tenant_id = tenant_id
        self.random = Random(f"{tenant_id} {seed}")
        self.records: list[RecordedEvent] = []
        self._now = START
        self._occurred: dict[UUID, datetime] = {}
        self._versions: Counter[UUID] = Counter()
        going = []
        for number in range(plays):
            drawn = self.random.randrange(1 << 32)
            events = of_its_own(f"{tenant_id} {seed}", number, PLAYS[(seed + number) % len(PLAYS)](drawn))
            going.append([*events, *self._archived(events)])
        while going:
            one = self.random.choice(going)
            for _ in range(min(self.random.randint(1, 6), len(one))):
                self._append(one.pop(0))
            going = [each for each in going if each]

    def _archived(self, events: list[Stored]) -> list[Stored]:
        over = [each.stream_id for each in events if each.topic in ENDS]
        return [stored(each, ExecutionArchived(30)) for each in over if self.random.random() < 0.3]

    def _append(self, event: Stored) -> None:
        """Some of them are told later than they happened."""
        self._now += timedelta(milliseconds=self.random.choice((0, 0, 0, 1, 5_000, 3_600_000)))
        late = timedelta(minutes=self.random.choice((0, 0, 0, 0, 90)))
        stream = event.stream_id
        occurred = self._occurred[stream] = max(self._now - late, self._occurred.get(stream, START))
        self._versions[stream] += 1
        where = (self.tenant_id, len(self.records) + 1, stream, self._versions[stream], event.topic)
        told: Any = (JSON.decode(event.topic, event.data), occurred, self._now, UUID(int=len(self.records) + 1), BY, event.data)
        self.records.append(RecordedEvent(*where, *told))


INSERT = """
INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


async def append(ledgers: Ledgers, *drawn: Drawn) -> None:
    """Put them into a database without ledgers, with the platform's, which knows their people."""
    of_all = [record for one in drawn for record in one.records]
    people = {record.event.user_id for record in of_all if isinstance(record.event, MemberAdded)}
    known = [(one, UserRegistered(f"{one}@random.example", "Somebody")) for one in sorted(people)]
    await ledgers.append(PLATFORM, *platform_story(), *known)
    for one in drawn:
        await ledgers.conn.execute("SELECT ledger.open(%s)", [one.tenant_id])
    values = [
        (
            *(each.tenant_id, each.position, each.stream_id, each.version, each.topic, each.occurred_at, each.recorded_at),
            *(each.command_id, encode_envelope(each.envelope), each.payload),
        )
        for each in of_all
    ]
    async with ledgers.conn.transaction(), ledgers.conn.cursor() as cursor:
        await cursor.executemany(INSERT, values)

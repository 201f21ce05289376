"""Notifications survive workers that are killed, and two of them at once: each event is one delivery to each endpoint."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from domain import notification_endpoint as endpoint
from domain.approval import ApprovalRequested, Outcome
from domain.facts import Decided, Fact, View
from domain.member import MemberAdded
from domain.notices import TYPES
from domain.notification_endpoint import NotificationEndpointCreated, secret_name
from domain.notification_preferences import PreferencesChanged, preferences_of
from domain.role import RoleCreated
from domain.secret import secret_id_of
from store import notification_cursors as cursors
from store import secrets
from store.command import Command, CommandResult
from store.handler import Decide, Handler
from store.jobs import Connection
from store.notification_cursors import Cursor
from store.notifications.channels import EVENTS
from store.secrets import Value
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.worker.house import ENGINE, PATIENCE, WHO, House, ScriptedProvider, house
from tests.worker.outbound.servers import answering, server
from tests.worker.process import MASTER_KEYS
from tests.worker.test_killed import started, stopped
from worker.context import WorkerContext
from worker.notifying import follower
from worker.notifying.follower import Follower, _look_through
from worker.worker import open_worker

OK = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
FREE = "UPDATE runtime.notification_cursors SET leased_until = NULL"
WISHES = ("execution.started", "execution.completed")


@asynccontextmanager
async def opened(home: House) -> AsyncIterator[WorkerContext]:
    """What a worker acts with, without one that runs."""
    async with open_worker(home.database.system_url, ENGINE, ScriptedProvider(), master_keys=MASTER_KEYS) as worker:
        yield worker.context


async def create(home: House, context: WorkerContext, url: str, events: Sequence[str] = WISHES) -> UUID:
    """An endpoint, as the API makes one."""
    endpoint_id, value_id = uuid4(), uuid4()
    value = Value(home.tenant_id, value_id, secret_id_of(home.tenant_id, secret_name(endpoint_id, 1)))

    def decide(view: View) -> Decided:
        return endpoint.create(view, endpoint_id, url, tuple(events), value_id)

    async with context.pool.connection() as connection:
        await secrets.write(connection, MASTER_KEYS, value, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        await cursors.follow(connection, home.tenant_id)
    await home.handler.handle(Command(home.tenant_id, "notification_endpoint.create", WHO), decide)
    return endpoint_id


def saying(*facts: Fact) -> Decide:
    return lambda _: Decided(facts)


async def ran(home: House) -> UUID:
    return await home.start(drawing({"s": "start", "e": "end"}, "s > e"))


def ids(seen: Sequence[bytes]) -> list[bytes]:
    return [line for head in seen for line in head.splitlines() if line.lower().startswith(b"webhook-id:")]


@pytest.mark.parametrize(
    ("failpoint", "sent"),
    [
        ("worker.deliveries_asked_for", 2),
        pytest.param("worker.notification_ready:2", 2, marks=pytest.mark.nightly),
        ("worker.notification_sent", 3),
        pytest.param("worker.notification_recorded", 2, marks=pytest.mark.nightly),
    ],
)
async def test_a_notification_survives_its_worker(database: Database, tmp_path: Path, failpoint: str, sent: int) -> None:
    """Sent again only where nobody can know that it was. Four are at most under way when a worker dies."""
    seen = list[bytes]()
    async with house(database) as home, server(answering(OK, seen=seen)) as port:
        async with opened(home) as context:
            await create(home, context, f"http://127.0.0.1:{port}/")
        await ran(home)
        first = await started(database, tmp_path / "calls", failpoint)
        assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
        home.lapse_all()
        home.sql(FREE)
        second = await started(database, tmp_path / "calls")

        async def delivered() -> bool:
            return len(await home.topics("notification_delivery.succeeded")) == 2 and home.jobs() == []

        await home.until(delivered)
        assert await stopped(second) == 0
        assert len(await home.topics("notification_delivery.requested")) == len(set(ids(seen))) == 2
        assert len(seen) in (sent, sent + 1), "the other one may have been under way"
        assert len(await home.topics("notification_delivery.")) == 4


async def test_two_that_look_through_the_same_events_ask_once(database: Database) -> None:
    async with house(database) as home, opened(home) as one, opened(home) as other:
        await create(home, one, "https://a.example/")
        await create(home, one, "https://b.example/", ("execution.*",))
        for _ in range(5):
            await ran(home)
        mine, theirs = [await claimed(home, context) for context in (one, other)]
        assert mine == theirs
        assert all(await asyncio.gather(_look_through(one, mine), _look_through(other, theirs)))
        assert len(await home.topics("notification_delivery.requested")) == 20
        home.sql("UPDATE runtime.notification_cursors SET position = 0, endpoints = '{}', leased_until = NULL")
        assert await Follower().ask_for_deliveries(one) is not None
        assert len(await home.topics("notification_delivery.requested")) == 20, "from the beginning, it comes to the same"


async def claimed(home: House, context: WorkerContext) -> Cursor:
    """Although somebody else may be at it."""
    home.sql(FREE)
    async with context.pool.connection() as connection:
        (cursor,) = await cursors.claim(connection, len(TYPES), 5)
    return cursor


async def test_only_those_are_looked_at_that_have_grown_and_from_time_to_time_all(database: Database) -> None:
    async with house(database) as home, opened(home) as context:
        follower = Follower()
        with follower.listening(context.notifications) as woken:
            await create(home, context, "https://a.example/")
            assert await follower.ask_for_deliveries(context) is not None
            await ran(home)
            assert await follower.ask_for_deliveries(context) is None, "it was not told"
            woken.clear()
            context.notifications.hear(EVENTS.name, str(uuid4()))
            assert not woken.is_set(), "of a tenant that nobody follows"
            context.notifications.hear(EVENTS.name, str(home.tenant_id))
            assert woken.is_set()
            assert await follower.ask_for_deliveries(context) is not None
            assert len(await home.topics("notification_delivery.requested")) == 2
            await ran(home)
            context.notifications.hear(EVENTS.name, "")
            assert await follower.ask_for_deliveries(context) is not None
            assert len(await home.topics("notification_delivery.requested")) == 4


async def test_what_happened_before_an_endpoint_was_created_is_not_told(database: Database) -> None:
    """However late it is looked through."""
    async with house(database) as home, opened(home) as context:
        async with context.pool.connection() as connection:
            await cursors.follow(connection, home.tenant_id)
        await ran(home)
        await create(home, context, "https://a.example/")
        await ran(home)
        await Follower().ask_for_deliveries(context)
        assert len(await home.topics("notification_delivery.requested")) == 2


async def test_many_events_are_looked_through_page_by_page(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.notifying.follower.PAGE", 3)
    async with house(database) as home, opened(home) as context:
        await create(home, context, "https://a.example/")
        for _ in range(5):
            await ran(home)
        follower, turns = Follower(), 0
        while await follower.ask_for_deliveries(context) is not None:
            turns += 1
        assert turns >= 4
        assert len(await home.topics("notification_delivery.requested")) == 10


async def test_a_ledger_that_a_newer_release_looks_through_is_left_alone(database: Database) -> None:
    async with house(database) as home, opened(home) as context:
        await create(home, context, "https://a.example/")
        async with context.pool.connection() as connection:
            (cursor,) = await cursors.claim(connection, len(TYPES) + 1, 5)
            assert cursor.tenant_id == home.tenant_id
            home.sql(FREE)
            assert await cursors.claim(connection, len(TYPES), 5) == []
            assert len(await cursors.claim(connection, len(TYPES) + 1, 5)) == 1


async def test_a_tenant_without_endpoints_is_not_looked_through(database: Database) -> None:
    async with house(database) as home, opened(home) as context:
        await ran(home)
        assert await Follower().ask_for_deliveries(context) is None
        assert home.sql("SELECT * FROM runtime.notification_cursors") == []


async def test_people_are_asked_for_a_few_at_a_time_under_a_lease_that_is_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody wants mail: that costs a command for some of them, and not for each."""
    people, (request_id, role_id, endpoint_id) = [uuid4() for _ in range(12)], [uuid4() for _ in range(3)]
    outcomes = (Outcome("approved", "approve", tuple(people)), Outcome("rejected", "reject", tuple(people)))
    facts = [
        Fact(role_id, RoleCreated("approver", "Approver", ("approvals:decide",))),
        *(Fact(one, MemberAdded(one, (role_id,), 1)) for one in people),
        Fact(endpoint_id, NotificationEndpointCreated("smtp:", ("approval.*",), "none", format="mail")),
        Fact(request_id, ApprovalRequested(None, None, None, "A press?", {"type": "single"}, outcomes)),
    ]
    commands, leases = list[str](), list[float]()
    monkeypatch.setattr(follower, "monotonic", lambda: inf)
    async with house(database) as home, opened(home) as context:
        async with context.pool.connection() as connection:
            await cursors.follow(connection, home.tenant_id)
        for some in (facts, [Fact(preferences_of(home.tenant_id, None), PreferencesChanged(mail=()))]):
            await home.handler.handle(Command(home.tenant_id, "prepare", WHO), saying(*some))
        cursor = await claimed(home, context)
        home.sql("UPDATE runtime.notification_cursors SET leased_until = clock_timestamp() + interval '1 second'")
        handle, prolong = Handler.handle, cursors.prolong

        async def counted(handler: Handler, command: Command, decide: Decide) -> CommandResult:
            commands.append(command.name)
            return await handle(handler, command, decide)

        async def kept(connection: Connection, of: Cursor) -> None:
            await prolong(connection, of)
            ((left,),) = home.sql("SELECT leased_until - clock_timestamp() FROM runtime.notification_cursors")
            leases.append(left.total_seconds())

        monkeypatch.setattr(Handler, "handle", counted)
        monkeypatch.setattr(cursors, "prolong", kept)
        assert await _look_through(context, cursor)
        assert await home.topics("notification_delivery.") == []
        home.sql(FREE)
        async with context.pool.connection() as connection:
            await prolong(connection, cursor)
        assert home.sql("SELECT leased_until FROM runtime.notification_cursors") == [(None,)], "one that is over stays so"
    assert commands == ["notification.request"] * 4, "whom it concerns, and 12 people by fives"
    assert leases, "kept"
    assert min(leases) > 1

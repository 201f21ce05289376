"""Endpoints that are sent the ledger: in its order, at least once, whoever dies or does not listen."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from domain import notification_endpoint as endpoint
from domain.facts import Decided, View
from domain.notification_endpoint import NOTIFICATION_ENDPOINT, secret_name
from domain.secret import secret_id_of
from store import event_feeds, secrets
from store.command import Command
from store.event_feeds import Standing
from store.secrets import Value
from tests.api.receiving import Receiver, receiver
from tests.api.test_http_nodes import saying
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.worker.house import ENGINE, PATIENCE, WHO, House, ScriptedProvider, house
from tests.worker.outbound.servers import LOOPBACK, server
from tests.worker.process import MASTER_KEYS
from tests.worker.test_killed import started, stopped
from worker.context import WorkerContext
from worker.notifying import feeds
from worker.notifying.feeds import Sender
from worker.outbound.client import Outbound
from worker.worker import open_worker

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = "UPDATE runtime.event_feeds SET next_attempt_at = NULL, leased_until = NULL"


@asynccontextmanager
async def opened(home: House) -> AsyncIterator[WorkerContext]:
    way_out = Outbound(permitted=LOOPBACK)
    async with open_worker(
        home.database.system_url, ENGINE, ScriptedProvider(), master_keys=MASTER_KEYS, outbound=way_out
    ) as worker:
        yield worker.context


async def create(home: House, context: WorkerContext, port: int, topics: Sequence[str] = ("*",)) -> UUID:
    """As the API makes one."""
    id, value_id = uuid4(), uuid4()
    value = Value(home.tenant_id, value_id, secret_id_of(home.tenant_id, secret_name(id, 1)))

    def decide(view: View) -> Decided:
        return endpoint.create(view, id, f"http://127.0.0.1:{port}/", tuple(topics), value_id, format="events")

    async with context.pool.connection() as connection:
        await secrets.write(connection, MASTER_KEYS, value, SECRET)
        await event_feeds.begin(connection, home.tenant_id, id)
    await home.handler.handle(Command(home.tenant_id, "notification_endpoint.create", WHO), decide)
    return id


async def standing(home: House, context: WorkerContext, id: UUID) -> Standing:
    async with context.pool.connection() as connection:
        found = await event_feeds.standing(connection, home.tenant_id, id)
    assert found is not None
    return found


async def look(home: House, context: WorkerContext) -> None:
    """By one that begins, until it says that there is nothing to do now. Who waits for its turn has it."""
    home.sql(NOW)
    sender = Sender()
    async with asyncio.timeout(PATIENCE):
        while await sender.send_events(context) == 0 or await sender.finish():
            pass


def positions(service: Receiver) -> list[list[int]]:
    return [[event["position"] for event in each["data"]["events"]] for each in service.messages()]


async def ran(home: House, input: Any = None) -> UUID:
    return await home.start(drawing({"s": "start", "e": "end"}, "s > e"), input)


async def test_the_ledger_is_sent_in_its_order_signed_and_some_events_a_request(database: Database, monkeypatch: Any) -> None:
    monkeypatch.setattr(feeds, "MOST_EVENTS", 4)
    service, some = receiver(), receiver()
    async with house(database) as home, opened(home) as context, server(service.handle) as one, server(some.handle) as two:
        await ran(home)
        before = len(await home.events())
        id = await create(home, context, one)
        chosen = await create(home, context, two, ("execution.*", "activation.completed"))
        await ran(home, {"large": "x" * 70_000})
        await look(home, context)
        events = await home.events()
        after = [each.position for each in events if each.position > before]
        assert [each for some in positions(service) for each in some] == after
        assert max(map(len, positions(service))) == 4
        assert (await standing(home, context, id))[:2] == (len(events), len(events))
        assert (await standing(home, context, chosen)).position == len(events)
        wished = [event for each in some.messages() for event in each["data"]["events"]]
        assert {each["topic"].rpartition(".")[0] for each in wished} == {
            "execution.started",
            "execution.completed",
            "activation.completed",
        }
        told = next(each for each in wished if each["topic"].startswith("execution.started"))
        assert told["data"] == {
            "$cut": True,
            "href": f"/v1/events?after={told['position'] - 1}&limit=1",
            "bytes": told["data"]["bytes"],
        }
        assert told["data"]["bytes"] > 70_000
        assert len(set(service.ids())) == len(service.seen)
        assert all(service.is_signed(SECRET, number) for number in range(len(service.seen)))
        first = service.messages()[0]
        assert (first["type"], first["data"]["after"], first["data"]["position"]) == ("events", before, before + 4)
        assert len(await home.events()) == len(events), "what is sent is no event"


async def test_a_receiver_that_fails_holds_up_itself_alone_and_misses_nothing(database: Database) -> None:
    broken, sound = receiver(saying(500), saying(429, Retry_After="40"), saying(204)), receiver()
    async with house(database) as home, opened(home) as context, server(broken.handle) as one, server(sound.handle) as two:
        id = await create(home, context, one)
        other = await create(home, context, two)
        await ran(home)
        await look(home, context)
        failing = await standing(home, context, id)
        assert (failing.failures, failing.last_error, failing.delivered_at) == (1, "The receiver answered 500.", None)
        assert (await standing(home, context, other)).delivered_at is not None
        await Sender().send_events(context)
        assert len(broken.seen) == 1, "not before its moment"
        await look(home, context)
        asked = await standing(home, context, id)
        assert asked.failing_since == failing.failing_since
        assert asked.next_attempt_at is not None
        ((seconds,),) = home.sql(
            "SELECT extract(epoch FROM next_attempt_at - clock_timestamp()) FROM runtime.event_feeds WHERE endpoint_id = %s", id
        )
        assert 30 < seconds <= 40
        home.sql("UPDATE runtime.event_feeds SET next_attempt_at = clock_timestamp() WHERE endpoint_id = %s", id)
        async with context.pool.connection() as connection:
            due = await event_feeds.seconds_to_next(connection)
        assert due is not None, "it came due after the look that did not find it, and before it was asked when to look again"
        assert due <= 0
        await look(home, context)
        assert (await standing(home, context, id))[2:5] == (None, 0, None)
        sent = positions(broken)
        assert sent[0] == sent[1] == sent[2]
        assert [each for some in positions(sound) for each in some] == [each for each in sent[0] if each > 2]


async def test_one_that_is_gone_or_fails_for_days_is_disabled_and_goes_on_where_it_stopped(database: Database) -> None:
    service = receiver(saying(410), saying(500), saying(204))
    async with house(database) as home, opened(home) as context, server(service.handle) as port:
        id = await create(home, context, port)

        async def enabled() -> bool:
            return (await home.handler.read(home.tenant_id, NOTIFICATION_ENDPOINT, id))[0].enabled

        async def enable() -> None:
            await home.handler.handle(Command(home.tenant_id, "enable", WHO), lambda view: endpoint.enable(view, id))

        await look(home, context)
        assert not await enabled()
        await look(home, context)
        assert len(service.seen) == 1, "nothing is sent to one that is disabled"
        await enable()
        home.sql("UPDATE runtime.event_feeds SET failing_since = clock_timestamp() - %s", timedelta(days=6))
        await look(home, context)
        assert not await enabled()
        await enable()
        await look(home, context)
        assert positions(service)[-1] == [each.position for each in await home.events()][-len(positions(service)[-1]) :]
        assert positions(service)[-1][: len(positions(service)[0])] == positions(service)[0]


async def test_it_goes_on_from_where_it_is_told_to_once_and_ends_with_its_endpoint(database: Database) -> None:
    service = receiver()
    async with house(database) as home, opened(home) as context, server(service.handle) as port:
        await ran(home)
        id = await create(home, context, port, ("execution.started",))
        await look(home, context)
        assert service.seen == []
        async with context.pool.connection() as connection:
            await event_feeds.move(connection, home.tenant_id, id, 0, 2)
            await look(home, context)
            await event_feeds.move(connection, home.tenant_id, id, 0, 2)  # the same one again
            await look(home, context)
        assert len(service.seen) == 1
        await home.handler.handle(Command(home.tenant_id, "delete", WHO), lambda view: endpoint.delete(view, id))
        home.sql("UPDATE runtime.event_feeds SET created_at = clock_timestamp() - interval '2 hours'")
        await look(home, context)
        assert home.sql("SELECT count(*) FROM runtime.event_feeds") == [(0,)]


async def test_a_slow_receiver_is_waited_for_by_nobody_else_and_asked_one_thing_at_a_time(
    database: Database, monkeypatch: Any
) -> None:
    monkeypatch.setattr(feeds, "OF_A_TENANT", 2)
    go_on, asked, sound = asyncio.Event(), asyncio.Semaphore(0), receiver()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.release()
        await go_on.wait()
        await patient.handle(reader, writer)

    patient, sender = receiver(), Sender()
    async with house(database) as home, opened(home) as context, server(slow) as one, server(sound.handle) as two:
        await ran(home)
        id = await create(home, context, one)
        await sender.send_events(context)
        await asyncio.wait_for(asked.acquire(), PATIENCE)
        other = await create(home, context, two)
        async with context.pool.connection() as connection:
            await event_feeds.move(connection, home.tenant_id, other, 0, 2)
            await event_feeds.move(connection, home.tenant_id, id, 0, 2)
        sender.look_everywhere()
        await sender.send_events(context)
        assert len(sound.seen) == 1
        assert asked.locked(), "told to go on from elsewhere, it is not sent that before the request under way is over"
        go_on.set()
        async with asyncio.timeout(PATIENCE):
            while await sender.send_events(context) == 0 or await sender.finish():
                pass
        assert [each[0] for each in positions(patient)][1:] == [1], "from there, and not from where the first one ended"
        assert (await standing(home, context, id)).position == len(await home.events())


async def test_events_survive_the_worker_that_sent_them(database: Database, tmp_path: Path) -> None:
    service = receiver()
    async with house(database) as home, server(service.handle) as port:
        async with opened(home) as context:
            await create(home, context, port, ("execution.*",))
        await ran(home)
        first = await started(database, tmp_path / "calls", "worker.events_sent")
        assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
        home.sql(NOW)
        second = await started(database, tmp_path / "calls")

        async def sent_again() -> bool:
            return len(service.seen) >= 2

        await home.until(sent_again)
        await ran(home)

        async def went_on() -> bool:
            return len({each for some in positions(service) for each in some}) == 4

        await home.until(went_on)
        assert await stopped(second) == 0
    sent = positions(service)
    assert sent[0] == sent[1]
    assert service.ids()[0] == service.ids()[1]
    assert [each for some in sent[1:] for each in some] == sorted({each for some in sent for each in some})

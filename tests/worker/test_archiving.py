"""Finished executions leave the tables for the archive, by two workers at it, and everything that was recorded of them stays."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.approval import Decider
from domain.retention import remove, retention_id_of, set_days
from engine import discussing
from engine.archiving import Archived, archive
from engine.engine import cancel
from projections.archived_rows import PARTS
from projections.catalog import relations
from projections.projector import Projector
from projections.registry import GROUPS
from projections.verify import verify
from store.command import Command
from store.handler import Decide
from tests.conftest import Database
from tests.engine.drawing import ask, drawing
from tests.worker.house import ENGINE, WHO, House, house, steps, worker_of
from worker.archiving import LOOK_SECONDS, TABLES_SECONDS, Archiving

LONG_AGO = datetime(2024, 2, 29, 12, tzinfo=UTC)
ASKING = drawing({"s": "start", "a": ask(), "e": "end"}, "s > a", "a.approve > e", "a.reject > e")


class LongAgo:
    def now(self) -> datetime:
        return LONG_AGO


async def do(home: House, decide: Decide) -> None:
    await home.handler.handle(Command(home.tenant_id, "test", WHO), decide)


IDS = {
    "executions": "SELECT id FROM projections.workflow_executions",
    "archived": "SELECT id FROM projections.archived_executions",
    "requests": "SELECT id FROM projections.approval_requests",
}


def ids(home: House, of: str) -> set[UUID]:
    return {id for (id,) in home.sql(IDS[of])}


async def test_what_is_over_for_long_is_archived_once_and_nothing_is_lost(database: Database) -> None:
    async with house(database, clock=LongAgo()) as home, worker_of(database) as one, worker_of(database) as other:
        finished = [await home.start(drawing({"s": "start", "e": "end"}, "s > e")) for _ in range(3)]
        asked, runs = await home.start(ASKING), await home.start(steps())
        await do(home, lambda view: cancel(view, ENGINE, asked))
        (request,) = [record.stream_id for record in await home.events() if record.topic.startswith("approval.requested")]
        await do(home, lambda view: set_days(view, None, 30))
        assert await Archiving().archive_finished(one.context) == LOOK_SECONDS
        projector = Projector(database.system_url)
        await projector.catch_up()
        (workflow_key,) = home.sql("SELECT workflow_key FROM projections.workflow_executions WHERE id = %s", finished[0])[0]
        await do(home, lambda view: set_days(view, workflow_key, 36_500))
        before = home.sql("SELECT to_jsonb(n) FROM projections.node_activations n WHERE execution_id = %s ORDER BY id", asked)
        await projector.catch_up()

        first, second = Archiving(), Archiving()
        assert await first.archive_finished(one.context) == 0
        assert await second.archive_finished(other.context), "it is the other's"
        home.sql("UPDATE runtime.leases SET lease_until = '-infinity' WHERE name = 'archiving'")  # who then archives it again
        assert await Archiving().archive_finished(other.context) == 0
        assert await first.archive_finished(one.context) == TABLES_SECONDS, "the tables do not show it yet"
        await projector.catch_up()
        assert await first.archive_finished(one.context) not in (0, TABLES_SECONDS, LOOK_SECONDS), "it rests as long as that took"
        gone = {*finished[1:], asked}
        assert ids(home, "executions") == {finished[0], runs}
        assert ids(home, "archived") == gone
        assert len(await home.topics("execution.archived")) == 3
        assert ids(home, "requests") == set()
        ((rows,),) = home.sql(
            "SELECT rows FROM projections.archived_rows WHERE execution_id = %s AND table_name = 'node_activations'", asked
        )
        assert [row["id"] for row in rows] == [row["id"] for (row,) in before]
        assert home.sql("SELECT sum(executions) FROM projections.archive_months WHERE month = '2024-02'") == [(3,)]
        async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as connection:
            verdict = await verify(connection, home.tenant_id)
        # how these tests publish claims no names
        assert not any(broken for name, broken in verdict.broken.items() if name != "claims"), verdict.broken

        who = Decider(uuid4())
        with pytest.raises(Archived):
            await do(home, lambda view: discussing.comment_on(view, request, who, "Still there?", manages=True))
        assert len(await home.topics("command.refused")) == 1
        await projector.catch_up()
        home.sql("UPDATE runtime.leases SET lease_until = '-infinity' WHERE name = 'archiving'")
        assert await Archiving().archive_finished(one.context) == LOOK_SECONDS
        assert await Archiving().archive_finished(other.context) == LOOK_SECONDS, "it was let go"


async def test_what_the_policy_that_holds_now_keeps_stays(database: Database) -> None:
    """Whatever the tables said a moment ago."""
    async with house(database) as home:
        over, runs = await home.start(drawing({"s": "start", "e": "end"}, "s > e")), await home.start(steps())
        ended_at = datetime.now(UTC) - timedelta(days=40)

        async def archived(execution: UUID) -> bool:
            await do(home, lambda view: archive(view, execution, ended_at))
            return (await home.state(execution)).archived

        assert not await archived(over)
        await do(home, lambda view: set_days(view, None, 60))
        assert not await archived(over)
        await do(home, lambda view: set_days(view, None, 30))
        await do(home, lambda view: remove(view, retention_id_of(home.tenant_id, None)))
        assert not await archived(over)
        await do(home, lambda view: set_days(view, None, 30))
        assert not await archived(runs)
        assert await archived(over)


def test_every_table_of_executions_is_archived() -> None:
    """One that refers to a table of which rows go has rows that go."""
    gone = {part.table.name for part in PARTS}
    work = {table.name for table in GROUPS["work"]}
    referring = {
        relation.name
        for relation in relations()
        if relation.name in work and any(reference.table in gone for reference in relation.references if reference.enforced)
    }
    assert referring <= gone

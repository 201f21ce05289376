"""A column is added to a table under load: commands go on, the API is read, the rebuild is killed, and nobody sees a gap."""

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from projections.rebuilding import records
from projections.replay import replay
from runtime.failpoints import VARIABLE
from tests.api.conftest import Client, Gesta, Tenant, platform_key, projecting, serving
from tests.api.definitions import INSTANT
from tests.conftest import Database
from tests.projections.with_column import MIGRATION, upgrade

FIRST = 60
"""Executions that there are before anything changes."""
PATIENCE = 120.0
STALE = "Gesta-Stale"
ROOT = Path(__file__).parents[2]


class Load:
    """Who starts executions, and who reads them. Each execution that a start has answered is in every later answer."""

    def __init__(self, acme: Tenant) -> None:
        self._acme = acme
        self.known: list[str] = []
        self._looked = 0
        self.fresh = 0
        """Answers that were not stale."""

    async def start(self) -> None:
        answer = await self._acme.admin.post("/executions", {"workflow_key": "instant"})
        assert answer.status_code == 201, answer.text
        self.known.append(answer.json()["id"])

    async def look(self) -> None:
        """At one after the other, the latest first."""
        id = self.known[-1 - self._looked % len(self.known)]
        answer = await self._acme.admin.get(f"/executions/{id}")
        self._looked += 1
        if STALE in answer.headers:
            return  # it says so: the machine is busy
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "completed"
        self.fresh += 1

    async def list(self) -> None:
        expected = set(self.known)
        found: set[str] = set()
        page = await self._acme.admin.get("/executions", limit=200)
        if STALE in page.headers:
            return
        while True:
            assert page.status_code == 200, page.text
            found |= {item["id"] for item in page.json()["items"]}
            if page.json()["next_cursor"] is None:
                break
            page = await self._acme.admin.get("/executions", limit=200, cursor=page.json()["next_cursor"])
        assert expected <= found, f"{len(expected - found)} executions are missing"
        self.fresh += 1

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        over = asyncio.Event()

        async def repeat(do: Callable[[], Awaitable[None]]) -> None:
            while not over.is_set():
                await do()

        async with asyncio.TaskGroup() as tasks:
            for do in (self.start, self.look, self.list):
                tasks.create_task(repeat(do))
            try:
                yield
            finally:
                over.set()


async def rebuild(database: Database, failpoint: str | None = None, kill_after: float | None = None) -> tuple[int, str]:
    """The next release's rebuild, as a process: its exit code, and what it said."""
    environment = {**os.environ, **({VARIABLE: failpoint} if failpoint else {})}
    command = (sys.executable, "-m", "tests.projections.with_column", database.owner_url, database.system_url)
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=STDOUT, cwd=ROOT)
    async with asyncio.timeout(PATIENCE):
        if kill_after is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.create_task(process.wait())), kill_after)
            with suppress(ProcessLookupError):
                process.kill()
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def folded(system: AsyncConnection[object]) -> int:
    row = await (await system.execute("SELECT coalesce(sum(position), 0)::bigint FROM projections_next.freshness")).fetchone()
    assert isinstance(row, tuple)
    return int(row[0])


async def test_readers_see_no_error_and_no_missing_row(
    database: Database, system: AsyncConnection[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await under_load(database, system, tmp_path, monkeypatch, changed)


@pytest.mark.nightly
async def test_nor_where_it_is_killed_at_moments_of_chance(
    database: Database, system: AsyncConnection[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await under_load(database, system, tmp_path, monkeypatch, killed_by_chance)


async def under_load(
    database: Database,
    system: AsyncConnection[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rebuilt: Callable[[Database, AsyncConnection[object], Load], Awaitable[None]],
) -> None:
    token = await platform_key(database)
    async with serving(database) as http:
        async with projecting(database) as projector:
            acme = await Gesta(http, database, Client(http, token), projector).tenant()
            await acme.publish(INSTANT)
            load = Load(acme)
            for _ in range(FIRST):
                await load.start()
        async with await AsyncConnection.connect(database.owner_url, autocommit=True) as owner:
            await owner.execute(MIGRATION.encode())
        upgrade(monkeypatch, tmp_path)
        async with projecting(database):
            async with load.going_on():
                await rebuilt(database, system, load)
            await load.list()
    assert load.fresh > FIRST / 2, "most answers were stale, and show nothing"
    assert (await replay(system, acme.id)).equal
    counted = "SELECT count(*), min(step_count), max(step_count) FROM projections.workflow_executions"
    assert await (await system.execute(counted)).fetchone() == (len(load.known), 2, 2)


async def changed(database: Database, system: AsyncConnection[object], load: Load) -> None:
    """The next release's rebuild, killed in the middle and at the very end."""
    killed = (-signal.SIGKILL, "")
    assert await rebuild(database, "rebuild.loaded:2") == killed
    halfway = await folded(system)
    assert halfway > 0
    assert await rebuild(database, "rebuild.swapping") == killed
    assert await records.records(system, "serving") == []
    assert await folded(system) > halfway, "it began anew"
    code, said = await rebuild(database)
    assert code == 0, said
    [serving_now] = await records.records(system, "serving")
    assert serving_now.number == 2, "the third went on with what the first had begun"
    assert await records.records(system, "wanted", "abandoned") == []
    for _ in range(3):
        await load.list()


async def killed_by_chance(database: Database, system: AsyncConnection[object], load: Load) -> None:
    """Ten times at most, after up to three seconds, and then left alone; readers look on meanwhile."""
    chance = random.Random(os.environ.get("GESTA_SEED", "1"))
    for _ in range(10):
        code, said = await rebuild(database, kill_after=chance.uniform(0.3, 3.0))
        assert code in (0, -signal.SIGKILL), said
        await load.list()
        if code == 0:
            break
    else:
        code, said = await rebuild(database)
        assert code == 0, said
    assert len(await records.records(system, "serving")) == 1
    assert await records.records(system, "wanted", "abandoned") == []

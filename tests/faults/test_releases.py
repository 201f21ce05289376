"""Processes of three releases on one database: each serves while the next one replaces it.

The releases before are commits; their sources come from the history. Where the checkout has none (a copy without history, a
shallow clone), there is nothing to run: the statements that older releases send are tried in
`tests/store/test_release_before.py`. When a release is out, it takes the second place here, and what stood there the first.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from client import AsyncClient, Worker
from tests.faults.platform import (
    DEFINITION,
    LEASE_SECONDS,
    PATIENCE,
    Process,
    an_environment,
    answering,
    database,
    gesta,
    url_of,
)
from tests.worker.ai.wire import answer, completion, serve

OLDER, BEFORE = "0fd8c32c2cc03a9c8300512a1f8f4f34c8d3700b", "a9f7530d9f98024241c9d22d90d66da494b1d583"
ROOT = Path(__file__).resolve().parents[2]
SERVING = (("api",), ("projector",), ("worker", "--lease-seconds", str(LEASE_SECONDS)))
AT_ONCE = 6


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of the releases before, the older one first."""
    older, before = [_sources(release, tmp_path_factory.mktemp("release")) for release in (OLDER, BEFORE)]
    return older, before


def _sources(release: str, directory: Path) -> Path:
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", release, "src", "migrations"], capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"the history here does not reach back to the release {release[:7]}")
    subprocess.run(["tar", "-x", "-C", str(directory)], input=archive.stdout, check=True)
    return directory / "src"


@dataclass
class Releases:
    """Environments of processes on one database."""

    directory: Path
    older: dict[str, str]
    before: dict[str, str]
    now: dict[str, str]

    @asynccontextmanager
    async def serving(self, *environments: dict[str, str]) -> AsyncIterator[Sequence[Process]]:
        """An API, a projector and a worker of each, kept running. Nothing here kills them: who ends has failed."""
        processes = [Process(line, each, self.directory / "log") for each in environments for line in SERVING]
        keeping = [asyncio.create_task(process.keep()) for process in processes]
        try:
            async with asyncio.timeout(PATIENCE):
                for each in environments:
                    await answering(url_of(each))
            yield processes
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)


@asynccontextmanager
async def releases(directory: Path, sources: tuple[Path, Path]) -> AsyncIterator[Releases]:
    """A database, not migrated yet."""
    async with serve(answer(completion("done"))) as wire:
        older, before, now = [an_environment(directory, wire.url) for _ in range(3)]
        older["PYTHONPATH"], before["PYTHONPATH"] = map(str, sources)
        with database(directory):
            yield Releases(directory, older, before, now)


async def a_tenant(environment: dict[str, str]) -> str:
    """Its key."""
    await asyncio.to_thread(gesta, environment, "db", "seed")
    await asyncio.to_thread(gesta, environment, "tenant", "create", "acme")
    return (await asyncio.to_thread(gesta, environment, "key", "create", "--tenant", "acme")).strip()


async def play(starts: AsyncClient, waits: AsyncClient) -> None:
    """Executions that one API starts and another is asked about."""
    started = [await starts.start("both", {"n": n}) for n in range(AT_ONCE)]
    for each in started:
        assert (await waits.wait(each.id, PATIENCE)).status == "completed"


@asynccontextmanager
async def external_worker(client: AsyncClient) -> AsyncIterator[None]:
    worker = Worker(client, lease_seconds=LEASE_SECONDS)

    @worker.task("work")
    async def work(input: Any) -> Any:
        return input

    serving = asyncio.create_task(worker.serve())
    try:
        yield
    finally:
        worker.stop()
        await asyncio.wait_for(serving, PATIENCE)


async def test_three_releases_work_side_by_side_each_on_the_schema_of_the_next(
    tmp_path: Path, sources: tuple[Path, Path]
) -> None:
    async with releases(tmp_path, sources) as on:
        await asyncio.to_thread(gesta, on.older, "db", "migrate")
        key = await a_tenant(on.older)
        clients = [AsyncClient(url_of(each), key) for each in (on.older, on.before, on.now)]
        async with clients[0] as older, clients[1] as before, clients[2] as now:
            async with on.serving(on.older) as first, external_worker(older):
                await older.apply(DEFINITION, publish=True)
                await play(older, older)
                await asyncio.to_thread(gesta, on.before, "db", "migrate")  # under way
                async with on.serving(on.before) as second, external_worker(before):
                    await play(older, before)
                    await asyncio.to_thread(gesta, on.now, "db", "migrate")
                    await play(older, before)
                    async with on.serving(on.now) as third, external_worker(now):
                        await asyncio.gather(play(older, now), play(now, before), play(before, older))
                        assert [process.deaths for process in (*first, *second, *third)] == [0] * 9
            async with on.serving(on.now), external_worker(now):
                await play(now, now)
                # what the projectors of the releases before did not know
                accepted = [
                    f"--accept={table}" for table in ("execution_waits", "ai_agent_tasks", "ai_agent_turns", "ai_agent_attempts")
                ]
                await asyncio.to_thread(gesta, on.now, "projections", "rebuild", "--group", "work", *accepted)
            await asyncio.to_thread(gesta, on.now, "verify")


async def test_this_release_refuses_the_schema_of_the_release_before_in_one_line(
    tmp_path: Path, sources: tuple[Path, Path]
) -> None:
    async with releases(tmp_path, sources) as on:
        await asyncio.to_thread(gesta, on.before, "db", "migrate")
        for line in SERVING:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "cli.main", *line, env=on.now, stderr=asyncio.subprocess.PIPE
            )
            _, told = await asyncio.wait_for(process.communicate(), PATIENCE)
            assert process.returncode == 1
            assert told.decode().count("\n") == 1
            assert "run gesta db migrate as the owner first" in told.decode()

"""A whole platform of real processes on a PostgreSQL of its own, all of which may be killed and come back.

`platform(directory, model_url)`: the API, the projector and the worker as processes of the `gesta` command, started again as
soon as they end; a worker of the SDK in the test's own process, which lives on; and a workflow of a task and an AI task.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from client import AsyncClient, Execution, Worker
from runtime.failpoints import DIRECTORY
from runtime.master_keys import KEY_BYTES
from runtime.postgres import embedded

PATIENCE = 120.0
"""Seconds; the machine may be busy."""
RETRY = {"max_attempts": 20, "initial_interval": "PT0.05S", "max_interval": "PT0.2S"}
DEFINITION: dict[str, Any] = {
    "key": "both",
    "name": "A task, then an AI task",
    "triggers": [{"type": "manual"}],
    "nodes": [
        {"id": "start", "type": "start", "config": {}},
        {"id": "work", "type": "task", "config": {"job_type": "work", "input": "=input.n"}, "retry": RETRY},
        {"id": "ask", "type": "ai_agent", "config": {"model": "default", "prompt": "Say it."}, "retry": RETRY},
        {"id": "end", "type": "end", "config": {"output": "=nodes.ask.output"}},
    ],
    "edges": [
        {"source": "start", "target": "work"},
        {"source": "work", "target": "ask"},
        {"source": "ask", "target": "end"},
    ],
}
LEASE_SECONDS = 1


@dataclass
class Process:
    """One process of the platform. `pid` is that of its present life."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    deaths: int = 0
    pid: int = 0

    async def keep(self) -> None:
        """Start it again whenever it ends; end it when cancelled."""
        while True:
            with self.log.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "cli.main", *self.arguments, env=self.environment, stdout=log, stderr=log
                )
            self.pid = process.pid
            try:
                await process.wait()
            except asyncio.CancelledError:
                process.send_signal(signal.SIGCONT)
                process.kill()
                await process.wait()
                raise
            self.deaths += 1


@dataclass
class Platform:
    url: str
    directory: Path
    environment: dict[str, str]
    api: Process
    projector: Process
    worker: Process
    client: AsyncClient
    done: list[Any] = field(default_factory=list)
    """The inputs that the SDK's worker was given, in order."""

    @property
    def postmaster(self) -> Path:
        return self.directory / "postgres" / "data" / "postmaster.pid"

    @property
    def armed(self) -> list[str]:
        """Failpoints that nobody has come to."""
        return sorted(file.name for file in (self.directory / "failpoints").iterdir())

    def arm(self, *names: str, victim: Path | None = None) -> None:
        for name in names:
            # Whole at once: nobody sees it armed without its victim.
            file = self.directory / f"{name}.new"
            file.write_text("" if victim is None else str(victim))
            file.rename(self.directory / "failpoints" / name)

    @property
    def log(self) -> Path:
        return self.directory / "log"

    async def until_logged(self, after: int, *words: str) -> None:
        """Look until some process has logged one of these, in what follows so many bytes."""
        async with asyncio.timeout(PATIENCE):
            while not any(each.encode() in self.log.read_bytes()[after:] for each in words):  # noqa: ASYNC110 - it sets no event
                await asyncio.sleep(0.05)

    def forget_deaths(self) -> None:
        for one in (self.api, self.projector, self.worker):
            one.deaths = 0

    @asynccontextmanager
    async def another_worker(self) -> AsyncIterator[None]:
        keeping = asyncio.create_task(Process(self.worker.arguments, self.environment, self.log).keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    def gesta(self, *arguments: str) -> str:
        return gesta(self.environment, *arguments)

    def sql(self, statement: str) -> str:
        return self.gesta("db", "psql", "--role", "system", "--no-psqlrc", "-qAt", "-c", statement)

    async def until_ended(self, id: str) -> Execution:
        return await self.client.wait(id, PATIENCE)

    async def topics(self, id: str) -> list[str]:
        return [item["topic"] for item in (await self.client.history(id, limit=200)).items]

    async def attempts(self, id: str) -> list[dict[str, Any]]:
        """Of the one AI task of an execution, as the API tells them."""
        headers = {"Authorization": f"Bearer {self.client.options.api_key}"}
        async with httpx2.AsyncClient(base_url=f"{self.url}/v1", headers=headers, timeout=30) as http:
            (task,) = (await http.get("/ai-tasks", params={"execution_id": id})).json()["items"]
            return list((await http.get(f"/ai-tasks/{task['id']}")).json()["attempts"])


def an_environment(directory: Path, model_url: str) -> dict[str, str]:
    """Of processes that work on the database in `directory`, with a port of their own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GESTA_") and name != "DATABASE_URL"}
    chosen = {name: os.environ[name] for name in ("GESTA_POSTGRES_BIN",) if name in os.environ}
    return {
        **inherited,
        **chosen,
        "GESTA_DATA_DIR": str(directory),
        "GESTA_PORT": str(port),
        "GESTA_AI_BASE_URL": model_url,
        "GESTA_AI_API_KEY": "sk-test",
        "GESTA_AI_MODEL": "openai:gpt-4o-mini",
        "GESTA_OUTBOUND_NETWORKS": "127.0.0.0/8",
        "GESTA_MASTER_KEY": b64encode(b"k" * KEY_BYTES).decode(),
    }


def url_of(environment: dict[str, str]) -> str:
    return f"http://127.0.0.1:{environment['GESTA_PORT']}"


@contextmanager
def database(directory: Path) -> Iterator[None]:
    """The embedded server that the processes in `directory` find running."""
    binaries = os.environ.get("GESTA_POSTGRES_BIN")
    with embedded(directory / "postgres", bin_directory=Path(binaries) if binaries else None, parameters={"autovacuum": "off"}):
        yield


@asynccontextmanager
async def platform(directory: Path, model_url: str) -> AsyncIterator[Platform]:
    environment = an_environment(directory, model_url)
    (directory / "failpoints").mkdir()
    environment[DIRECTORY] = str(directory / "failpoints")
    url = url_of(environment)
    working = ("worker", "--lease-seconds", str(LEASE_SECONDS))
    with database(directory):
        await asyncio.to_thread(gesta, environment, "db", "migrate")
        await asyncio.to_thread(gesta, environment, "db", "seed")
        await asyncio.to_thread(gesta, environment, "tenant", "create", "acme")
        key = (await asyncio.to_thread(gesta, environment, "key", "create", "--tenant", "acme")).strip()
        api, projector, worker = (Process(line, environment, directory / "log") for line in (("api",), ("projector",), working))
        async with AsyncClient(url, key) as client:
            made = Platform(url, directory, environment, api, projector, worker, client)
            keeping = [asyncio.create_task(one.keep()) for one in (api, projector, worker)]
            try:
                async with asyncio.timeout(PATIENCE):
                    await answering(url)
                    await client.apply(DEFINITION, publish=True)
                async with external_worker(made):
                    yield made
            finally:
                for task in keeping:
                    task.cancel()
                await asyncio.gather(*keeping, return_exceptions=True)


@asynccontextmanager
async def external_worker(platform: Platform) -> AsyncIterator[None]:
    worker = Worker(platform.client, lease_seconds=LEASE_SECONDS)

    @worker.task("work")
    async def work(input: Any) -> Any:
        platform.done.append(input)
        return input

    serving = asyncio.create_task(worker.serve())
    try:
        yield
    finally:
        worker.stop()
        await asyncio.wait_for(serving, PATIENCE)


async def answering(url: str) -> None:
    async with httpx2.AsyncClient() as http:
        while True:
            try:
                if (await http.get(f"{url}/readyz", timeout=5)).status_code == 200:
                    return
            except httpx2.TransportError:
                await asyncio.sleep(0.05)  # nobody listens there yet


def gesta(environment: dict[str, str], *arguments: str) -> str:
    """What the `gesta` command prints. Fails with its words where it does."""
    ended = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout

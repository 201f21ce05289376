"""python -m examples.declarations PATH [--limit N] [--in-flight 32] [--payments-by-worker] [--url URL …] [--processes N]

Needs a running `gesta up` (GESTA_URL, default http://127.0.0.1:8080) and the database it serves. GESTA_API_KEY is a platform key;
without one, `gesta key create --platform` is asked for it. With several addresses, each call goes to the next of them.

With --processes N it starts a platform of its own instead, of N APIs, N projectors and N workers; calls go to the APIs in turns,
and in the end `gesta verify` and `gesta replay` must find everything in order as well.

Exits 0 if the tables say what the log says, 1 if they differ.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from client import AsyncClient
from examples.declarations import by_worker as payments
from examples.declarations.compare import QUESTIONS, VARIANTS, Figures, Question, differences, expected
from examples.declarations.log import Case, read_cases
from examples.declarations.player import Api, Script, Stage, play, set_up
from examples.declarations.turns import InTurns
from examples.processes import platform

SHOWN = 12  # rows of a long comparison that are printed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.declarations", description=__doc__)
    parser.add_argument("path", type=Path, metavar="PATH", help="the event log, a CSV, gzipped or not")
    parser.add_argument("--limit", type=int, help="play only the first N cases")
    parser.add_argument("--in-flight", type=int, default=32, help="cases played at the same time")
    parser.add_argument("--payments-by-worker", action="store_true", help="payments are tasks, done by a worker in this process")
    parser.add_argument("--url", action="append", help="where an API is; may be given several times")
    parser.add_argument("--processes", type=int, help="start a platform of so many processes of each kind")
    arguments = parser.parse_args()
    cases = read_cases(arguments.path, arguments.limit)
    if not arguments.processes:
        urls = arguments.url or [os.environ.get("GESTA_URL", "http://127.0.0.1:8080")]
        return 0 if _played(cases, urls, arguments) else 1
    with tempfile.TemporaryDirectory(prefix="gesta-declarations-") as folder, platform(Path(folder), arguments.processes) as own:
        for name in ("DATABASE_URL", *(name for name in os.environ if name.startswith("GESTA_"))):
            os.environ.pop(name, None)
        os.environ |= own.environment
        codes = [0 if _played(cases, own.urls, arguments) else 1]
        for words in (("verify",), ("replay",)):
            ended = own.gesta(*words)
            print(f"gesta {' '.join(words)}: exit {ended.returncode}\n{ended.stdout}{ended.stderr}", end="")
            codes.append(ended.returncode)
    return int(any(codes))


def _played(cases: list[Case], urls: Sequence[str], arguments: argparse.Namespace) -> bool:
    """Whether the tables say what the log says, when it is played."""
    console = Console()
    by_worker = arguments.payments_by_worker
    stage = asyncio.run(_play(console, cases, urls, arguments.in_flight, by_worker=by_worker))
    questions = payments.questions(QUESTIONS) if by_worker else QUESTIONS
    log = payments.expected_by_worker(cases) if by_worker else expected(cases)
    same = _compare(console, log, asyncio.run(_ask(stage, questions)))
    console.print("the tables say what the log says" if same else "[bold red]the tables and the log differ")
    return same


async def _play(console: Console, cases: list[Case], urls: Sequence[str], in_flight: int, *, by_worker: bool) -> Stage:
    script = payments.SCRIPT if by_worker else Script()
    steps = sum(len(script.decisions(case)) for case in cases)
    at = f", {len(urls)} APIs in turns" if len(urls) > 1 else ""
    console.print(f"{len(cases):,} cases, {steps:,} steps, {in_flight} cases in flight{at}")
    limits = httpx2.Limits(max_connections=in_flight + 4, max_keepalive_connections=in_flight + 4)
    columns = (TextColumn("playing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with (
        httpx2.AsyncClient(base_url=urls[0], transport=InTurns(urls, limits), timeout=30) as http,
        AsyncExitStack() as stack,
    ):
        api = Api(http)
        stage = await set_up(api, os.environ.get("GESTA_API_KEY") or _platform_key(), script)
        if by_worker:
            for url in urls:
                client = AsyncClient(url, stage.keys["payments"])
                await stack.enter_async_context(_payment_system(client, api, stage, cases))
        begun, before = time.monotonic(), api.commands
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("steps", total=steps)
            await play(api, stage, cases, in_flight, lambda taken: progress.update(bar, advance=taken))
        seconds, commands = time.monotonic() - begun, api.commands - before
        await _until_current(http, stage)
    console.print(f"{commands:,} commands in {seconds:.1f} s: {commands / seconds:,.0f} commands/s")
    return stage


async def _until_current(http: httpx2.AsyncClient, stage: Stage) -> None:
    """Until the tables show all that was played: a read waits for that, and says where it waited in vain."""
    headers = {"Authorization": f"Bearer {stage.keys['employee']}"}
    while "Gesta-Stale" in (await http.get("/v1/executions", params={"limit": 1}, headers=headers)).headers:
        pass  # asking waits in itself


@asynccontextmanager
async def _payment_system(client: AsyncClient, api: Api, stage: Stage, cases: list[Case]) -> AsyncIterator[None]:
    """A worker for as long as the log is played, and until nothing is left for it to do."""
    worker = payments.worker(client, cases)
    serving = asyncio.create_task(worker.serve())
    yield
    asked = {"workflow_key": stage.script.definition["key"], "node_id": "paying", "limit": 1}
    while (await api.call("GET", "/executions", stage.keys["employee"], params=asked))["items"]:  # noqa: ASYNC110  what the tables say is asked
        await asyncio.sleep(0.2)
    worker.stop()
    await serving


def _platform_key() -> str:
    command = [str(Path(sys.executable).with_name("gesta")), "key", "create", "--platform"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]


async def _ask(stage: Stage, questions: tuple[Question, ...]) -> Mapping[str, Figures]:
    """The tables' answers, asked as `gesta_api` with the tenant set."""
    from runtime.addresses import resolve
    from runtime.settings import Settings

    with resolve(Settings()) as addresses:
        async with await psycopg.AsyncConnection.connect(addresses.api) as connection:
            await connection.execute("SELECT set_config('gesta.tenant_id', %s, false)", (stage.tenant_id,))
            return {question.title: dict(await (await connection.execute(question.sql)).fetchall()) for question in questions}


def _compare(console: Console, expectations: Mapping[str, Figures], tables: Mapping[str, Figures]) -> bool:
    same = True
    for title, log in expectations.items():
        wrong = differences(log, tables[title])
        same = same and not wrong
        table = Table("", "log", "tables", title=title, title_justify="left")
        shown = wrong or sorted(((k, v, tables[title].get(k)) for k, v in log.items()), key=lambda row: -row[1])
        for label, left, right in shown[:SHOWN]:
            table.add_row(_short(label, title), _figure(left), _figure(right), style="red" if wrong else None)
        if len(shown) > SHOWN:
            rest = shown[SHOWN:]
            table.add_row(f"… {len(rest)} more", _figure(sum(r[1] or 0 for r in rest)), _figure(sum(r[2] or 0 for r in rest)))
        console.print(table)
    return same


def _short(label: str, title: str) -> str:
    return label if title != VARIANTS.title or len(label) < 80 else label[:77] + "…"


def _figure(value: int | float | None) -> str:
    return "–" if value is None else f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"


if __name__ == "__main__":
    sys.exit(main())

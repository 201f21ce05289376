"""A ledger of millions: rebuilt, verified, listed and looked back into, each as a process of its own, with its peak memory.

The ledgers are copies of an execution that was really played (`bench.copied`). The tables that serve begin without its rows: they
are said to stand at the ledgers' ends, and the first rebuild fills them, its differences accepted.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

import httpx2
import psycopg

from bench import copied
from bench.figures import Lost, Rates, Result
from bench.http import Api
from bench.sizes import Sizes
from bench.stage import Stage
from examples.server import Server
from projections.registry import TABLES
from runtime.addresses import resolve
from runtime.settings import Settings

STAND = """
UPDATE projections.freshness f SET position = e.position, recorded_at = e.recorded_at, version = e.position
  FROM (SELECT DISTINCT ON (tenant_id) tenant_id, position, recorded_at FROM ledger.events ORDER BY tenant_id, position DESC) e
 WHERE e.tenant_id = f.tenant_id
"""
LISTS = ("/executions?limit=200", "/audit-logs?limit=200", "/approvals?limit=200", "/executions?limit=200&status=completed")
PAGES = 20
SOON = timedelta(minutes=1)


class Ended(NamedTuple):
    """A process that did its work."""

    seconds: float
    megabytes: int
    """Of memory at its peak; of its own processes the largest."""
    said: str


def measured(server: Server, *arguments: str) -> Ended:
    """Raises Lost where it fails."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([server.program, *arguments], env=server.environment, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        said.seek(0)
        words = said.read().decode()
    if status != 0:
        raise Lost(f"gesta {' '.join(arguments)}: {status}: {words[-2000:]}")
    return Ended(time.perf_counter() - begun, usage.ru_maxrss // 1024, words)


@contextmanager
def superuser(server: Server) -> Iterator[psycopg.Connection[Any]]:
    """While the database alone runs."""
    with resolve(Settings(data_dir=Path(server.environment["GESTA_DATA_DIR"]))) as addresses:
        assert addresses.embedded is not None
        with psycopg.connect(addresses.embedded.url("postgres"), autocommit=True) as conn:
            yield conn


def play(server: Server, tenants: int) -> list[UUID]:
    """So many tenants with one execution each."""
    found = []
    for number in range(tenants):
        api = Api(server, 1, f"bench-{number}")
        api.set_up()
        api.starts_a_second(1)
        api.decisions_a_second()
        found.append(UUID(api.tenant_id))
    return found


def looked_back(client: httpx2.Client) -> Iterator[tuple[str, float]]:
    """Of each question about the past, asked of the newest execution at a moment soon after it started, the seconds."""
    newest = client.get("/executions?limit=1").json()["items"][0]
    moment = quote((datetime.fromisoformat(newest["started_at"]) + SOON).isoformat())
    for name, path in (
        ("an execution as it stood", f"/executions/{newest['id']}?as_of={moment}"),
        ("its row as it stood", f"/tables/workflow_executions/{newest['id']}?as_of={moment}"),
        ("what made its row", f"/tables/workflow_executions/{newest['id']}/history"),
        ("its timeline", f"/executions/{newest['id']}/timeline"),
        ("who might have started it", f"/permissions/history?permission=executions:start&as_of={moment}"),
    ):
        begun = time.perf_counter()
        answer = client.get(path)
        seconds = time.perf_counter() - begun
        if answer.status_code != 200:
            raise Lost(f"{path}: {answer.status_code} {answer.text[:300]}")
        yield name, seconds


def connected(server: Server, tenant: str) -> httpx2.Client:
    key = server.gesta("key", "create", "--platform").stdout.split()[-1]
    headers = {"Authorization": f"Bearer {key}", "Gesta-Tenant": tenant}
    return httpx2.Client(base_url=f"{server.url}/v1", headers=headers, timeout=60)


def pages(client: httpx2.Client) -> Iterator[tuple[str, float, float]]:
    """Of each list, the seconds of its first page and of the slowest of its next ones."""
    for path in LISTS:
        seconds, cursor = [], ""
        for _ in range(PAGES):
            begun = time.perf_counter()
            answer = client.get(f"{path}{cursor}")
            seconds.append(time.perf_counter() - begun)
            if answer.status_code != 200:
                raise Lost(f"{path}: {answer.status_code} {answer.text[:300]}")
            after = answer.json().get("next_cursor")
            if after is None:
                break
            cursor = f"&cursor={after}"
        yield path, seconds[0], max(seconds)


def bench(_on: Stage, sizes: Sizes) -> Result:
    """The stage is not used: this has a server of its own, whose data may take some 4 GB a million events."""
    with tempfile.TemporaryDirectory(prefix="gesta-bench-", dir=os.environ.get("GESTA_BENCH_DIR")) as directory:
        server = Server(Path(directory))
        server.start()
        try:
            tenants = play(server, sizes.million_tenants)
        finally:
            server.stop()
        begun = time.perf_counter()
        with superuser(server) as conn:
            for tenant_id in tenants:
                copied.fill(conn, tenant_id, sizes.millions // len(tenants))
            conn.execute("VACUUM ANALYZE ledger.events")
            conn.execute(STAND)
            (events,) = conn.execute("SELECT count(*) FROM ledger.events").fetchone() or (0,)
            rates = [Rates("copied", (events / (time.perf_counter() - begun),))]
            notes = []
            accepted = [word for table in TABLES for word in ("--accept", table.name)]
            one = ("--tenant", str(tenants[0]))
            middle = str(sizes.millions // len(tenants) // 2)
            for name, arguments, share in (
                ("rebuilt", ("rebuild", *accepted, "--processes", str(sizes.million_processes)), 1),
                ("verified", ("verify",), 1),
                ("folded as of the middle of one", ("replay", *one, "--position", middle), len(tenants) * 2),
            ):
                ended = measured(server, *arguments)
                rates.append(Rates(name, (events / share / ended.seconds,)))
                notes.append(f"{name}: {ended.seconds:,.0f} s, {ended.megabytes} MB at the peak")
                print(notes[-1], flush=True)
            size = conn.execute("SELECT pg_size_pretty(pg_database_size(current_database()))").fetchone() or ("",)
            notes.append(f"the database takes {size[0]}")
        server.start()
        try:
            with connected(server, "bench-0") as client:
                found = list(pages(client))
                back = list(looked_back(client))
        finally:
            server.stop()
        notes += [f"{path}: first page {one * 1000:.0f} ms, slowest of {PAGES} {most * 1000:.0f} ms" for path, one, most in found]
    notes += [f"{name}: {seconds * 1000:.0f} ms" for name, seconds in back]
    return Result(f"events a second, of {events:,}", rates, [], notes)

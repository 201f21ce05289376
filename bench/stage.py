"""Where the benches run: a PostgreSQL of their own, durable as by default, with a database for each side."""

import asyncio
import os
import platform
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import uvloop
from psycopg import sql

from cli.preparing import prepare
from runtime.addresses import Addresses, embedded_addresses
from runtime.postgres import EmbeddedServer, embedded

T = TypeVar("T")

LIBRARY = "bench_library"
RAW = "bench_raw"
NO_SYNC_ROLE = "bench_no_sync"
"""A login whose commits do not wait for the disk: for the library's projections, because ours do not either."""

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@dataclass(frozen=True)
class Stage:
    server: EmbeddedServer
    addresses: Addresses
    props: ExitStack
    """What benches share from when it is first needed; it goes with the stage."""
    shared: dict[str, Any] = field(default_factory=dict)

    def share(self, name: str, make: Callable[[], AbstractContextManager[T]]) -> T:
        """The one of that name, made if it is not there."""
        if name not in self.shared:
            self.shared[name] = self.props.enter_context(make())
        found: T = self.shared[name]
        return found

    def superuser(self, dbname: str) -> str:
        return self.server.url("postgres", dbname)


@contextmanager
def stage(*, durable: bool = True) -> Iterator[Stage]:
    """A server in a temporary directory, with Gesta's database migrated and seeded. Raises RuntimeError if it isn't durable.

    `durable=False` is for tests of the benches, whose figures are nobody's.
    """
    with (
        tempfile.TemporaryDirectory(prefix="gesta-bench-") as directory,
        embedded(Path(directory) / "postgres", durable=durable) as server,
    ):
        addresses = embedded_addresses(server)
        with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as connection:
            for name in (LIBRARY, RAW):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            role = sql.Identifier(NO_SYNC_ROLE)
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER").format(role))
            connection.execute(sql.SQL("ALTER ROLE {} SET synchronous_commit = off").format(role))
            for name, wanted in DURABLE.items() if durable else ():
                found = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
                if found != (wanted,):
                    raise RuntimeError(f"{name} is {found}, not {wanted}: these would not be figures of a durable server")
        run(prepare(addresses))
        with ExitStack() as props:
            yield Stage(server, addresses, props)


def run(work: Coroutine[Any, Any, T]) -> T:
    """In an event loop as the server's."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def machine(on: Stage) -> str:
    with psycopg.connect(on.superuser("postgres")) as connection:
        version = connection.info.server_version // 10000
    return (
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, PostgreSQL {version}, client and server on this machine, "
        + ", ".join(f"{name} {value}" for name, value in DURABLE.items())
    )

"""What every test may ask for.

``database``: a fresh, migrated database of your own on a real PostgreSQL, for one test. It has the addresses of the
three roles (``owner_url``, ``system_url``, ``api_url``) and of the superuser (``superuser_url``, for looking into the
catalogs, never for the product's own work)::

    from tests.conftest import Database

    async def test_something(database: Database) -> None:
        async with await psycopg.AsyncConnection.connect(database.system_url) as connection: ...

Where ``gesta`` or ``acme`` are asked for as well (see tests/api/conftest.py), it is a copy of one in which the platform, or that
tenant too, stand already: to make them anew for each test would take longer than most of them.

``empty_database``: the same without the migrations. ``postgres``: the server itself, one for each pytest worker, which
lives as long as the session. It does not sync to disk; a test about durability starts a server of its own.
"""

import asyncio
import gc
import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from domain.aggregates import AGGREGATES
from runtime import functions, migrations, pools, process
from runtime.postgres import EmbeddedServer, embedded
from store.cache import Kinds, StreamState
from store.loader import PastEvent
from store.state_codec import codecs_of

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes. The servers and databases of a whole run take about a quarter of it."""
TEMPLATE = "gesta_template"
SEEDED = ("seeded_story", "seeded_claims", "seeded_acme", "seeded")
"""Fixtures that name, first of all, the database from which a test's own is copied if they are among what it asks for."""
NUMBERS = itertools.count(1)
MAKING: dict[Path, psycopg.Connection[Any]] = {}
"""By the directory of a server's socket: the connection over which its databases are made and dropped."""
LeftIn: TypeAlias = Callable[[StreamState, object, Sequence[PastEvent], Kinds], StreamState]


def pytest_configure() -> None:
    """Temporary directories lie in memory where there is room: a database is cloned there in a tenth of the time."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    process.tune()  # as Gesta's own processes are


def pytest_collection_finish() -> None:
    """What was imported and collected stays: to look for garbage there, again and again, took a tenth of the time."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is for the night is left out by day."""
    if os.environ.get("GESTA_TEST_ALL"):
        return
    left = [item for item in items if item.get_closest_marker("nightly")]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What a test has to say although it passed: `record_property("said", …)`, also from a worker of pytest-xdist."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "said":
                terminalreporter.write_line(str(value))


@dataclass(frozen=True)
class Database:
    """One test's database. The addresses are libpq URLs."""

    name: str
    server: EmbeddedServer

    @property
    def owner_url(self) -> str:
        return self.server.url("gesta_owner", self.name)

    @property
    def system_url(self) -> str:
        return self.server.url("gesta_system", self.name)

    @property
    def listen_url(self) -> str:
        """For LISTEN: never through a pooler."""
        return self.system_url

    @property
    def api_url(self) -> str:
        return self.server.url("gesta_api", self.name)

    @property
    def superuser_url(self) -> str:
        return self.server.url("postgres", self.name)


@pytest.fixture(scope="session", autouse=True)
def no_state_is_taken_on_trust() -> Iterator[LeftIn]:
    """What decisions say of the states they leave is compared with the fold, in every test: a wrong one would stay unseen
    in a cache until it is decided upon. And each of them can be stored as a snapshot, and comes back equal. Yields the method
    as it is without that."""
    trusting, codecs = StreamState.left_in, codecs_of(AGGREGATES)

    def left_in(tip: StreamState, state: object, pasts: Sequence[PastEvent], kinds: Kinds) -> StreamState:
        left = trusting(tip, state, pasts, kinds)
        assert left == tip.after(pasts, kinds), "a decision is wrong about the state that it leaves"
        if left.aggregate is not None and left.aggregate.name in codecs:
            codecs[left.aggregate.name].to_bytes(left.state)
        return left

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StreamState, "left_in", left_in)
        yield trusting


@pytest.fixture(scope="session", autouse=True)
def no_connection_is_opened_before_it_is_needed() -> Iterator[None]:
    """By the processes that run in tests: each connection costs the server as much as many a test's requests do. Pools grow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pools, "WARM", 1)
        yield


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server for this worker. GESTA_POSTGRES_BIN chooses another version than the wheel's."""
    chosen = os.environ.get("GESTA_POSTGRES_BIN")
    home = tmp_path_factory.mktemp("postgres")
    parameters = {"synchronous_commit": "off", "autovacuum": "off", "max_wal_size": "512MB"}
    with (
        embedded(home, bin_directory=Path(chosen) if chosen else None, parameters=parameters, durable=False) as server,
        psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as making,
    ):
        MAKING[server.socket_directory] = making
        yield server
        del MAKING[server.socket_directory]


@pytest.fixture(scope="session")
def template(postgres: EmbeddedServer) -> str:
    """The name of a database with all migrations applied and nobody connected."""
    create_database(postgres, TEMPLATE, "gesta")
    with psycopg.connect(postgres.url("gesta_owner", TEMPLATE), autocommit=True) as connection:
        migrations.migrate(connection, migrations.load(), functions.load())
    return TEMPLATE


@pytest.fixture(scope="session")
def seeded(postgres: EmbeddedServer, template: str) -> tuple[str, str]:
    """The name of a database with the platform in its ledger and in its tables, and the platform's key."""
    from tests.api.conftest import platform_at_rest  # tests without HTTP do without all that it imports

    create_database(postgres, "gesta_seeded", template)
    return "gesta_seeded", asyncio.run(platform_at_rest(Database("gesta_seeded", postgres)))


@pytest.fixture(scope="session")
def seeded_acme(postgres: EmbeddedServer, seeded: tuple[str, str]) -> tuple[str, UUID]:
    """The name of a database with the tenant that `acme` of tests/api/conftest.py is, too, and its id."""
    from tests.api.conftest import acme_at_rest

    name, token = seeded
    create_database(postgres, "gesta_seeded_acme", name)
    return "gesta_seeded_acme", asyncio.run(acme_at_rest(Database("gesta_seeded_acme", postgres), token))


@pytest.fixture
def database(postgres: EmbeddedServer, template: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh database with all migrations applied, and with what the test's other fixtures count on."""
    wanted = [name for name in SEEDED if name in request.fixturenames]
    origin = request.getfixturevalue(wanted[0])[0] if wanted else template
    with temporary_database(postgres, origin) as made:
        yield made


@pytest.fixture
def empty_database(postgres: EmbeddedServer) -> Iterator[Database]:
    """A fresh database as the launcher leaves it: roles, and nothing in it."""
    with temporary_database(postgres, "gesta") as made:
        yield made


@contextmanager
def temporary_database(server: EmbeddedServer, copied_from: str) -> Iterator[Database]:
    made = Database(f"test_{next(NUMBERS)}", server)
    create_database(server, made.name, copied_from)
    try:
        yield made
    finally:
        with making_databases(server) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(made.name)))


def create_database(server: EmbeddedServer, name: str, copied_from: str) -> None:
    statement = sql.SQL("CREATE DATABASE {} OWNER gesta_owner TEMPLATE {} STRATEGY FILE_COPY")
    with making_databases(server) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(copied_from)))


@contextmanager
def making_databases(server: EmbeddedServer) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection, to no test's database."""
    kept = MAKING.get(server.socket_directory)
    if kept is not None and not kept.closed:
        yield kept
    else:
        with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as connection:
            yield connection

"""Both sides of a comparison: the live database, and a database made from the migrations and dropped afterwards."""

import secrets
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from runtime import functions, migrations
from runtime.drift.catalog import Catalog, read_catalog, schemas_of
from runtime.drift.compare import Drift, compare, role_drifts
from runtime.errors import OperatorError
from runtime.functions import Function
from runtime.migrations import Migration
from runtime.postgres import embedded
from runtime.postgres.binaries import find_binaries
from runtime.settings import Settings

PREFIX = "gesta_shadow_"
# Whatever a template was given stays out; any locale will do, and this one fits every encoding.
CREATE = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
DROP = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
MAY_CREATE = "SELECT rolcreatedb OR rolsuper, rolname::text FROM pg_roles WHERE rolname = session_user"

GENERATIONS = ("projections_next", "projections_old")
"""Projected tables that are being built, and those that served before."""


@dataclass(frozen=True)
class Sides:
    """What the migrations say and what is there, both at the last migration and with the functions that the live one knows."""

    expected: Catalog
    found: Catalog
    pending: Sequence[Migration | Function]
    roles: Sequence[Drift]

    def drifts(self) -> list[Drift]:
        behind = [
            Drift("function file", each.name, "applied", "pending")
            if isinstance(each, Function)
            else Drift("migration", str(each), "applied", "pending")
            for each in self.pending
        ]
        return [*behind, *self.roles, *compare(self.expected, self.found)]


def both_sides(
    settings: Settings, known: Sequence[Migration], but_not: Collection[str] = (), known_functions: Sequence[Function] = ()
) -> Sides:
    """Read the live database and a shadow of it. ``but_not``: schemas to leave out.

    Raises OperatorError where the live database is out of reach, knows other migrations, or no shadow can be made.
    """
    with _live(settings) as (live, maintenance):
        statuses = migrations.status(live, known)
        applied = [status.migration for status in statuses if status.applied_at is not None]
        given = functions.history(live)
        with _shadow(live, maintenance, settings.postgres_bin) as shadow:
            if applied:
                migrations.migrate(shadow, applied, functions.recorded(given))
            expected = read_catalog(shadow, but_not=but_not)
        found = read_catalog(live, schemas_of(expected), [*but_not, *GENERATIONS])
        pending: list[Migration | Function] = [*known[len(applied) :], *functions.pending(given, known_functions)]
        return Sides(expected, found, pending, role_drifts(live))


@contextmanager
def live_owner(settings: Settings) -> Iterator[Connection[TupleRow]]:
    with _live(settings) as (live, _):
        yield live


@contextmanager
def with_wanted(
    settings: Settings, known: Sequence[Migration], known_functions: Sequence[Function]
) -> Iterator[tuple[Connection[TupleRow], Catalog, Catalog]]:
    """The live database, what is there, and what all of these files make, whatever it was given before."""
    with _live(settings) as (live, maintenance):
        with _shadow(live, maintenance, settings.postgres_bin) as shadow:
            migrations.migrate(shadow, known, known_functions)
            wanted = read_catalog(shadow)
        yield live, read_catalog(live, schemas_of(wanted), GENERATIONS), wanted


@contextmanager
def _live(settings: Settings) -> Iterator[tuple[Connection[TupleRow], str]]:
    """The database as its owner, and the address at which a database can perhaps be made."""
    with ExitStack() as stack:
        if settings.is_embedded:
            server = stack.enter_context(embedded(settings.data_dir / "postgres", bin_directory=settings.postgres_bin))
            # Our own server's superuser makes the shadow; it is migrated as gesta_owner, like every database.
            live, maintenance = server.url("gesta_owner"), server.url("postgres")
        elif settings.database_url is None:
            raise OperatorError("DATABASE_URL is not set: it is the connection string of a login as gesta_owner.")
        else:
            live = maintenance = settings.database_url.get_secret_value()
        yield stack.enter_context(migrations.owner_connection(live)), maintenance


@contextmanager
def _shadow(live: Connection[TupleRow], maintenance: str, programs: Path | None) -> Iterator[Connection[TupleRow]]:
    """An empty database: on the same server where that is allowed, else on one of our own of the same major version."""
    with migrations.owner_connection(maintenance) as maker:
        row = maker.execute(MAY_CREATE).fetchone()
        assert row is not None
        if row[0]:
            with _beside(maker, maintenance) as shadow:
                yield shadow
            return
    major = live.info.server_version // 10_000
    found = find_binaries(programs).major
    if found != major:
        raise OperatorError(
            f"{row[1]} may not create databases, so the shadow needs a server here, and PostgreSQL {found} deparses otherwise "
            f"than the live {major}: ALTER ROLE {row[1]} CREATEDB, or point GESTA_POSTGRES_BIN at PostgreSQL {major}'s programs."
        )
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX) as directory,
        embedded(Path(directory), bin_directory=programs, durable=False) as server,
        migrations.owner_connection(server.url("gesta_owner")) as shadow,
    ):
        yield shadow


@contextmanager
def _beside(maker: Connection[TupleRow], address: str) -> Iterator[Connection[TupleRow]]:
    name = f"{PREFIX}{secrets.token_hex(4)}"
    try:
        maker.execute(CREATE.format(sql.Identifier(name)))
    except psycopg.Error as error:
        raise OperatorError(f"No shadow database: {error.diag.message_primary or error}") from error
    try:
        with migrations.owner_connection(make_conninfo(address, dbname=name)) as shadow:
            yield shadow
    finally:
        maker.execute(DROP.format(sql.Identifier(name)))

"""The migrations: numbered SQL, up and down, each in a transaction of its own, one runner at a time. Then the functions' files.

``migrations/NNNN_name.up.sql`` and ``NNNN_name.down.sql``, numbered 1, 2, 3 … without gaps. What was applied is written
in ``gesta_meta.migrations`` with the checksum of its up file: a published migration never changes.
"""

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from psycopg import Connection, Error, OperationalError, sql
from psycopg.rows import TupleRow, class_row

from runtime import analysts, connecting
from runtime import functions as function_files
from runtime.errors import OperatorError
from runtime.functions import Function
from runtime.limits import set_limits
from runtime.poolers import is_pooled, refuse_shared_servers
from runtime.roles import refuse_old_server

logger = logging.getLogger(__name__)

DIRECTORY = Path(__file__).resolve().parents[2] / "migrations"
FILE_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.(?P<direction>up|down)\.sql")
OWNER = "gesta_owner"
ADVISORY_LOCK = 0x6765737461  # "gesta"

CREATE_TABLE = """
CREATE SCHEMA IF NOT EXISTS gesta_meta;
COMMENT ON SCHEMA gesta_meta IS 'What the migration runner knows about this database.';
CREATE TABLE IF NOT EXISTS gesta_meta.migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE gesta_meta.migrations IS 'The migrations applied to this database.';
COMMENT ON COLUMN gesta_meta.migrations.version IS 'The number in the file''s name.';
COMMENT ON COLUMN gesta_meta.migrations.name IS 'The words in the file''s name.';
COMMENT ON COLUMN gesta_meta.migrations.checksum IS 'SHA-256 of the up file as it was applied, in hexadecimal.';
COMMENT ON COLUMN gesta_meta.migrations.applied_at IS 'When it was applied.';
"""
LOCK = "SELECT pg_advisory_lock(%s)"
TRY_LOCK = "SELECT pg_try_advisory_lock(%s)"
# any login may take such a lock: whoever has it is named
HOLDER = """
SELECT l.pid, coalesce(a.usename::text, '?'), coalesce(nullif(a.application_name, ''), '?')
  FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.classid = (%(key)s::int8 >> 32)::oid AND l.objid = (%(key)s::int8 & 4294967295)::oid
"""
UNLOCK = "SELECT pg_advisory_unlock(%s)"
TABLE_EXISTS = "SELECT to_regclass('gesta_meta.migrations') IS NOT NULL"
APPLIED = "SELECT version, name, checksum, applied_at FROM gesta_meta.migrations ORDER BY version"
RECORD = "INSERT INTO gesta_meta.migrations (version, name, checksum) VALUES (%s, %s, %s)"
FORGET = "DELETE FROM gesta_meta.migrations WHERE version = %s"
FORGET_ABOVE = "DELETE FROM gesta_meta.migrations WHERE version > %s"
RECORD_ANEW = """
INSERT INTO gesta_meta.migrations AS m (version, name, checksum) VALUES (%s, %s, %s)
    ON CONFLICT (version) DO UPDATE SET name = EXCLUDED.name, checksum = EXCLUDED.checksum, applied_at = clock_timestamp()
 WHERE (m.name, m.checksum) <> (EXCLUDED.name, EXCLUDED.checksum)
"""
ROLE_EXISTS = "SELECT 1 FROM pg_roles WHERE rolname = %s"
WHO = "SELECT session_user::text, current_database()::text"
MAY_SET_ROLE = "SELECT pg_has_role(session_user, %s, %s)"
OWNER_MAY_CREATE = "SELECT has_database_privilege(%s, current_database(), 'CREATE')"


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    up: str
    down: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.up.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.version:04}_{self.name}"


@dataclass(frozen=True)
class Applied:
    """A row of gesta_meta.migrations."""

    version: int
    name: str
    checksum: str
    applied_at: datetime


@dataclass(frozen=True)
class MigrationStatus:
    """One migration, and since when it is applied (None: pending)."""

    migration: Migration
    applied_at: datetime | None


@cache
def newest_migration() -> int:
    """The number of the last one that this release knows."""
    return max(int(path.name[:4]) for path in DIRECTORY.glob("*.up.sql"))


def load(directory: Path = DIRECTORY) -> tuple[Migration, ...]:
    """The migrations of a directory in order. Raises OperatorError for a stray file, a missing half or a gap."""
    halves: dict[tuple[int, str], dict[str, str]] = {}
    for path in sorted(directory.glob("*.sql")):
        parts = FILE_NAME.fullmatch(path.name)
        if parts is None:
            raise OperatorError(f"{path.name} in {directory} is not named NNNN_name.up.sql or NNNN_name.down.sql.")
        halves.setdefault((int(parts["version"]), parts["name"]), {})[parts["direction"]] = path.read_text("utf-8")
    found = []
    for expected, ((version, name), texts) in enumerate(sorted(halves.items()), start=1):
        if version != expected:
            raise OperatorError(
                f"Migrations in {directory} are numbered 1, 2, 3 …: {expected:04} expected, {version:04}_{name} found."
            )
        missing = {"up", "down"} - texts.keys()
        if missing:
            raise OperatorError(f"Migration {version:04}_{name} has no {missing.pop()} file.")
        found.append(Migration(version, name, texts["up"], texts["down"]))
    if not found:
        raise OperatorError(f"There are no migrations in {directory}.")
    return tuple(found)


@contextmanager
def owner_connection(url: str) -> Iterator[Connection[TupleRow]]:
    """A connection as ``migrate`` wants it. Raises OperatorError when it cannot be had."""
    try:
        connection = Connection.connect(url, autocommit=True, **connecting.parameters("gesta db"))
    except OperationalError as error:
        raise OperatorError(f"No connection to the database: {connecting.words(error, url)}") from error
    with connection:
        refuse_old_server(connection)
        if is_pooled(connection):
            refuse_shared_servers(url, "DATABASE_URL", "a migration could not keep its lock")
        yield connection


def migrate(
    connection: Connection[TupleRow], migrations: Sequence[Migration], functions: Sequence[Function] = ()
) -> list[Migration | Function]:
    """Apply what is pending, oldest first, then the functions that have changed. Returns what was applied now."""
    with _exclusively(connection):
        pending = migrations[_count_applied(connection, migrations) :]
        for migration in pending:
            with _one_step(connection, migration):
                connection.execute(migration.up.encode())
                connection.execute(RECORD, [migration.version, migration.name, migration.checksum])
        changed = function_files.apply(connection, functions) if functions else []
        set_limits(connection)
        analysts.let_read(connection)
    analysts.forbid_temporary_tables(connection)
    return [*pending, *changed]


def rollback(connection: Connection[TupleRow], migrations: Sequence[Migration], to: int | None = None) -> list[Migration]:
    """Take back the last migration, or every one above version ``to``, newest first, and the functions that came with it.

    Returns the migrations that were taken back.
    """
    with _exclusively(connection):
        count = _count_applied(connection, migrations)
        target = max(count - 1, 0) if to is None else to
        if not 0 <= target <= count:
            raise OperatorError(f"Cannot roll back to {target}: {count} migrations are applied.")
        undone = list(reversed(migrations[target:count]))
        for migration in undone:
            with _one_step(connection, migration):
                function_files.restore(connection, migration.version)
                connection.execute(migration.down.encode())
                connection.execute(FORGET, [migration.version])
        return undone


def status(connection: Connection[TupleRow], migrations: Sequence[Migration]) -> list[MigrationStatus]:
    """Where every migration stands. Writes nothing, waits for nobody; raises as ``migrate`` does where history differs."""
    applied = _applied(connection)
    _refuse_other_history(applied, migrations)
    since = {row.version: row.applied_at for row in applied}
    return [MigrationStatus(migration, since.get(migration.version)) for migration in migrations]


def adopt(
    connection: Connection[TupleRow],
    migrations: Sequence[Migration],
    statements: Sequence[str],
    functions: Sequence[Function] = (),
) -> None:
    """Execute what leads from the schema that is there to the one of these migrations, and record them in the place of what was
    applied: for a database of development, whose history was written anew. All of it or nothing; then the functions."""
    with _exclusively(connection):
        try:
            with connection.transaction():
                for statement in statements:
                    connection.execute(statement.encode())
                connection.execute(FORGET_ABOVE, [len(migrations)])
                for each in migrations:
                    connection.execute(RECORD_ANEW, [each.version, each.name, each.checksum])
        except Error as error:
            raise OperatorError(f"Nothing was changed: {error.diag.message_primary or error}.") from error
        if functions:
            function_files.apply(connection, functions)
        set_limits(connection)


def has_other_history(connection: Connection[TupleRow], migrations: Sequence[Migration]) -> bool:
    """Whether other migrations were applied than the first of these, word for word."""
    try:
        _refuse_other_history(_applied(connection), migrations)
    except OperatorError:
        return True
    return False


@contextmanager
def _exclusively(connection: Connection[TupleRow]) -> Iterator[None]:
    """Hold the session's advisory lock, as the owner, with the runner's own table in place."""
    if not connection.autocommit:
        raise ValueError("the migration runner wants a connection in autocommit: it makes its own transactions")
    if connection.execute(TRY_LOCK, [ADVISORY_LOCK]).fetchone() == (False,):
        analysts.end_holders(connection, ADVISORY_LOCK)
        if (holder := connection.execute(HOLDER, {"key": ADVISORY_LOCK}).fetchone()) is not None:
            pid, login, application = holder
            logger.warning(
                "Waiting for database process %s (%s, %s), which holds the migration lock",
                pid,
                login,
                application,
                extra={"action": "migrate.wait"},
            )
        connection.execute(LOCK, [ADVISORY_LOCK])
    try:
        become_owner(connection)
        if connection.execute(TABLE_EXISTS).fetchone() == (False,):
            with connection.transaction():
                connection.execute(CREATE_TABLE)
        yield
    finally:
        if not connection.closed:
            connection.execute(sql.SQL("RESET ROLE"))
            connection.execute(UNLOCK, [ADVISORY_LOCK])


def become_owner(connection: Connection[TupleRow]) -> None:
    """Everything belongs to gesta_owner, whoever runs this: a superuser's objects would carry his rights into functions."""
    row = connection.execute(WHO).fetchone()
    if row is None or row[0] == OWNER:
        return
    installer, database = str(row[0]), str(row[1])
    owner = sql.Identifier(OWNER)
    try:
        if connection.execute(ROLE_EXISTS, [OWNER]).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN CREATEROLE").format(owner))
        membership = "SET" if connection.info.server_version >= 160_000 else "MEMBER"
        if connection.execute(MAY_SET_ROLE, [OWNER, membership]).fetchone() == (False,):
            connection.execute(sql.SQL("GRANT {} TO {}").format(owner, sql.Identifier(installer)))
        if connection.execute(OWNER_MAY_CREATE, [OWNER]).fetchone() == (False,):
            connection.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(database), owner))
        connection.execute(sql.SQL("SET ROLE {}").format(owner))
    except Error as error:
        raise OperatorError(
            f"DATABASE_URL's user {installer} can neither be nor become {OWNER}: connect as {OWNER}, or as an owner "
            f"of the database {database} with CREATEROLE ({error.diag.message_primary or error})."
        ) from error


def _applied(connection: Connection[TupleRow]) -> list[Applied]:
    if connection.execute(TABLE_EXISTS).fetchone() == (False,):
        return []
    with connection.cursor(row_factory=class_row(Applied)) as cursor:
        return cursor.execute(APPLIED).fetchall()


def _count_applied(connection: Connection[TupleRow], migrations: Sequence[Migration]) -> int:
    applied = _applied(connection)
    _refuse_other_history(applied, migrations)
    return len(applied)


def _refuse_other_history(applied: Sequence[Applied], migrations: Sequence[Migration]) -> None:
    """What was applied must be the first of our files, word for word."""
    for position, row in enumerate(applied, start=1):
        label = f"{row.version:04}_{row.name}"
        if row.version != position:
            raise OperatorError(f"Migration {position:04} was never applied to this database, but {label} was.")
        if position > len(migrations):
            raise OperatorError(f"This database has migration {label}, which has no file here: it is from a newer Gesta.")
        ours = migrations[position - 1]
        if ours.name != row.name or ours.checksum != row.checksum:
            raise OperatorError(f"Migration {label} was changed after it was applied: write a new one instead.")


@contextmanager
def _one_step(connection: Connection[TupleRow], migration: Migration) -> Iterator[None]:
    try:
        with connection.transaction():
            yield
    except Error as error:
        where = f" ({error.diag.context.splitlines()[0]})" if error.diag.context else ""
        raise OperatorError(
            f"Migration {migration} failed and was rolled back: {error.diag.message_primary or error}{where}"
        ) from error

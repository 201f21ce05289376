"""Backups of the whole database and their way back, with PostgreSQL's own programs.

Row-level security is forced everywhere and binds the owner too: ``pg_dump --enable-row-security`` as the owner exits 0 and holds
no rows. Here the session says that it is a backup, which a policy on every table allows to logins of the owner's alone; and the
file is read again and counted before it gets its name.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import Connection, IsolationLevel, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from runtime.errors import OperatorError, WrongUsage
from runtime.migrations import OWNER, become_owner, owner_connection
from runtime.postgres.binaries import Binaries

SNAPSHOT = "SELECT pg_export_snapshot()"
# Projected tables can be exchanged for others, which are empty in an older snapshot. Nobody does while they are locked; whether
# somebody did in the moment between snapshot and lock is told by names that mean other tables than the snapshot has.
HOLD_TABLES = """
DO $$
BEGIN
    EXECUTE coalesce((SELECT 'LOCK TABLE ' || string_agg(format('projections.%I', relname), ', ') || ' IN ACCESS SHARE MODE'
                        FROM pg_class WHERE relnamespace = 'projections'::regnamespace AND relkind = 'r'), 'SELECT');
END
$$
"""
EXCHANGED = """
SELECT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'projections'::regnamespace AND c.relkind = 'r'
                  AND to_regclass(format('projections.%I', c.relname))::oid IS DISTINCT FROM c.oid)
"""
HAS_LEDGER = "SELECT to_regclass('ledger.events') IS NOT NULL AND to_regproc('runtime.backing_up') IS NOT NULL"
IS_EMPTY = """
SELECT NOT EXISTS (SELECT FROM pg_namespace WHERE nspname IN ('ledger', 'runtime', 'projections', 'gesta_meta'))
"""
SAY_BACKUP = "SET LOCAL gesta.backup = 'on'"
# A transaction that only keeps a snapshot for pg_dump is idle for as long as the dump takes.
NO_TIME_LIMITS = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0"
COUNTS = "SELECT count(DISTINCT tenant_id), count(*) FROM ledger.events"
SERVING_ROLES = ("gesta_system", "gesta_api", "gesta_analyst")
ROLE_EXISTS = "SELECT 1 FROM pg_roles WHERE rolname = %s"
# The owner sees no rows of its own tables while row-level security is forced on it.
RAISE_EPOCHS = """
ALTER TABLE ledger.heads NO FORCE ROW LEVEL SECURITY;
UPDATE ledger.heads SET epoch = epoch + 1;
ALTER TABLE ledger.heads FORCE ROW LEVEL SECURITY;
"""


@dataclass(frozen=True)
class Backup:
    """What is in a file. `size`: bytes."""

    ledgers: int
    events: int
    size: int


def backup(url: str, binaries: Binaries, file: Path) -> Backup:
    """Write the whole database to a file, as of one moment, while everything goes on.

    The file is complete and counted before it has its name; nothing is left of one that did not come to be. Raises OperatorError:
    the file exists, there is no event in the database, the programs are older than the server, the count differs.
    """
    if file.exists():
        raise OperatorError(f"{file} exists: a backup never replaces another. Name a new file.")
    partial = file.with_name(f"{file.name}.partial")
    with _owner(url, read_only=True) as connection:
        if connection.execute(HAS_LEDGER).fetchone() == (False,):
            raise OperatorError("This database has no ledger that can be backed up: gesta db migrate makes one.")
        connection.execute(SAY_BACKUP)
        connection.execute(HOLD_TABLES)
        if connection.execute(EXCHANGED).fetchone() == (True,):
            raise OperatorError("The projected tables have just been exchanged: try again.")
        ledgers, events = connection.execute(COUNTS).fetchone() or (0, 0)
        if events == 0:
            raise OperatorError("The ledger holds no events: an empty backup is not written.")
        (snapshot,) = connection.execute(SNAPSHOT).fetchone() or ("",)
        try:
            _create(partial)
            # what a server's administrator grants or revokes of PostgreSQL's own functions is no owner's to restore
            what = ["--enable-row-security", "--exclude-schema=pg_catalog", f"--snapshot={snapshot}"]
            dump = ["--format=custom", *what, f"--role={OWNER}", f"--file={partial}"]
            _run(binaries, "pg_dump", [*dump, "--dbname", url], backup_session=True)
            found = count_events(binaries, partial)
            if found != events:
                raise OperatorError(f"The dump holds {found} events, but the ledger {events}: the dump was deleted.")
            _persist(partial)
            partial.rename(file)
        finally:
            partial.unlink(missing_ok=True)
    return Backup(ledgers, events, file.stat().st_size)


def restore(url: str, binaries: Binaries, file: Path) -> Backup:
    """Fill an empty database from a file, all of it or nothing, and raise the ledgers' epochs: positions that were handed out
    before are told from those after.

    Raises OperatorError: the file is no backup or holds no event, the database is not empty, the programs refuse.
    """
    if not file.is_file():
        raise WrongUsage(f"There is no file {file}.")
    events = count_events(binaries, file)
    if events == 0:
        raise OperatorError(f"{file} holds no events: it is not a backup of a Gesta database, or was taken without its rows.")
    with _owner(url) as connection:
        if connection.execute(IS_EMPTY).fetchone() == (False,):
            raise OperatorError("The database is not empty: a backup is restored into a new one (or into a new GESTA_DATA_DIR).")
        for role in SERVING_ROLES:
            if connection.execute(ROLE_EXISTS, [role]).fetchone() is None:
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    options = ["--single-transaction", "--exit-on-error", "--no-owner", f"--role={OWNER}", "--dbname", url]
    _run(binaries, "pg_restore", [*options, str(file)])
    with _owner(url) as connection:
        connection.execute(RAISE_EPOCHS)
        connection.execute(SAY_BACKUP)
        ledgers, restored = connection.execute(COUNTS).fetchone() or (0, 0)
    if restored != events:
        raise OperatorError(f"The file holds {events} events, the restored ledger {restored}: drop this database and try again.")
    return Backup(ledgers, restored, file.stat().st_size)


def count_events(binaries: Binaries, file: Path) -> int:
    """How many rows of ledger.events a dump holds, read from the file itself. Raises OperatorError for what is no dump."""
    arguments = [binaries.program("pg_restore"), "--data-only", "--schema=ledger", "--table=events", "--file=-", str(file)]
    rows, copying = 0, False
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if copying and line == b"\\.\n":
                copying = False
            elif copying:
                rows += 1
            elif line.startswith(b"COPY ledger.events "):
                copying = True
        complaint = process.stderr.read()
    if process.returncode != 0:
        raise OperatorError(_said("pg_restore", complaint))
    return rows


@contextmanager
def _owner(url: str, *, read_only: bool = False) -> Iterator[Connection[TupleRow]]:
    """One transaction as gesta_owner. `read_only`: on a snapshot that does not move."""
    with owner_connection(url) as connection:
        become_owner(connection)
        if read_only:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            connection.execute(NO_TIME_LIMITS)
            yield connection


def _create(file: Path) -> None:
    """The file is this user's alone: it holds what every tenant has."""
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise OperatorError(f"{file} cannot be written: {error.strerror}.") from error


def _persist(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _run(binaries: Binaries, name: str, arguments: Sequence[str], *, backup_session: bool = False) -> None:
    """Run one of PostgreSQL's programs. Raises OperatorError with the line in which it says why not."""
    environment = {variable: value for variable, value in os.environ.items() if variable != "PGOPTIONS"}
    if backup_session:
        environment["PGOPTIONS"] = "-c gesta.backup=on"
    command, environment = _without_password([binaries.program(name), *arguments], environment)
    ended = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if ended.returncode != 0:
        raise OperatorError(_said(name, ended.stderr))


def _without_password(command: list[str], environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Every user of a machine sees the arguments of a process: the password goes by its environment."""
    place = command.index("--dbname") + 1
    parameters = conninfo_to_dict(command[place])
    password = parameters.pop("password", None)
    if password:
        environment = {**environment, "PGPASSWORD": str(password)}
    return [*command[:place], make_conninfo("", **parameters), *command[place + 1 :]], environment


def _said(name: str, complaint: bytes) -> str:
    lines = [line for line in complaint.decode(errors="replace").splitlines() if line.strip()]
    first = next((line for line in lines if "error" in line or "aborting" in line), lines[0] if lines else "no reason was given")
    hint = " GESTA_POSTGRES_BIN names the programs of a newer PostgreSQL." if "version mismatch" in first else ""
    return f"{name}: {first.removeprefix(f'{name}: ').removeprefix('error: ')}{hint}"

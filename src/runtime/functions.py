"""SQL functions: each in a file of its own, ``migrations/functions/<schema>.<name>.sql``, with its comment and grants.

They are applied after the numbered migrations, in one transaction, where their text has changed. Every text that a database was
given stays in ``gesta_meta.functions``: a rollback puts back what was before, and a process knows whether its own has been there.

A function keeps its signature for life, because processes of the release before call it on this schema. A changed signature is a
new function with a name of its own; the old one stays, calling the new one, for a release. Then a numbered migration drops it and
says so: ``INSERT INTO gesta_meta.functions (name, version) VALUES (schema.name, the migration's number)``.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from psycopg import Connection, Error, sql
from psycopg.errors import DependentObjectsStillExist
from psycopg.rows import TupleRow, class_row

from runtime.errors import OperatorError

DIRECTORY = Path(__file__).resolve().parents[2] / "migrations" / "functions"
FILE_NAME = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+\.sql")

TABLE_EXISTS = "SELECT to_regclass('gesta_meta.functions') IS NOT NULL"
HISTORY = "SELECT name, version, checksum, definition, applied_at FROM gesta_meta.functions ORDER BY number"
RECORD = """
INSERT INTO gesta_meta.functions (name, version, checksum, definition)
VALUES (%s, (SELECT max(version) FROM gesta_meta.migrations), %s, %s)
"""
FORGET = "DELETE FROM gesta_meta.functions WHERE version >= %s"
OF_THIS_NAME = """
SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = to_regnamespace(split_part(%(name)s, '.', 1))
   AND proname = split_part(%(name)s, '.', 2)
"""


@dataclass(frozen=True)
class Function:
    """A file."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def __str__(self) -> str:
        return f"function {self.name}"


@dataclass(frozen=True)
class Given:
    """A row of gesta_meta.functions."""

    name: str
    version: int
    checksum: str | None
    definition: str | None
    applied_at: datetime


def load(directory: Path = DIRECTORY) -> tuple[Function, ...]:
    """The functions of a directory. Raises OperatorError for a file of another name."""
    found = []
    for path in sorted(directory.glob("*.sql")):
        if FILE_NAME.fullmatch(path.name) is None:
            raise OperatorError(f"{path.name} in {directory} is not named schema.function.sql.")
        found.append(Function(path.name.removesuffix(".sql"), path.read_text("utf-8")))
    return tuple(found)


def history(connection: Connection[TupleRow]) -> list[Given]:
    """What this database was given, in order."""
    if connection.execute(TABLE_EXISTS).fetchone() == (False,):
        return []
    with connection.cursor(row_factory=class_row(Given)) as cursor:
        return cursor.execute(HISTORY).fetchall()


def in_force(given: Sequence[Given]) -> dict[str, Given]:
    """The last text of each name."""
    return {each.name: each for each in given}


def pending(given: Sequence[Given], known: Sequence[Function]) -> list[Function]:
    """What is to be applied. A text that the database had before and no longer has is an older release's: the newer one stays."""
    seen = {(each.name, each.checksum) for each in given}
    return [function for function in known if (function.name, function.checksum) not in seen]


def status(given: Sequence[Given], known: Sequence[Function]) -> list[tuple[Function, datetime | None]]:
    """Each with the moment since when the database has it (None: pending)."""
    since = {(each.name, each.checksum): each.applied_at for each in given}
    return [(function, since.get((function.name, function.checksum))) for function in known]


def apply(connection: Connection[TupleRow], known: Sequence[Function]) -> list[Function]:
    """Apply those that have changed: all of them or none. Returns what was applied now. The runner calls this, with its lock."""
    changed = pending(history(connection), known)
    with connection.transaction():
        for function in changed:
            _make(connection, function.name, function.text)
            connection.execute(RECORD, [function.name, function.checksum, function.text])
    return changed


def recorded(given: Sequence[Given]) -> list[Function]:
    """What a database was given from files, for a shadow of it."""
    last = in_force(given).values()
    return [Function(each.name, each.definition) for each in last if each.checksum is not None and each.definition is not None]


def restore(connection: Connection[TupleRow], before: int) -> None:
    """Put the functions back as they were before a migration. Called in the transaction that takes that migration back."""
    given = history(connection)
    if not given:
        return
    earlier, now = in_force([each for each in given if each.version < before]), in_force(given)
    changed = [name for name, last in now.items() if earlier.get(name) != last]
    for name in changed:
        _drop(connection, name)
    for name in changed:
        if (wanted := earlier.get(name)) is not None and wanted.definition is not None:
            _make(connection, name, wanted.definition)
    connection.execute(FORGET, [before])


def _make(connection: Connection[TupleRow], name: str, text: str) -> None:
    try:
        with connection.transaction():
            connection.execute(text.encode())
    except Error as error:
        where = f" ({error.diag.context.splitlines()[0]})" if error.diag.context else ""
        raise OperatorError(f"Function {name} cannot be made: {error.diag.message_primary or error}{where}") from error
    made = _of_this_name(connection, name)
    if len(made) != 1:
        raise OperatorError(
            f"Function {name} is there {len(made)} times after its file was applied: a changed signature needs a name of its own."
        )


def _drop(connection: Connection[TupleRow], name: str) -> None:
    """One that triggers or policies use stays, and is replaced: those never change their signature."""
    for signature in _of_this_name(connection, name):
        try:
            with connection.transaction():
                connection.execute(sql.SQL("DROP FUNCTION {}").format(sql.SQL(signature)))
        except DependentObjectsStillExist:
            continue


def _of_this_name(connection: Connection[TupleRow], name: str) -> list[str]:
    return [row[0] for row in connection.execute(OF_THIS_NAME, {"name": name}).fetchall()]

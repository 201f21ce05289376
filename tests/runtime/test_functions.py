"""Functions in files of their own: applied when their text changes, put back by a rollback, compared with the database."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import SecretStr

from runtime import functions, migrations
from runtime.drift import both_sides
from runtime.errors import OperatorError
from runtime.functions import Function
from runtime.migrations import Migration, migrate, owner_connection, rollback
from runtime.pools import connect
from runtime.schema import Schema, of_this_release, refuse_older
from runtime.settings import Settings
from tests.conftest import Database
from tests.runtime.test_migrations import schema_of

KNOWN, FILES = migrations.load(), functions.load()
BEFORE_FILES = next(one.version for one in KNOWN if one.name == "functions_in_files") - 1
ONE = "CREATE OR REPLACE FUNCTION ledger.one() RETURNS int LANGUAGE sql RETURN {};"
NEXT = Migration(len(KNOWN) + 1, "next", "CREATE TABLE ledger.next (id int)", "DROP TABLE ledger.next")


@pytest.fixture
def owner(database: Database) -> Iterator[Connection[TupleRow]]:
    with owner_connection(database.owner_url) as connection:
        yield connection


def one_of(number: int) -> Function:
    return Function("ledger.one", ONE.format(number))


def answer(owner: Connection[TupleRow]) -> object:
    row = owner.execute("SELECT ledger.one()").fetchone()
    assert row is not None
    return row[0]


def test_every_function_of_ours_has_a_file_and_no_other(owner: Connection[TupleRow]) -> None:
    ours = "SELECT pronamespace::regnamespace || '.' || proname FROM pg_proc WHERE pg_get_userbyid(proowner) = 'gesta_owner'"
    assert sorted(row[0] for row in owner.execute(ours).fetchall()) == [file.name for file in FILES]
    in_force = functions.in_force(functions.history(owner))
    assert {name: given.checksum for name, given in in_force.items()} == {file.name: file.checksum for file in FILES}


def test_a_file_makes_the_function_that_it_is_named_after_with_its_comment() -> None:
    for file in FILES:
        assert re.findall(r"^CREATE OR REPLACE FUNCTION ([a-z_.0-9]+)\(", file.text, re.MULTILINE) == [file.name]
        assert f"COMMENT ON FUNCTION {file.name} IS" in file.text


def test_they_are_applied_when_their_text_changes_and_only_then(owner: Connection[TupleRow]) -> None:
    assert migrate(owner, KNOWN, [*FILES, one_of(1)]) == [one_of(1)]
    assert migrate(owner, KNOWN, [*FILES, one_of(1)]) == []
    assert migrate(owner, KNOWN, [*FILES, one_of(2)]) == [one_of(2)]
    assert answer(owner) == 2


def test_the_text_of_an_older_release_does_not_replace_a_newer_one(owner: Connection[TupleRow]) -> None:
    """Processes of both begin at any time while an upgrade is under way."""
    migrate(owner, KNOWN, [*FILES, one_of(1)])
    migrate(owner, KNOWN, [*FILES, one_of(2)])
    assert migrate(owner, KNOWN, [*FILES, one_of(1)]) == []
    assert answer(owner) == 2


def test_all_of_them_are_applied_or_none(owner: Connection[TupleRow]) -> None:
    broken = Function("ledger.two", "CREATE FUNCTION ledger.two() RETURNS int LANGUAGE sql RETURN nonsense")
    with pytest.raises(OperatorError, match=r'Function ledger.two cannot be made: column "nonsense"'):
        migrate(owner, KNOWN, [*FILES, one_of(1), broken])
    with pytest.raises(psycopg.errors.UndefinedFunction):
        answer(owner)
    assert functions.pending(functions.history(owner), [one_of(1)]) == [one_of(1)]


def test_another_signature_needs_another_name(owner: Connection[TupleRow]) -> None:
    migrate(owner, KNOWN, [*FILES, one_of(1)])
    other = Function("ledger.one", "CREATE OR REPLACE FUNCTION ledger.one(n int) RETURNS int LANGUAGE sql RETURN n")
    with pytest.raises(OperatorError, match=r"ledger.one is there 2 times .* a changed signature needs a name of its own"):
        migrate(owner, KNOWN, [*FILES, other])


def test_a_rollback_puts_back_what_was_before_the_migration(owner: Connection[TupleRow]) -> None:
    migrate(owner, KNOWN, [*FILES, one_of(1)])
    two = Function("ledger.two", ONE.replace("one", "two").format(2))
    migrate(owner, [*KNOWN, NEXT], [*FILES, one_of(2), two])
    rollback(owner, [*KNOWN, NEXT])
    assert answer(owner) == 1
    with pytest.raises(psycopg.errors.UndefinedFunction):
        owner.execute("SELECT ledger.two()")
    assert migrate(owner, [*KNOWN, NEXT], [*FILES, one_of(2), two]) == [NEXT, one_of(2), two]
    assert answer(owner) == 2


def test_a_rollback_beyond_the_files_leaves_what_the_migrations_alone_have_made(
    database: Database, empty_database: Database, owner: Connection[TupleRow]
) -> None:
    after = schema_of(database)
    changed = [Function(file.name, file.text.replace("now.now", "now.now ")) for file in FILES]
    migrate(owner, KNOWN, changed)
    rollback(owner, KNOWN, to=BEFORE_FILES)
    with owner_connection(empty_database.owner_url) as other:
        migrate(other, KNOWN[:BEFORE_FILES])
    assert schema_of(database) == schema_of(empty_database)
    migrate(owner, KNOWN, FILES)
    assert schema_of(database) == after


def test_a_function_that_a_migration_drops_comes_back_with_a_rollback(owner: Connection[TupleRow]) -> None:
    migrate(owner, KNOWN, [*FILES, one_of(1)])
    dropped = "INSERT INTO gesta_meta.functions (name, version) VALUES ('ledger.one', 1000)"
    last = Migration(len(KNOWN) + 1, "drop", f"DROP FUNCTION ledger.one; {dropped}", "")
    migrate(owner, [*KNOWN, last], FILES)
    rollback(owner, [*KNOWN, last])
    assert answer(owner) == 1


def test_a_function_changed_by_hand_and_a_file_that_is_pending_are_told(database: Database, owner: Connection[TupleRow]) -> None:
    settings = Settings(database_url=SecretStr(database.superuser_url))
    assert both_sides(settings, KNOWN, (), FILES).drifts() == []
    told = both_sides(settings, KNOWN, (), [*FILES, one_of(1)]).drifts()
    assert [str(drift) for drift in told] == ["function file ledger.one: expected applied, found pending"]
    owner.execute("CREATE OR REPLACE FUNCTION ledger.open(tenant uuid) RETURNS void LANGUAGE sql AS 'SELECT'")
    assert [(drift.kind, drift.name) for drift in both_sides(settings, KNOWN, (), FILES).drifts()] == [
        ("function body", "ledger.open(uuid)")
    ]


@pytest.mark.parametrize("name", ["append.sql", "ledger.Append.sql", "ledger.append.up.sql"])
def test_a_stray_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(OperatorError, match=r"is not named schema.function.sql"):
        functions.load(tmp_path)


# Old processes on a new schema, and new ones on an old


async def test_a_release_works_on_its_own_schema_and_on_a_newer_one(database: Database, owner: Connection[TupleRow]) -> None:
    migrate(owner, [*KNOWN, NEXT], [*FILES, one_of(1)])
    async with connect(database.system_url, name="test") as connection:
        assert await of_this_release().state(connection) == ("ok", f"all {len(KNOWN)} applied, and 1 of a newer version")


@pytest.mark.parametrize(
    "ours", [Schema([*KNOWN, NEXT], FILES), Schema(KNOWN, [*FILES, one_of(1)])], ids=["migration", "function"]
)
async def test_a_release_does_not_work_on_an_older_schema(database: Database, ours: Schema) -> None:
    async with connect(database.system_url, name="test") as connection:
        state, words = await ours.state(connection)
    assert state == "older"
    assert words in (
        f"{len(KNOWN)} of {len(KNOWN) + 1} migrations are applied",
        "1 functions are not this version's yet, ledger.one among them",
    )


async def test_a_process_refuses_to_start_on_an_older_schema_in_one_line(database: Database, owner: Connection[TupleRow]) -> None:
    rollback(owner, KNOWN)
    with pytest.raises(OperatorError, match="run gesta db migrate as the owner first") as refused:
        await refuse_older(database.system_url)
    assert "\n" not in str(refused.value)

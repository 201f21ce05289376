"""``gesta db push``, as a person would type it on a database of their own whose schema has gone another way."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from cli.main import app
from runtime.drift.catalog import CatalogFact
from runtime.errors import OperatorError
from runtime.pushing import way
from tests.conftest import Database

BY_HAND = """
ALTER TABLE projections.tenants ADD colour text, ALTER COLUMN slug TYPE varchar(100);
ALTER TABLE projections.roles DROP COLUMN description CASCADE;
DROP VIEW projections.throughput;
ALTER TABLE runtime.jobs ADD hue text;
UPDATE gesta_meta.migrations SET checksum = 'of a text that was edited since' WHERE version = 70;
"""
EDITED = "of a text that was edited since"
COUNTED = "SELECT count(*), max(recorded_at) FROM ledger.events"
COMMENT = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"


@pytest.fixture
def run(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command line, on the test's database."""
    monkeypatch.setenv("DATABASE_URL", database.superuser_url)
    monkeypatch.setenv("GESTA_SYSTEM_DATABASE_URL", database.system_url)
    monkeypatch.setenv("GESTA_API_DATABASE_URL", database.api_url)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def asked(database: Database, *statements: str) -> tuple[Any, ...]:
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        answers = [connection.execute(statement.encode()) for statement in statements]
        return tuple(answers[-1].fetchone() or ()) if answers[-1].description else ()


@pytest.mark.usefixtures("told")
def test_what_went_another_way_is_brought_back_and_no_event_is_lost(database: Database, run: Callable[..., Any]) -> None:
    asked(database, BY_HAND)
    before = asked(database, COUNTED)
    unmarked = run("db", "push")
    assert "is not marked as one of development: gesta db push --mark marks it for good" in str(unmarked.exception)
    kept = run("db", "push", "--mark")
    assert "runtime.jobs.hue would be lost, which the ledger cannot rebuild: --force goes on." in str(kept.exception)
    assert asked(database, "SELECT checksum FROM gesta_meta.migrations WHERE version = 70") == (EDITED,)

    pushed = run("db", "push", "--force")
    said = pushed.stdout.splitlines()
    assert pushed.exit_code == 0, pushed.exception
    assert "undone       column projections.tenants.colour: expected nothing, found text" in said
    assert "undone       column runtime.jobs.hue: expected nothing, found text" in said
    assert said[-2] == "recorded     the migrations, as they are now"
    assert said[-1].startswith("folded       ")
    assert asked(database, COUNTED) == before
    assert asked(database, COMMENT) == ("(gesta: development)",)
    again = run("db", "push")
    assert again.stdout == "Nothing to push: the database is what the migrations say.\n"
    assert run("replay").exit_code == 0


def column(name: str, kind: str = "text") -> CatalogFact:
    table = name.rpartition(".")[0]
    undo = f"ALTER TABLE {table} DROP COLUMN {name.rpartition('.')[2]}"
    return CatalogFact("column", name, kind, f"ADD {name}", f"CHANGE {name}", undo, ("table", table), 1)


def catalog(*facts: CatalogFact) -> dict[tuple[str, str], CatalogFact]:
    tables = [CatalogFact("table", name, "", f"CREATE {name}", None, f"DROP {name}", None, 1) for name in TABLES]
    return {fact.key: fact for fact in (*tables, *facts)}


TABLES = ("ledger.events", "runtime.jobs", "projections.roles")


@pytest.mark.parametrize(
    ("lost", "force"), [("ledger.events.data", False), ("ledger.events.data", True), ("runtime.jobs.hue", False)]
)
def test_what_the_ledger_cannot_rebuild_is_not_taken_away(lost: str, force: bool) -> None:
    with pytest.raises(OperatorError, match=lost):
        way(catalog(column(lost)), catalog(), force=force)


def test_tables_are_emptied_only_where_their_rows_have_to_fit_something_else() -> None:
    statements, emptied = way(catalog(column("projections.roles.colour")), catalog(), force=False)
    assert (statements, emptied) == (["TRUNCATE projections.roles", "ALTER TABLE projections.roles DROP COLUMN colour"], True)
    statements, emptied = way(catalog(), catalog(column("runtime.jobs.hue")), force=False)
    assert (statements, emptied) == (["ADD runtime.jobs.hue"], False)
    assert way(catalog(column("runtime.jobs.hue")), catalog(), force=True)[1] is False

"""``gesta db push``, as a person would type it on a database of their own whose schema has gone another way."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from cli.main import app
from runtime.drift.catalog import CatalogFact
from runtime.errors import OperatorError
from runtime.pushing import _refuse_sessions, _refuse_unmarked, way
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
GAP = """
INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
VALUES ('00000000-0000-0000-0000-00000000000a', 2, gen_random_uuid(), 1, 'x', now(), now(), gen_random_uuid(), '', '')
"""
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


def test_before_anything_is_changed_it_is_refused_where_that_would_not_end_well(
    database: Database, run: Callable[..., Any]
) -> None:
    """A login that may not mark the database, processes that are connected, and a ledger with a gap."""
    with psycopg.connect(database.system_url) as system, pytest.raises(OperatorError, match="cannot be marked: must be owner"):
        _refuse_unmarked(system, mark=True, force=False)
    with (
        psycopg.connect(database.system_url),
        psycopg.connect(database.owner_url) as owner,
        pytest.raises(OperatorError, match=r"^1 sessions of Gesta's processes are connected: end them first"),
    ):
        _refuse_sessions(owner)
    asked(database, "SELECT ledger.open('00000000-0000-0000-0000-00000000000a')", GAP)
    refused = run("db", "push", "--mark")
    assert "1 ledgers do not begin at position 1 or have gaps: their tables could not be filled again." in str(refused.exception)
    assert asked(database, COMMENT) == (None,)


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


def test_what_has_no_way_that_can_be_drafted_is_named() -> None:
    changed = replace(column("runtime.jobs.hue"), kind="type", value="enum")
    with pytest.raises(OperatorError, match=r"no way that can be drafted for: type runtime.jobs.hue\. Begin with an empty"):
        way(catalog(changed), catalog(replace(changed, value="domain")), force=True)


def test_tables_are_emptied_only_where_their_rows_have_to_fit_something_else() -> None:
    statements, emptied = way(catalog(column("projections.roles.colour")), catalog(), force=False)
    assert (statements, emptied) == (["TRUNCATE projections.roles", "ALTER TABLE projections.roles DROP COLUMN colour"], True)
    statements, emptied = way(catalog(), catalog(column("runtime.jobs.hue")), force=False)
    assert (statements, emptied) == (["ADD runtime.jobs.hue"], False)
    assert way(catalog(column("runtime.jobs.hue")), catalog(), force=True)[1] is False

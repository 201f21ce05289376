"""The runner's rules, and that every migration of the house can be taken back without a trace."""

import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from runtime import migrations
from runtime.errors import OperatorError
from runtime.migrations import Migration, load, migrate, owner_connection, rollback, status
from tests.conftest import Database

EACH = 8
"""So many of the last migrations go down one by one; of those before, which never change, so many together, but for the night."""
TWO = (
    Migration(1, "first", "CREATE TABLE one (id int)", "DROP TABLE one"),
    Migration(2, "second", "CREATE TABLE two (id int)", "DROP TABLE two"),
)


@pytest.fixture
def owner(empty_database: Database) -> Iterator[Connection[TupleRow]]:
    with owner_connection(empty_database.owner_url) as connection:
        yield connection


def table_exists(connection: Connection[TupleRow], name: str) -> bool:
    return connection.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone() == (True,)


def schema_of(database: Database) -> str:
    """Everything the catalogs know, as pg_dump writes it, but for the runner's own table."""
    program = database.server.binaries.program("pg_dump")
    command = [program, "--schema-only", "--exclude-table=gesta_meta.migrations", "--dbname", database.owner_url]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


def test_every_migration_goes_up_down_and_up_again_to_the_same_catalog(
    empty_database: Database, owner: Connection[TupleRow]
) -> None:
    """Each one's second time is what the next is built on, so that in the end all of them are compared with their first."""
    known = load()
    migrate(owner, ())  # the runner's own table
    before = after = schema_of(empty_database)
    recent = 0 if os.environ.get("GESTA_TEST_ALL") else len(known) - EACH
    for done, count in pairwise((*range(0, recent, EACH), *range(recent, len(known) + 1))):
        migrate(owner, known[:count])
        after = schema_of(empty_database)
        assert after != before
        rollback(owner, known[:count], to=done)
        left = ", ".join(each.name for each in known[done:count])
        assert schema_of(empty_database) == before, f"of {left} something is left behind"
        migrate(owner, known[:count])
        before = after
    second = schema_of(empty_database)
    rollback(owner, known, to=0)
    migrate(owner, known)
    assert schema_of(empty_database) == second == after, "one of them differs the second time"


def test_all_of_them_can_be_taken_back_at_once(empty_database: Database, owner: Connection[TupleRow]) -> None:
    known = load()
    migrate(owner, ())
    before = schema_of(empty_database)
    assert migrate(owner, known) == list(known)
    assert rollback(owner, known, to=0) == list(reversed(known))
    assert schema_of(empty_database) == before


def test_everything_belongs_to_the_owner_even_when_a_superuser_migrates(empty_database: Database) -> None:
    with owner_connection(empty_database.superuser_url) as connection:
        migrate(connection, load())
        owners = connection.execute(
            "SELECT DISTINCT pg_get_userbyid(nspowner)::text FROM pg_namespace "
            "WHERE nspname IN ('ledger', 'runtime', 'projections', 'gesta_meta')"
        ).fetchall()
        assert owners == [("gesta_owner",)]
        assert connection.execute("SELECT current_user::text").fetchone() == ("postgres",)


def test_an_installer_who_is_no_superuser_becomes_the_owner(empty_database: Database) -> None:
    installer = sql.Identifier(f"installer_of_{empty_database.name}")
    with psycopg.connect(empty_database.superuser_url, autocommit=True) as superuser:
        superuser.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(installer))
        superuser.execute(sql.SQL("GRANT gesta_owner TO {}").format(installer))
        superuser.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(empty_database.name), installer))
    url = empty_database.server.url(f"installer_of_{empty_database.name}", empty_database.name)
    with owner_connection(url) as connection:
        assert migrate(connection, load()) == list(load())


def test_a_login_that_cannot_become_the_owner_is_named(empty_database: Database) -> None:
    with (
        owner_connection(empty_database.api_url) as connection,
        pytest.raises(OperatorError, match=r"gesta_api can neither be nor become gesta_owner"),
    ):
        migrate(connection, TWO)


def test_what_is_pending_is_applied_once_and_in_order(owner: Connection[TupleRow]) -> None:
    assert migrate(owner, TWO[:1]) == [TWO[0]]
    assert [each.applied_at is not None for each in status(owner, TWO)] == [True, False]
    assert migrate(owner, TWO) == [TWO[1]]
    assert migrate(owner, TWO) == []


def test_status_writes_nothing(owner: Connection[TupleRow]) -> None:
    assert [each.applied_at for each in status(owner, TWO)] == [None, None]
    assert not table_exists(owner, "gesta_meta.migrations")


def test_rollback_takes_back_the_last_one_or_all_above_a_number(owner: Connection[TupleRow]) -> None:
    migrate(owner, TWO)
    assert rollback(owner, TWO) == [TWO[1]]
    migrate(owner, TWO)
    assert rollback(owner, TWO, to=0) == [TWO[1], TWO[0]]
    assert rollback(owner, TWO) == []
    assert not table_exists(owner, "one")


def test_rolling_back_to_what_is_not_applied_is_refused(owner: Connection[TupleRow]) -> None:
    migrate(owner, TWO)
    with pytest.raises(OperatorError, match="Cannot roll back to 3: 2 migrations are applied"):
        rollback(owner, TWO, to=3)


def test_a_failing_migration_leaves_nothing_and_keeps_what_came_before(owner: Connection[TupleRow]) -> None:
    broken = Migration(2, "broken", "CREATE TABLE half (id int); SELECT nonsense", "")
    with pytest.raises(OperatorError, match='0002_broken failed and was rolled back: column "nonsense"'):
        migrate(owner, (TWO[0], broken))
    assert table_exists(owner, "one")
    assert not table_exists(owner, "half")
    assert migrate(owner, TWO) == [TWO[1]]


def test_a_changed_migration_is_refused(owner: Connection[TupleRow]) -> None:
    migrate(owner, TWO)
    changed = Migration(1, "first", "CREATE TABLE one (id bigint)", "DROP TABLE one")
    for act in (migrate, rollback, status):
        with pytest.raises(OperatorError, match="0001_first was changed after it was applied"):
            act(owner, (changed, TWO[1]))


def test_a_database_of_a_newer_gesta_is_refused(owner: Connection[TupleRow]) -> None:
    migrate(owner, TWO)
    with pytest.raises(OperatorError, match="has migration 0002_second, which has no file"):
        migrate(owner, TWO[:1])


def test_a_hole_in_what_was_applied_is_refused(owner: Connection[TupleRow]) -> None:
    migrate(owner, TWO)
    owner.execute("DELETE FROM gesta_meta.migrations WHERE version = 1")
    with pytest.raises(OperatorError, match="0001 was never applied to this database, but 0002_second was"):
        migrate(owner, TWO)


def test_two_runners_at_once_apply_each_migration_once(empty_database: Database) -> None:
    applied: list[object] = []

    def run() -> None:
        with owner_connection(empty_database.owner_url) as connection:
            applied.extend(migrate(connection, TWO))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, applied)) == [str(one) for one in TWO]


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["0001_a.up.sql", "0001_a.down.sql", "0003_c.up.sql", "0003_c.down.sql"], "0002 expected, 0003_c found"),
        (["0001_a.up.sql", "0001_a.down.sql", "0001_b.up.sql", "0001_b.down.sql"], "0002 expected, 0001_b found"),
        (["0001_a.up.sql"], "0001_a has no down file"),
        (["0001_a.down.sql"], "0001_a has no up file"),
        (["1_a.up.sql"], "1_a.up.sql .* is not named NNNN_name"),
        ([], "There are no migrations"),
    ],
)
def test_a_directory_that_is_out_of_order_is_refused(tmp_path: Path, names: list[str], complaint: str) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(OperatorError, match=complaint):
        load(tmp_path)


def test_a_server_out_of_reach_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="No connection to the database: ") as caught, owner_connection(f"host={tmp_path}"):
        pass
    assert "\n" not in str(caught.value)


def test_the_directory_is_the_repositorys() -> None:
    assert Path(__file__).parents[2] / "migrations" == migrations.DIRECTORY


def test_who_waits_for_the_lock_says_for_whom(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Any login may take it."""
    with psycopg.connect(database.api_url, autocommit=True, application_name="somebody") as holder:
        pid = holder.info.backend_pid
        holder.execute("SELECT pg_advisory_lock(%s)", [migrations.ADVISORY_LOCK])
        with ThreadPoolExecutor(1) as elsewhere, psycopg.connect(database.owner_url, autocommit=True) as owner:
            waiting = elsewhere.submit(migrations.migrate, owner, migrations.load())
            asks = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while holder.execute(asks).fetchone() is None:
                assert not waiting.done()
            holder.execute("SELECT pg_advisory_unlock(%s)", [migrations.ADVISORY_LOCK])
            assert waiting.result(30) == []
    (said,) = [record.getMessage() for record in caplog.records if record.name == "runtime.migrations"]
    assert said == f"Waiting for database process {pid} (gesta_api, somebody), which holds the migration lock"

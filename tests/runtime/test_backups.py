"""A backup holds everything or is not written; a restore brings everything back or nothing."""

import asyncio
import subprocess
from pathlib import Path

import psycopg
import pytest

from api import provisioning
from domain.envelope import PLATFORM
from runtime import backups, migrations
from runtime.errors import OperatorError
from runtime.pools import connect
from runtime.postgres.binaries import Binaries
from store.command import Command
from store.handler import open_handler
from tests.conftest import Database

EVERYTHING = """
SELECT (SELECT count(*) FROM ledger.events), (SELECT count(*) FROM ledger.heads), (SELECT count(*) FROM runtime.commands),
       (SELECT count(*) FROM runtime.claims)
"""

# what lets analysts read goes along
OF_ANALYSTS = """
SELECT (SELECT count(*) FROM pg_policy WHERE polroles = ARRAY['gesta_analyst'::regrole::oid]),
       (SELECT count(*) FROM pg_class WHERE relnamespace = 'projections'::regnamespace AND relkind IN ('r', 'v')
                                        AND has_table_privilege('gesta_analyst', oid, 'SELECT'))
"""


@pytest.fixture
def binaries(database: Database) -> Binaries:
    return database.server.binaries


@pytest.fixture
def seeded(database: Database) -> Database:
    """A platform with its permissions and a tenant."""
    add_tenant(database, "acme")
    return database


def add_tenant(database: Database, slug: str) -> None:
    asyncio.run(_add_tenant(database.system_url, slug))


async def _add_tenant(url: str, slug: str) -> None:
    command = Command(PLATFORM, "tenant.create", provisioning.SYSTEM)
    async with open_handler(url) as handler, connect(url, name="test") as connection:
        await provisioning.seed(handler)
        await provisioning.create_tenant(handler, connection, command, {"slug": slug, "name": slug})


def counted(database: Database) -> tuple[int, ...]:
    with psycopg.connect(database.superuser_url) as connection:
        row = connection.execute(EVERYTHING).fetchone()
    assert row is not None
    return row


def test_a_restored_database_holds_what_the_backup_held(
    seeded: Database, empty_database: Database, binaries: Binaries, tmp_path: Path
) -> None:
    made = backups.backup(seeded.owner_url, binaries, tmp_path / "one.backup")
    assert (tmp_path / "one.backup").stat().st_mode & 0o777 == 0o600
    restored = backups.restore(empty_database.owner_url, binaries, tmp_path / "one.backup")
    assert restored == made
    assert counted(empty_database) == counted(seeded)
    assert made.events == counted(seeded)[0] > 0
    with psycopg.connect(seeded.superuser_url) as before, psycopg.connect(empty_database.superuser_url) as after:
        assert after.execute(OF_ANALYSTS).fetchone() == before.execute(OF_ANALYSTS).fetchone() != (0, 0)
    with migrations.owner_connection(empty_database.owner_url) as owner:
        assert migrations.migrate(owner, migrations.load()) == []


def test_positions_from_before_a_restore_are_told_apart(
    seeded: Database, empty_database: Database, binaries: Binaries, tmp_path: Path
) -> None:
    backups.backup(seeded.owner_url, binaries, tmp_path / "one.backup")
    backups.restore(empty_database.owner_url, binaries, tmp_path / "one.backup")
    epochs = "SELECT DISTINCT epoch FROM ledger.heads"
    with psycopg.connect(seeded.superuser_url) as before, psycopg.connect(empty_database.superuser_url) as after:
        assert before.execute(epochs).fetchall() == [(1,)]
        assert after.execute(epochs).fetchall() == [(2,)]
    with psycopg.connect(empty_database.owner_url) as owner:
        assert owner.execute("SELECT count(*) FROM ledger.heads").fetchone() == (0,), "row-level security is forced again"


def test_a_restored_ledger_goes_on(seeded: Database, empty_database: Database, binaries: Binaries, tmp_path: Path) -> None:
    backups.backup(seeded.owner_url, binaries, tmp_path / "one.backup")
    backups.restore(empty_database.owner_url, binaries, tmp_path / "one.backup")
    before = counted(empty_database)[0]
    add_tenant(empty_database, "globex")
    assert counted(empty_database)[0] > before
    named = "SELECT runtime.secret_channel('gesta_events')"
    with psycopg.connect(seeded.system_url) as original, psycopg.connect(empty_database.system_url) as restored:
        first, second = original.execute(named).fetchone(), restored.execute(named).fetchone()
        assert first != second, "it has channels of its own"
        assert second == restored.execute(named).fetchone(), "for good"


def test_a_dump_that_holds_no_rows_is_never_taken_for_a_backup(
    database: Database, empty_database: Database, binaries: Binaries, tmp_path: Path
) -> None:
    """What pg_dump writes as the owner, who is bound by row-level security: exit code 0, and no rows."""
    file = tmp_path / "plain.dump"
    command = [binaries.program("pg_dump"), "-Fc", "--enable-row-security", "-f", str(file), database.owner_url]
    subprocess.run(command, check=True)
    with pytest.raises(OperatorError, match="holds no event"):
        backups.restore(empty_database.owner_url, binaries, file)


def test_an_empty_backup_is_not_written(database: Database, binaries: Binaries, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no event"):
        backups.backup(database.owner_url, binaries, tmp_path / "empty.backup")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_misses_rows_is_thrown_away(seeded: Database, binaries: Binaries, tmp_path: Path) -> None:
    with psycopg.connect(seeded.owner_url) as owner:
        owner.execute(
            "CREATE POLICY fewer ON ledger.events AS RESTRICTIVE FOR SELECT TO gesta_owner USING (position > 1 OR "
            "current_setting('application_name') <> 'pg_dump')"
        )
    with pytest.raises(OperatorError, match="the dump was deleted"):
        backups.backup(seeded.owner_url, binaries, tmp_path / "one.backup")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(seeded: Database, binaries: Binaries, tmp_path: Path) -> None:
    (tmp_path / "one.backup").write_text("precious")
    with pytest.raises(OperatorError, match="exists"):
        backups.backup(seeded.owner_url, binaries, tmp_path / "one.backup")
    assert (tmp_path / "one.backup").read_text() == "precious"
    backups.backup(seeded.owner_url, binaries, tmp_path / "two.backup")
    with pytest.raises(OperatorError, match="not empty"):
        backups.restore(seeded.owner_url, binaries, tmp_path / "two.backup")


def test_what_is_no_backup_is_said_to_be_none(empty_database: Database, binaries: Binaries, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    for name, complaint in (("text", "pg_restore: "), ("absent", "There is no file")):
        with pytest.raises(OperatorError, match=complaint):
            backups.restore(empty_database.owner_url, binaries, tmp_path / name)
    with psycopg.connect(empty_database.superuser_url) as connection:
        assert connection.execute("SELECT to_regnamespace('ledger')").fetchone() == (None,)


def test_every_table_lets_a_backup_read_it(database: Database) -> None:
    without = """
    SELECT c.oid::regclass::text FROM pg_class c
     WHERE c.relnamespace::regnamespace::text IN ('ledger', 'runtime', 'projections')
       AND c.relkind IN ('r', 'p') AND c.relrowsecurity
       AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'backup')
    """
    with psycopg.connect(database.superuser_url) as connection:
        assert connection.execute(without).fetchall() == []


def test_nobody_else_reads_by_saying_that_they_are_a_backup(seeded: Database) -> None:
    """Not even by a function of the owner's that reads for whoever calls it."""
    definer = """
    CREATE FUNCTION ledger.count_all() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM ledger.events';
    GRANT EXECUTE ON FUNCTION ledger.count_all TO gesta_api
    """
    with psycopg.connect(seeded.owner_url) as owner:
        owner.execute(definer)
        owner.execute("SET gesta.backup = 'on'")
        assert owner.execute("SELECT ledger.count_all() > 0").fetchone() == (True,)
    with psycopg.connect(seeded.api_url) as api:
        api.execute("SET gesta.backup = 'on'")
        assert api.execute("SELECT ledger.count_all(), (SELECT count(*) FROM ledger.events)").fetchone() == (0, 0)

"""``gesta doctor``: each thing that can be in the way is named, with what to do; and nothing else is."""

import json
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from cli.diagnostics import environment
from cli.diagnostics.finding import CheckResult
from runtime import migrations
from runtime.settings import Settings
from tests.cli.test_db import gesta
from tests.conftest import Database

PLATFORM = "00000000-0000-0000-0000-000000000001"
EVENT = """
INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
VALUES (%s, 1, gen_random_uuid(), 1, 'x', now(), now(), gen_random_uuid(), '', '')
"""
FAILING_TASK = """
INSERT INTO runtime.failing_tasks SELECT 'worker a:1', 'leasing', 'ValueError: no', 7, now(), now(), now()
"""
FAULT = "INSERT INTO runtime.projection_faults VALUES (%s, 1, 'Oops: no', 3, now(), now(), now())"


def addresses(database: Database, **others: str) -> dict[str, str]:
    """The environment of a process that works on this database. For the owner a superuser, who may make a shadow beside it."""
    return {
        "DATABASE_URL": database.superuser_url,
        "GESTA_SYSTEM_DATABASE_URL": database.system_url,
        "GESTA_API_DATABASE_URL": database.api_url,
        **others,
    }


def doctor(directory: Path, **environment: str) -> tuple[int, dict[str, CheckResult]]:
    """The exit code, and the findings that are not ok."""
    answer = gesta(directory, "doctor", "--json", **environment)
    assert "Traceback" not in answer.stderr, answer.stderr
    found = [CheckResult(**one) for one in json.loads(answer.stdout)["findings"]]
    assert all(finding.remedy for finding in found if finding.state != "ok")
    return answer.returncode, {finding.what: finding for finding in found if finding.state != "ok" and finding.what != "disk"}


def test_where_all_is_well_nothing_is_said_against_it(tmp_path: Path, database: Database) -> None:
    assert doctor(tmp_path, **addresses(database)) == (0, {})
    page = gesta(tmp_path, "doctor", **addresses(database))
    assert page.stdout.splitlines()[0].startswith("ok    python  ")
    assert page.stdout.endswith("All is well.\n")


def test_an_empty_directory_is_well_and_stays_empty(tmp_path: Path) -> None:
    assert doctor(tmp_path) == (0, {})
    assert list(tmp_path.iterdir()) == []


def test_an_embedded_server_is_looked_at(tmp_path: Path) -> None:
    gesta(tmp_path, "db", "migrate")
    (tmp_path / ".gesta" / "postgres").chmod(0o755)
    code, told = doctor(tmp_path)
    assert (code, list(told)) == (0, ["data directory"])
    assert "chmod 700" in str(told["data directory"])


def test_pending_migrations_fail(tmp_path: Path, empty_database: Database) -> None:
    code, told = doctor(tmp_path, **addresses(empty_database))
    assert (code, told["migrations"].remedy) == (1, "gesta db migrate")


def test_another_history_fails(tmp_path: Path, database: Database) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("UPDATE gesta_meta.migrations SET checksum = 'x' WHERE version = 1")
    code, told = doctor(tmp_path, **addresses(database))
    assert (code, told["migrations"].words) == (1, "not those of this version")


def test_an_open_table_and_the_drift_that_it_is_are_named(tmp_path: Path, database: Database) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE projections.roles NO FORCE ROW LEVEL SECURITY")
    code, told = doctor(tmp_path, **addresses(database))
    assert code == 1
    assert told["row-level security"].words == "not forced on projections.roles"
    assert told["drift"].words.startswith(
        "1 differences from the migrations; the first: forced row-level security projections.roles"
    )


def test_a_login_that_can_do_too_much_fails(tmp_path: Path, database: Database) -> None:
    code, told = doctor(tmp_path, **addresses(database, GESTA_API_DATABASE_URL=database.superuser_url))
    assert (code, list(told)) == (1, ["rights of api", "time limits of api"])
    assert "superuser" in told["rights of api"].words


def test_a_server_out_of_reach_and_an_address_that_is_missing_are_named_by_role(tmp_path: Path, database: Database) -> None:
    nowhere = f"host={tmp_path}"
    code, told = doctor(tmp_path, GESTA_SYSTEM_DATABASE_URL=database.system_url, GESTA_API_DATABASE_URL=nowhere)
    assert code == 1
    assert told.keys() == {"database as owner", "database as api", "drift"}
    assert (told["database as owner"].state, told["database as api"].state, told["drift"].state) == ("warn", "fail", "warn")


def test_events_that_are_not_projected_and_those_that_cannot_be_are_told(tmp_path: Path, database: Database) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        connection.execute(EVENT, [PLATFORM])
        assert doctor(tmp_path, **addresses(database))[1]["tables"].words.startswith("1 events of 1 ledgers")
        connection.execute(FAULT, [uuid4()])
    code, told = doctor(tmp_path, **addresses(database))
    assert code == 1
    assert told["projection"].words.endswith("Oops: no")


def test_background_tasks_that_keep_failing_are_told(tmp_path: Path, database: Database) -> None:
    with psycopg.connect(database.system_url, autocommit=True) as connection:
        connection.execute(FAILING_TASK)
    code, told = doctor(tmp_path, **addresses(database))
    assert (code, list(told)) == (1, ["background tasks"])
    assert told["background tasks"].words == "1 keep failing; leasing of worker a:1, 7 times: ValueError: no"


def test_a_migration_under_way_is_told(tmp_path: Path, database: Database) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        pid = connection.info.backend_pid
        connection.execute("SELECT pg_advisory_lock(%s)", [migrations.ADVISORY_LOCK])
        told = doctor(tmp_path, **addresses(database))[1]
    assert told["locks"].words == f"a migration runs, or hangs (process {pid})"


def test_a_shadow_left_behind_is_told(tmp_path: Path, database: Database) -> None:
    name = f"gesta_shadow_{database.name}"
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} STRATEGY FILE_COPY").format(sql.Identifier(name)))
        try:
            assert doctor(tmp_path, **addresses(database))[1]["shadow databases"].words == f"left behind: {name}"
        finally:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@pytest.mark.parametrize(
    ("environment", "what", "words"),
    [
        ({"GESTA_PORT": "x"}, "settings", "GESTA_PORT: "),
        ({"GESTA_POTR": "1"}, "settings", "GESTA_POTR: no such setting"),
        ({"GESTA_MASTER_KEY_FILE": "nowhere"}, "master key", "nowhere cannot be read"),
        ({"GESTA_POSTGRES_BIN": "nowhere"}, "postgresql programs", "nowhere holds no PostgreSQL that runs here"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path: Path, environment: dict[str, str], what: str, words: str) -> None:
    told = doctor(tmp_path, **environment)[1]
    assert told.keys() == {what}
    assert told[what].words.startswith(words)


def test_an_old_python_fails() -> None:
    assert environment.python((3, 10)).state == "fail"


def test_a_library_that_is_not_the_locked_one_is_named() -> None:
    (finding,) = environment.libraries("orjson==0.0.1 \\\n    --hash=sha256:0\nnot-installed==1\n")
    assert (finding.state, finding.words.endswith("instead of 0.0.1")) == ("warn", True)


def test_a_key_file_that_others_can_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("secret")
    path.chmod(0o644)
    (finding,) = environment.secrets(Settings(master_key_file=path, master_key=SecretStr("x")))
    assert (finding.state, finding.remedy) == ("warn", f"chmod 600 {path}")


def test_a_full_disk_fails_before_postgresql_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((1 << 20, "fail"), (1 << 30, "warn"), (1 << 40, "ok")):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: type("Usage", (), {"free": free}))
        assert environment.disk(tmp_path / "not" / "yet").state == state


def test_a_database_whose_ledgers_are_gone_fails(tmp_path: Path, database: Database) -> None:
    """What a restore of a dump without rows leaves, and one of the tables alone."""
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO runtime.commands (tenant_id, command_id, created_at) VALUES (%s, %s, now())", [PLATFORM] * 2
        )
        assert doctor(tmp_path, **addresses(database))[1]["ledgers"].words == f"1 ledgers are missing; {PLATFORM} has no events"
        connection.execute("DELETE FROM runtime.commands")
        connection.execute("DELETE FROM ledger.heads")
    code, told = doctor(tmp_path, **addresses(database))
    assert (code, told["ledgers"].words) == (1, f"1 ledgers are missing; {PLATFORM} has no ledger")

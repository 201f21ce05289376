"""The embedded server lives as long as its users, comes back after any death, and says what is in its way."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from runtime.errors import OperatorError
from runtime.postgres import EmbeddedServer, embedded, join_or_start
from runtime.postgres.binaries import find_binaries
from runtime.postgres.data_directory import Home, running_server
from runtime.postgres.diagnosis import diagnose
from runtime.postgres.drop_privileges import NOBODY
from runtime.postgres.supervisor import Orders, Supervisor

CHOSEN_BIN = Path(os.environ["GESTA_POSTGRES_BIN"]) if "GESTA_POSTGRES_BIN" in os.environ else None
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

# Opens the server of argv[1], prints its address, and holds it until its standard input ends.
HOLDER = """
import os, sys
from pathlib import Path
from runtime.postgres import embedded
chosen = os.environ.get("GESTA_POSTGRES_BIN")
with embedded(Path(sys.argv[1]), bin_directory=Path(chosen) if chosen else None) as server:
    print(server.url("gesta_owner"), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "postgres"


@pytest.fixture
def holder(home: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts another process that uses the server, in a session of its own."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("postgresql://")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    await_condition(lambda: running_server(Home(home)) is None)


def await_condition(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def write_row(server: EmbeddedServer, text: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (text text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [text])


def read_rows(server: EmbeddedServer) -> list[str]:
    with psycopg.connect(server.url()) as connection:
        return [row[0] for row in connection.execute("SELECT text FROM kept")]


def server_pid(home: Path) -> int:
    running = running_server(Home(home))
    assert running is not None
    return running.pid


def keeper_pid(home: Path) -> int:
    return int(Path(f"/proc/{server_pid(home)}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_it_is_gone_after_its_last_user_and_its_data_is_there_for_the_next(home: Path) -> None:
    with embedded(home, bin_directory=CHOSEN_BIN) as server:
        write_row(server, "first")
    assert running_server(Home(home)) is None
    with embedded(home, bin_directory=CHOSEN_BIN) as server:
        assert read_rows(server) == ["first"]


def test_it_is_durable_private_and_in_utf8(home: Path) -> None:
    with embedded(home, bin_directory=CHOSEN_BIN) as server, psycopg.connect(server.url()) as connection:
        names = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums", "server_encoding", "listen_addresses")
        values = [connection.execute("SELECT current_setting(%s)", [name]).fetchone() for name in names]
        assert values == [("on",), ("on",), ("on",), ("on",), ("UTF8",), ("",)]
        assert server.socket_directory.stat().st_mode & 0o077 == 0
        assert home.stat().st_mode & 0o077 == 0


def test_its_logins_are_no_superusers_and_the_database_is_the_owners(home: Path) -> None:
    with embedded(home, bin_directory=CHOSEN_BIN) as server, psycopg.connect(server.url()) as connection:
        roles = connection.execute(
            "SELECT rolname::text, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname ~ '^gesta_' ORDER BY 1"
        ).fetchall()
        assert roles == [
            ("gesta_api", False, False, False),
            ("gesta_owner", False, False, True),
            ("gesta_system", False, False, False),
        ]
        owner = connection.execute("SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = 'gesta'").fetchone()
        assert owner == ("gesta_owner",)
        leakproof = connection.execute("SELECT proleakproof FROM pg_proc WHERE proname = 'jsonb_contains'").fetchone()
        assert leakproof == (True,)


def test_a_second_process_shares_it_and_it_outlives_the_first(home: Path, holder: Callable[[], subprocess.Popen[str]]) -> None:
    first = holder()
    before = server_pid(home)
    with embedded(home, bin_directory=CHOSEN_BIN) as server:
        first.kill()
        first.wait()
        write_row(server, "still here")
        assert server_pid(home) == before
    assert running_server(Home(home)) is None


def test_it_ends_when_its_user_is_killed(home: Path, holder: Callable[[], subprocess.Popen[str]]) -> None:
    process = holder()
    assert running_server(Home(home)) is not None
    process.kill()
    await_condition(lambda: running_server(Home(home)) is None)


def test_it_ends_when_its_keeper_is_killed_and_starts_for_the_next(home: Path) -> None:
    with embedded(home, bin_directory=CHOSEN_BIN) as server:
        write_row(server, "kept")
        os.kill(keeper_pid(home), signal.SIGKILL)
        await_condition(lambda: running_server(Home(home)) is None)
        with embedded(home, bin_directory=CHOSEN_BIN) as again:
            assert read_rows(again) == ["kept"]


def test_it_comes_back_by_itself_when_the_server_is_killed(home: Path) -> None:
    with embedded(home, bin_directory=CHOSEN_BIN) as server:
        write_row(server, "committed")
        killed = server_pid(home)
        os.kill(killed, signal.SIGKILL)
        await_condition(lambda: (now := running_server(Home(home))) is not None and now.ready and now.pid != killed)
        assert read_rows(server) == ["committed"]


def test_one_who_comes_while_it_is_being_started_again_waits_for_that_one(home: Path) -> None:
    with embedded(home, bin_directory=CHOSEN_BIN) as server:
        write_row(server, "committed")
        os.kill(server_pid(home), signal.SIGKILL)
        with embedded(home, bin_directory=CHOSEN_BIN) as joined:
            assert read_rows(joined) == ["committed"]
            assert read_rows(server) == ["committed"]
    assert running_server(Home(home)) is None


def test_everything_killed_at_once_is_recovered_by_the_next(home: Path, holder: Callable[[], subprocess.Popen[str]]) -> None:
    process = holder()
    with embedded(home, bin_directory=CHOSEN_BIN) as server:
        write_row(server, "committed")
        victims = [keeper_pid(home), server_pid(home), process.pid]
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
    with embedded(home, bin_directory=CHOSEN_BIN) as server:
        assert read_rows(server) == ["committed"]


def test_an_initdb_that_was_killed_leaves_nothing_in_the_way(home: Path) -> None:
    (home / "data.new").mkdir(parents=True)
    (home / "data.new" / "PG_VERSION").write_text("half a version")
    with embedded(home, bin_directory=CHOSEN_BIN) as server:
        write_row(server, "made")


def test_a_lock_file_whose_number_is_another_programs_by_now_is_no_obstacle(home: Path) -> None:
    with embedded(home, bin_directory=CHOSEN_BIN) as server:
        write_row(server, "kept")
    other = os.getppid()
    for path in (home / "data" / "postmaster.pid", home / "run" / ".s.PGSQL.5432.lock"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{other}\n{home}/data\n1\n5432\n{home}/run\n\n\nready   \n")
    with embedded(home, bin_directory=CHOSEN_BIN) as server:
        assert read_rows(server) == ["kept"]


def test_a_long_path_has_its_socket_elsewhere_and_still_private(tmp_path: Path) -> None:
    long = tmp_path / ("a-directory-with-a-very-long-name" * 4) / "postgres"
    with embedded(long, bin_directory=CHOSEN_BIN) as server:
        assert not server.socket_directory.is_relative_to(long)
        assert server.socket_directory.stat().st_mode & 0o077 == 0
        write_row(server, "far away")
        with embedded(long, bin_directory=CHOSEN_BIN) as joined:
            assert read_rows(joined) == ["far away"]


def test_data_of_another_version_is_refused_with_both_versions_named(home: Path) -> None:
    major = find_binaries(CHOSEN_BIN).major
    (home / "data").mkdir(parents=True)
    (home / "data" / "PG_VERSION").write_text(f"{major - 1}\n")
    with pytest.raises(OperatorError, match=rf"made by PostgreSQL {major - 1}, but .* PostgreSQL {major}"):
        join_or_start(home, bin_directory=CHOSEN_BIN)


def test_a_bad_parameter_is_reported_in_postgresqls_words(home: Path) -> None:
    with pytest.raises(OperatorError, match="shared_buffers"):
        join_or_start(home, bin_directory=CHOSEN_BIN, parameters={"shared_buffers": "plenty"})
    assert running_server(Home(home)) is None


def test_too_little_disk_is_said_before_anything_is_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.postgres.launcher.LEAST_FREE_BYTES", 1 << 60)
    with pytest.raises(OperatorError, match="MiB are free for a new database"):
        join_or_start(home, bin_directory=CHOSEN_BIN)
    assert not (home / "data").exists()


@pytest.mark.parametrize(
    ("logged", "told"),
    [
        ('FATAL:  could not write to file "pg_wal/x": No space left on device', "the disk is full"),
        ('initdb: error: could not access directory "/x": Permission denied', "a permission is missing"),
        ("FATAL:  something new", "FATAL:  something new"),
        ("", "it said nothing"),
    ],
)
def test_a_failed_start_is_told_by_the_line_that_matters(home: Path, logged: str, told: str) -> None:
    home.mkdir()
    Home(home).log.write_text(f"LOG:  of an earlier start\nLOG:  starting\n{logged}\n")
    mark = len("LOG:  of an earlier start\nLOG:  starting\n")
    assert told in diagnose(Home(home), mark)


def test_a_directory_without_programs_is_refused_by_name(home: Path, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="holds no PostgreSQL that runs here"):
        join_or_start(home, bin_directory=tmp_path)


def test_an_old_postgresql_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "postgres"
    program.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
    program.chmod(0o755)
    with pytest.raises(OperatorError, match=r"PostgreSQL 14 .* too old"):
        join_or_start(home, bin_directory=tmp_path / "bin")


def test_a_file_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "postgres").write_text("in the way")
    with pytest.raises(OperatorError, match="GESTA_DATA_DIR cannot be used"):
        join_or_start(tmp_path / "postgres", bin_directory=CHOSEN_BIN)


def run_as_nobody(home: Path) -> subprocess.CompletedProcess[str]:
    """As user nobody, who may read everything (root's interpreter may lie where others cannot look)."""
    powers = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *powers]
    command = [*become, sys.executable, "-c", HOLDER, str(home)]
    return subprocess.run(command, input="", capture_output=True, text=True, cwd="/", check=False)


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A directory of the user nobody, who may walk down to it.

    Not among pytest's own: each session of pytest that starts shuts the directory above all of them to everybody else.
    """
    directory = Path(tempfile.mkdtemp(prefix="nobodys-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    os.chown(directory, NOBODY, NOBODY)
    for parent in (directory, *directory.parents[:-2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    yield directory
    await_condition(lambda: all(running_server(Home(home)) is None for home in directory.iterdir()))
    shutil.rmtree(directory)


@needs_root
def test_a_normal_user_runs_it_and_root_joins_later_as_that_user(nobodys: Path) -> None:
    answer = run_as_nobody(nobodys / "postgres")
    assert answer.returncode == 0, answer.stderr
    with embedded(nobodys / "postgres", bin_directory=CHOSEN_BIN) as server:
        assert Path(f"/proc/{server_pid(nobodys / 'postgres')}").stat().st_uid == NOBODY
        write_row(server, "root's")
    answer = run_as_nobody(nobodys / "postgres")
    assert answer.returncode == 0, answer.stderr


@needs_root
def test_a_stranger_is_told_whose_directory_it_is(home: Path) -> None:
    with embedded(home, bin_directory=CHOSEN_BIN):
        pass
    answer = run_as_nobody(home)
    assert answer.returncode == 1
    assert "belongs to user 0, not to you" in answer.stderr


class ForbiddenNamespaces(Supervisor):
    """A supervisor on a machine whose kernel refuses user namespaces."""

    def demoted(self, identity: str, *command: str) -> list[str]:
        return ["false"] if identity == "namespace" else super().demoted(identity, *command)


@needs_root
def test_root_runs_it_as_nobody_where_namespaces_are_forbidden(nobodys: Path) -> None:
    home, sockets = nobodys / "roots", nobodys / "roots" / "run"
    sockets.mkdir(parents=True, mode=0o700)
    initdb = [find_binaries(CHOSEN_BIN).program("initdb"), "--username=postgres", "--auth=trust", "--no-sync"]
    supervisor = ForbiddenNamespaces(Orders(str(home), str(sockets), initdb, []))
    assert supervisor.initialise() == 0
    supervisor.log.close()
    with embedded(home, bin_directory=CHOSEN_BIN) as server:
        assert (home / "data").stat().st_uid == NOBODY
        assert Path(f"/proc/{server_pid(home)}").stat().st_uid == NOBODY
        write_row(server, "written")

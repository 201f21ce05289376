"""``gesta db`` on an embedded server, as a person would type it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.db import WITHOUT_PROMPT, DatabaseRole, hidden
from domain.envelope import PLATFORM
from tests.conftest import Database

GESTA = [sys.executable, "-m", "cli.main"]


def environment_of(**given: str) -> dict[str, str]:
    """No setting but those given (and the choice of PostgreSQL that the tests run on)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GESTA_") and name != "DATABASE_URL"}
    chosen = {name: os.environ[name] for name in ("GESTA_POSTGRES_BIN",) if name in os.environ}
    return kept | chosen | given


def gesta(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it in this directory, with no setting but those given."""
    return subprocess.run(
        [*GESTA, *arguments],
        cwd=directory,
        env=environment_of(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_migrations_go_up_show_their_state_and_go_down(tmp_path: Path) -> None:
    assert "pending                    0001_roles_and_schemas" in gesta(tmp_path, "db", "status").stdout
    assert "applied      0001_roles_and_schemas" in gesta(tmp_path, "db", "migrate").stdout
    assert "Nothing to do" in gesta(tmp_path, "db", "migrate").stdout
    assert "pending  " not in gesta(tmp_path, "db", "status").stdout
    down = gesta(tmp_path, "db", "rollback", "--to", "0")
    assert down.returncode == 0
    assert down.stdout.endswith("rolled back  0001_roles_and_schemas\n")
    assert "Nothing to do" in gesta(tmp_path, "db", "rollback").stdout


def test_psql_answers_as_the_role_that_was_asked_for(tmp_path: Path) -> None:
    for role in ("owner", "system", "api"):
        answer = gesta(tmp_path, "db", "psql", "--role", role, "-At", "-c", "SELECT current_user")
        assert answer.stdout == f"gesta_{role}\n", answer.stderr
    assert gesta(tmp_path, "db", "psql", "-c", "SELECT nonsense").returncode == 1
    assert gesta(tmp_path, "db", "psql", "--role", "owner", "--tenant", "acme").returncode == 2


def test_psql_sees_the_rows_of_the_tenant_that_is_named(tmp_path: Path, database: Database) -> None:
    addresses = {"GESTA_API_DATABASE_URL": database.api_url, "GESTA_SYSTEM_DATABASE_URL": database.system_url}
    asked = ("-At", "-c", "SELECT count(*), current_user, runtime.current_tenant() FROM workflows")
    seen = gesta(tmp_path, "db", "psql", "--tenant", "platform", *asked, **addresses)
    assert (seen.stdout, seen.stderr) == (f"0|gesta_api|{PLATFORM}\n", "")
    assert "There is no tenant acne" in gesta(tmp_path, "db", "psql", "--tenant", "acne", **addresses).stderr


def test_who_is_asked_for_statements_is_told_why_tables_are_empty() -> None:
    assert "owner" in (hidden(DatabaseRole.owner, None) or "")
    assert "No tenant is set" in (hidden(DatabaseRole.api, None) or "")
    assert [hidden(DatabaseRole.system, None), hidden(DatabaseRole.api, "acme"), hidden(DatabaseRole.analyst, "acme")] == [
        None
    ] * 3
    with_prompt = ["-A", "--csv", "-v", "ON_ERROR_STOP=1", "-qt"]
    without = ["-c", "-Atc", "-f", "--command=SELECT 1", "--file", "-l", "--version"]
    assert [each for each in [*with_prompt, *without] if WITHOUT_PROMPT.fullmatch(each)] == without


def test_url_is_the_address_of_the_role(tmp_path: Path) -> None:
    named = gesta(tmp_path, "db", "url", "--role", "api", GESTA_API_DATABASE_URL="postgresql://gesta_api@host/db")
    assert named.stdout == "postgresql://gesta_api@host/db\n"


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "complaint"),
    [
        (["db", "status"], {"GESTA_PORT": "x"}, 1, "gesta: GESTA_PORT: "),
        (["db", "status"], {"DATABASE_URL": "postgresql://u@127.0.0.1:1/x"}, 1, "gesta: No connection to the database: "),
        (["db", "status"], {"GESTA_API_DATABASE_URL": "postgresql://host/db"}, 1, "gesta: DATABASE_URL is not set: "),
        (["db", "nonsense"], {}, 2, "No such command"),
        (["db", "rollback", "--to", "-1"], {}, 2, "--to"),
        (["db", "url", "--role", "root"], {}, 2, "--role"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_and_by_the_exit_code(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], code: int, complaint: str
) -> None:
    answer = gesta(tmp_path, *arguments, **environment)
    assert answer.returncode == code
    assert complaint in answer.stderr
    assert "Traceback" not in answer.stderr
    assert code == 2 or answer.stderr.count("\n") == 1


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = {"psycopg", "pydantic", "fastapi", "uvicorn", "eventsourcing", "cel_expr_python"}
    program = "import sys; sys.argv = ['gesta', '--help']; import cli.main\ntry: cli.main.main()\nexcept SystemExit: pass\n"
    program += f"print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout.endswith("[]\n")

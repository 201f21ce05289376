"""``gesta db check`` and ``gesta db generate``, as a person would type them."""

import json
from pathlib import Path

from runtime.migrations import load
from tests.cli.test_db import gesta


def test_a_change_by_hand_is_told_drafted_taken_back_and_applied(tmp_path: Path) -> None:
    assert gesta(tmp_path, "db", "migrate").returncode == 0
    equal = gesta(tmp_path, "db", "check")
    assert (equal.returncode, equal.stdout[:6]) == (0, "Equal:"), equal.stderr
    assert "Nothing to draft" in gesta(tmp_path, "db", "generate").stdout

    by_hand = "ALTER TABLE projections.roles ADD colour text; DROP INDEX projections.roles_by_creation"
    assert gesta(tmp_path, "db", "psql", "-c", by_hand).returncode == 0
    drifted = gesta(tmp_path, "db", "check")
    assert drifted.returncode == 1
    assert drifted.stdout.splitlines()[0] == "column projections.roles.colour: expected nothing, found text"
    assert drifted.stdout.splitlines()[-1] == "2 differences."
    as_json = json.loads(gesta(tmp_path, "db", "check", "--json").stdout)
    assert as_json["drifts"][0] == {"kind": "column", "name": "projections.roles.colour", "expected": None, "found": "text"}

    drafts = tmp_path / "drafts"
    drafts.mkdir()
    assert gesta(tmp_path, "db", "generate", "colours", "--to", str(drafts)).returncode == 0
    number = f"{len(load()) + 1:04}"
    up, down = drafts / f"{number}_colours.up.sql", drafts / f"{number}_colours.down.sql"
    again = gesta(tmp_path, "db", "generate", "colours", "--to", str(drafts))
    assert (again.returncode, "File exists" in again.stderr) == (1, True)
    for half, code in ((down, 0), (up, 1)):
        assert gesta(tmp_path, "db", "psql", "-v", "ON_ERROR_STOP=1", "-f", str(half)).returncode == 0
        assert gesta(tmp_path, "db", "check").returncode == code


def test_pending_migrations_are_told_and_come_before_a_draft(tmp_path: Path) -> None:
    told = gesta(tmp_path, "db", "check")
    assert told.returncode == 1
    assert "migration 0001_roles_and_schemas: expected applied, found pending\n" in told.stdout
    refused = gesta(tmp_path, "db", "generate")
    assert (refused.returncode, "0001_roles_and_schemas is pending" in refused.stderr) == (1, True)
    assert gesta(tmp_path, "db", "generate", "Bad Name").returncode == 2


def test_what_cannot_be_drafted_is_said_and_shows_in_the_exit_code(tmp_path: Path) -> None:
    gesta(tmp_path, "db", "migrate")
    gesta(tmp_path, "db", "psql", "-c", "CREATE TYPE runtime.mood AS ENUM ('good')")
    drafted = gesta(tmp_path, "db", "generate", "moods", "--to", str(tmp_path))
    assert drafted.returncode == 1
    assert drafted.stdout.splitlines()[-1] == "NOT drafted  type runtime.mood"

"""``gesta db backup`` and ``gesta db restore`` on embedded servers, as a person would type them."""

from pathlib import Path

from tests.cli.test_db import gesta


def test_what_was_backed_up_in_one_place_is_there_in_another(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    for command in (("verify",), ("tenant", "create", "acme")):
        early = gesta(old, *command)
        assert (early.returncode, early.stderr.count("\n"), "run gesta db migrate" in early.stderr) == (1, 1, True), early.stderr
    assert gesta(old, "db", "migrate").returncode == 0
    nothing = gesta(old, "db", "backup", "../one.backup")
    assert (nothing.returncode, "no event" in nothing.stderr) == (1, True)
    assert gesta(old, "tenant", "create", "acme").returncode == 0
    told = gesta(old, "db", "backup", "../one.backup")
    assert told.stdout.startswith("Backed up "), told.stderr
    again = gesta(old, "db", "backup", "../one.backup")
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)

    assert gesta(new, "db", "restore", "../one.backup").stdout.startswith("Restored ")
    assert gesta(new, "db", "migrate").stdout.startswith("Nothing to do")
    assert gesta(new, "verify", "--tenant", "platform").returncode == 0
    drifted = gesta(new, "db", "check")
    assert drifted.returncode == 0, drifted.stdout
    assert gesta(new, "events", "show").stdout == gesta(old, "events", "show").stdout
    occupied = gesta(new, "db", "restore", "../one.backup")
    assert (occupied.returncode, "not empty" in occupied.stderr) == (1, True)

"""Options that are moments: each says which it is where it says none, and what was is not asked of what is to come."""

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.moments import moment

TENANT = ("--tenant", "acme")
TAKING = [
    (("what-if", *TENANT, "--workflow", "w"), "--from"),
    (("what-if", *TENANT, "--workflow", "w"), "--to"),
    (("replay", *TENANT), "--as-of"),
    (("diff", *TENANT, "--to", "1"), "--from"),
    (("diff", *TENANT, "--from", "1"), "--to"),
    (("export", "xes", "-", *TENANT), "--since"),
    (("export", "ocel", "log.json", *TENANT), "--until"),
    (("analyst", "create", "ann", *TENANT), "--expires"),
    (("analyst", "rotate", "ann", *TENANT), "--expires"),
]


def told(*words: str) -> str:
    made = CliRunner().invoke(app, words)
    assert made.exit_code == 2, made.output
    return " ".join(made.output.replace("│", " ").split())


@pytest.mark.parametrize(("command", "option"), TAKING)
@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "²", "0001-01-01T00:00:00+09:00"])
def test_what_is_no_moment_is_wrong_usage_of_its_option(command: tuple[str, ...], option: str, text: str) -> None:
    assert f"'{option}': {text} is no moment like 2026-01-05T09:00:00Z" in told(*command, option, text)


@pytest.mark.parametrize(("command", "option"), TAKING[2:5])
def test_a_moment_to_come_cannot_be_looked_back_at(command: tuple[str, ...], option: str) -> None:
    """It would be answered as of now, and otherwise the next day."""
    assert f"'{option}': 2999-01-01 is in the future." in told(*command, option, "2999-01-01")


def test_a_log_of_a_time_that_ends_before_it_begins_is_wrong_usage() -> None:
    assert "--until is not later" in told("export", "xes", "-", *TENANT, "--since", "2026-02-01", "--until", "2026-01-01")


def test_a_moment_has_a_zone() -> None:
    assert moment("2026-01-05").isoformat() == "2026-01-05T00:00:00+00:00"
    assert moment("2026-01-05T09:00:00+02:00").isoformat() == "2026-01-05T07:00:00+00:00"

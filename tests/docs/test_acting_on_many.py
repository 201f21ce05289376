"""What the page on acting on many executions shows is accepted, and what it names exists."""

import json
import re
from pathlib import Path

from api.routes.bulk_operations import OPTIONS, BulkRequest, filters_of, require_sound
from client import Client

PAGE = (Path(__file__).parents[2] / "docs/how-to/act-on-many.md").read_text("utf-8")


def test_the_requests_that_are_shown_are_accepted() -> None:
    shown = [BulkRequest.model_validate(json.loads(line)) for line in PAGE.splitlines() if line.startswith('{"action"')]
    assert {each.action for each in shown} == {"fork", "cancel", "signal", "start", "migrate"}
    for each in shown:
        require_sound(each)
        filters_of(each.filter or {})


def test_every_action_is_there_with_what_it_goes_by() -> None:
    table = PAGE.partition("| `action` | does | goes by |")[2].partition("\n\n")[0].splitlines()
    rows = {action: line for line in table for action in re.findall(r"`(\w+)`", line.split("|")[1] if "|" in line else "")}
    assert rows.keys() == OPTIONS.keys()
    for action, options in OPTIONS.items():
        assert set(options) <= set(re.findall(r"\w+", rows[action]))


def test_the_calls_that_are_shown_exist() -> None:
    calls = re.findall(r"gesta\.(\w+)\(", PAGE)
    assert calls
    assert all(callable(getattr(Client, name)) for name in calls)

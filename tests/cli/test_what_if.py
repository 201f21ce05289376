"""What `gesta what-if` is told, and what it tells; that it plays is tried in tests/api/test_what_if.py."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer
from typer.testing import CliRunner

from cli.main import app
from cli.trying import report
from cli.trying.versions import Setting, Versions, assumption, renaming
from domain.workflow import Workflow
from tests.engine.drawing import ask, drawing

DEFINITION = drawing({"start": "start", "ask": ask(), "end": "end"}, "start > ask", "ask.approved > end", "ask.rejected > end")
WORKFLOW = Workflow("active", "test", None, 1)
WORKFLOW = Workflow("active", "test", None, 1, WORKFLOW.versions.insert(1, DEFINITION))
ID = "0195a1c1-0000-7000-8000-000000000001"


def test_settings_and_assumptions_are_read(tmp_path: Path) -> None:
    (tmp_path / "rule.json").write_text('{"type": "first"}')
    assert Setting.parse('ask.rule={"type": "single"}') == Setting(("ask", "rule"), {"type": "single"})
    assert Setting.parse(f"ask.rule=@{tmp_path / 'rule.json'}").value == {"type": "first"}
    assert [Setting.parse(f"work.timeout={text}").value for text in ("PT1H", "7", "a=b")] == ["PT1H", 7, "a=b"]
    assert assumption("director=approved") == ("director", {"outcome": "approved"})
    assert assumption('charge={"output": 1}') == ("charge", {"output": 1})
    assert renaming("ask=approve") == ("ask", "approve")


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((Setting.parse, text) for text in ("ask.rule", "ask=1", "ask.=1", ".rule=1", "ask.rule={", "ask.rule=@/nowhere")),
        *((each, f"ask.x={'[' * 100_000}") for each in (Setting.parse, assumption)),
        *((assumption, text) for text in ("director", "=approved", "a=7", "a={}", 'a={"x": 1}', 'a={"error": "x"}')),
        *((renaming, text) for text in ("ask", "ask=", "=ask")),
    ],
)
def test_what_is_no_such_thing_is_wrong_usage(read: Any, text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read(text)


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        (Versions(2), "no version 2"),
        (Versions(definition={"key": "other"}), "no definition of the workflow test"),
        (Versions(definition={"key": "test", "nodes": 7}), "could not be published"),
        (Versions(settings=(Setting(("nobody", "rule"), 1),)), "There is no node nobody"),
        (Versions(settings=(Setting(("ask", "rule"), {"type": "nothing"}),)), "could not be published"),
        (Versions(1, names={"ask": "nobody"}), "There is no node nobody"),
        (Versions(1, names={"ask": "end", "x": "end"}), "called the same"),
    ],
)
def test_what_cannot_be_played_through_is_said_before_anything_is_played(versions: Versions, told: str) -> None:
    with pytest.raises(typer.BadParameter, match=told):
        versions.check(WORKFLOW)


def case(verdict: str, **more: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"why": None, "unknown": [], "assumed": [], "left_out": []}
    return {"execution_id": ID, "business_key": "EXP-1", "verdict": verdict, **nothing, **more}


def test_what_was_found_is_told_in_words() -> None:
    left_out = [{"node_id": "ask", "visit": 1, "message": f"The decision “approved” of {ID} does not count: they are not asked."}]
    taken, would = {"what": "left", "handle": "approved", "to": ["pay"]}, {"what": "waits"}
    elsewhere = case(
        "elsewhere",
        difference={"node_id": "ask", "visit": 1, "taken": taken, "would": would},
        would_end={"status": "waiting", "at": ["ask"]},
        left_out=left_out,
    )
    undecided = case("undecided", why="Nobody knows.", unknown=[{"node_id": "work", "visit": 1, "message": "Nobody knows."}])
    assert list(report.case_lines(elsewhere, {ID: "Ann"})) == [
        f"  EXP-1 ({ID}): ask: approved to pay → still waiting; would still wait at ask",
        "      ask: The decision “approved” of Ann does not count: they are not asked.",
    ]
    assert list(report.case_lines(undecided, {})) == [f"  EXP-1 ({ID}): undecided. work: Nobody knows."]
    totals = report.Totals()
    for each in (elsewhere, elsewhere, undecided, case("same"), case("not_played", why="It is not over yet.")):
        totals.add(each)
    assert not totals.same
    assert list(report.lines(totals.as_json({"workflow": "w", "through": "through version 2"}))) == [
        "5 finished executions through version 2:",
        "        1 the same",
        "        2 elsewhere",
        "                2 ask: approved to pay → still waiting",
        "        1 undecided",
        "                1 work: Nobody knows.",
        "        1 not played",
        "                1 It is not over yet.",
        "Those that went elsewhere:",
        "        2 would still wait at ask",
        "Left out:",
        "        2 ask: The decision “approved” of somebody does not count: they are not asked.",
    ]


def test_where_there_was_nothing_to_play_that_is_all_that_is_said() -> None:
    said = list(report.lines(report.Totals().as_json({"workflow": "spending", "through": "through version 2"})))
    assert said == ["No finished execution of spending is among those asked for: nothing was played."]


def test_a_later_visit_and_what_is_wrong_are_told_of_each_and_counted_together() -> None:
    would = {"what": "failed", "code": "invalid_value"}
    totals = report.Totals()
    points = [
        {"node_id": "ask", "visit": n, "taken": {"what": "waits"}, "would": would, "message": f"{n} are too few."} for n in (1, 7)
    ]
    told = [case("elsewhere", difference=each, would_end={"status": "failed", "code": "invalid_value"}) for each in points]
    for each in told:
        totals.add(each)
    assert list(report.case_lines(told[1], {})) == [
        f"  EXP-1 ({ID}): ask (visit 7): still waiting → failed (invalid_value); would have failed (invalid_value)",
        "      7 are too few.",
    ]
    assert [each["executions"] for each in totals.as_json({})["differences"]] == [2]


def test_totals_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MOST_KINDS", 2)
    totals = report.Totals()
    for number in range(9):
        totals.add(case("not_played", why=f"Reason {number}"))
    assert [each["executions"] for each in totals.as_json({})["not_played"]] == [7, 1, 1]


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ({"status": "failed", "code": "closed"}, "would have failed (closed)"),
        ({"status": "cancelled"}, "would have been cancelled"),
        ({"status": "unknown", "at": ["a", "b"]}, "unknown from a, b on"),
        ({"status": "not_started"}, "would not have started"),
    ],
)
def test_ends_are_told_in_words(end: Any, words: str) -> None:
    assert report.end(end) == words


def test_a_case_that_could_not_be_played_says_why() -> None:
    from cli.trying.cases import Case

    assert report.described(Case(UUID(ID), {}, why="It is not over yet.")) == {
        "execution_id": ID,
        "verdict": "not_played",
        "why": "It is not over yet.",
    }


def test_a_time_that_ends_before_it_begins_is_wrong_usage() -> None:
    """It holds no execution, and "all are the same" would be said of none."""
    made = CliRunner().invoke(
        app, ["what-if", "--tenant", "acme", "--workflow", "w", "--from", "2026-02-01", "--to", "2026-01-01"]
    )
    assert made.exit_code == 2
    assert "--to is not later than --from" in made.output


def test_a_file_that_is_nested_too_deeply_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(typer.BadParameter, match="nested too deeply"):
        Setting.parse(f"ask.rule=@{tmp_path / 'deep.json'}")


@pytest.mark.parametrize("versions", [Versions(), Versions(1), Versions(definition=DEFINITION)])
def test_nothing_is_assumed_of_a_node_that_there_is_not(versions: Versions) -> None:
    versions.check_assumed(WORKFLOW, ["ask"])
    with pytest.raises(typer.BadParameter, match="no node aks"):
        versions.check_assumed(WORKFLOW, ["ask", "aks"])


def test_a_workflow_that_was_never_published_has_nothing_to_play() -> None:
    for versions in (Versions(), Versions(definition=DEFINITION), Versions(settings=(Setting(("ask", "rule"), 1),))):
        with pytest.raises(typer.BadParameter, match="never been published"):
            versions.check(Workflow("active", "test", None, None))

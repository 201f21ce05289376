"""`gesta export`: the whole story as files, by the command line."""

import csv
import gzip
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from tests.conftest import Database
from tests.projections.story import ACME

TENANT = ("--tenant", str(ACME))


@pytest.mark.usefixtures("seeded_story")
def test_tables_the_ledger_and_logs_are_exported(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database.owner_url)
    monkeypatch.setenv("GESTA_SYSTEM_DATABASE_URL", database.system_url)
    monkeypatch.setenv("GESTA_API_DATABASE_URL", database.api_url)

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["export", *words, *TENANT])

    tables = run("tables", "--to", str(tmp_path / "tables"))
    assert (tables.exit_code, tables.stdout) == (0, ""), tables.output
    manifest = json.loads((tmp_path / "tables/manifest.json").read_text())
    assert f"acme as of position {manifest['position']}: {len(manifest['tables'])} files" in tables.stderr
    one = run("tables", "--table", "roles", "--format", "jsonl", "--to", "-")
    assert [json.loads(line)["tenant_id"] for line in one.stdout.splitlines()] == [str(ACME)] * len(one.stdout.splitlines())
    events = run("events", "--to", str(tmp_path / "events.csv.gz"), "--format", "csv", "--topic", "execution.*")
    assert json.loads(events.stderr)["position"] == manifest["position"]
    with gzip.open(tmp_path / "events.csv.gz", "rt", newline="") as file:
        assert {row["topic"].partition(".")[0] for row in csv.DictReader(file)} == {"execution"}
    xes = run("xes", str(tmp_path / "log.xes"), "--only", "decision", "--workflow", "travel")
    traces = len(list(ElementTree.parse(tmp_path / "log.xes").getroot().iter("{http://www.xes-standard.org/}trace")))
    assert traces > 0
    assert f"acme up to position {manifest['position']}: {traces} traces" in xes.stderr
    assert run("ocel", str(tmp_path / "log.json.gz")).exit_code == 0
    assert json.loads(gzip.decompress((tmp_path / "log.json.gz").read_bytes()))["events"]
    versioned = run("events", "--to", str(tmp_path / "started.jsonl"), "--topic", "execution.started.v1")
    assert json.loads(versioned.stderr)["events"] > 0
    beyond = str(manifest["position"] + 1)
    for words, why in (
        (("ocel", str(tmp_path / "log.txt")), ".sqlite, .json or .json.gz"),
        (("xes", str(tmp_path / "no.xes.zip")), "ends in .xes or .xes.gz"),
        (("events", "--to", str(tmp_path / "no.csv.gz")), "say --format csv."),
        (("tables", "--table", "users", "--to", str(tmp_path / "no.parquet")), "say --format parquet."),
        (("xes", str(tmp_path / "no.xes"), "--workflow", "expnse"), "There is no workflow expnse in acme."),
        (("ocel", str(tmp_path / "no.json"), "--workflow", "expnse"), "There is no workflow expnse in acme."),
        (("events", "--to", str(tmp_path / "no.jsonl"), "--topic", "exeution.*"), "There is no topic exeution.*."),
        (("events", "--to", str(tmp_path / "no.jsonl"), "--after", beyond), f"ends at position {manifest['position']}."),
    ):
        wrong = run(*words)
        assert (wrong.exit_code, why in " ".join(wrong.stderr.replace("│", " ").split())) == (2, True), wrong.stderr
    assert not list(tmp_path.glob("no.*"))

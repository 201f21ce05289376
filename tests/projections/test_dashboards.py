"""integrations/: every question of the dashboards is asked as an analyst asks it, and what the files name is there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # no stubs for so little
from psycopg import Connection

from tests.conftest import Database
from tests.projections.analysing import admitted, session
from tests.projections.story import ACME

INTEGRATIONS = Path(__file__).parents[2] / "integrations"
GRAFANA = INTEGRATIONS / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
FROM, TO = "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"


def macros(question: str, workflows: list[str]) -> str:
    """As Grafana's PostgreSQL data source expands them."""
    every = ",".join(f"'{name}'" for name in workflows)
    question = question.replace("$workflow", every).replace("$__interval", "5m")
    question = re.sub(r"\$__timeFilter\(([^)]*)\)", rf"\1 BETWEEN '{FROM}' AND '{TO}'", question)
    return re.sub(r"\$__timeGroupAlias\(([^,]*), 5m\)", r'floor(extract(epoch from \1)/300)*300 AS "time"', question)


def dashboard(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


@pytest.fixture
async def analyst(database: Database) -> str:
    return await admitted(database, ACME)


@pytest.fixture
def connection(database: Database, analyst: str) -> Iterator[Connection[Any]]:
    with session(database, analyst) as connection:
        yield connection


@pytest.mark.usefixtures("told")
def test_every_question_of_the_dashboards_and_of_metabase_has_an_answer(connection: Connection[Any]) -> None:
    asked = answered = 0
    for path in DASHBOARDS:
        board = dashboard(path)
        (variable,) = board["templating"]["list"]
        workflows = [row[0] for row in connection.execute(variable["query"].encode()).fetchall()]
        assert {"travel", "(none)"} < {*workflows}
        for panel in board["panels"]:
            (target,) = panel["targets"]
            question = macros(target["rawSql"], workflows)
            assert "$" not in question, panel["title"]
            cursor = connection.execute(question.encode())
            assert cursor.description is not None
            names = [column.name for column in cursor.description]
            if target["format"] == "time_series":
                assert names[0] == "time", panel["title"]
                times = [row[0] for row in cursor]
                assert times == sorted(times), panel["title"]
                answered += bool(times)
            else:
                answered += cursor.rowcount > 0
            asked += 1
    for question in json.loads((INTEGRATIONS / "metabase" / "questions.json").read_text("utf-8")):
        native = question["dataset_query"]["native"]["query"]
        cursor = connection.execute(native.encode())
        assert cursor.description is not None
        drawn = question["visualization_settings"]
        wanted = {*drawn.get("graph.dimensions", ()), *drawn.get("graph.metrics", ())}
        assert wanted <= {column.name for column in cursor.description}, question["name"]
        answered += cursor.rowcount > 0
        asked += 1
    assert asked > 40
    assert answered > asked * 0.7, "the story has little of what the dashboards show"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_what_grafana_loads(path: Path) -> None:
    """One source by the uid that is provisioned, ids of their own, and no panel upon another."""
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "gesta.yaml").read_text("utf-8"))["datasources"][0]
    board = dashboard(path)
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time", "timezone"} <= board.keys()
    assert board["timezone"] == "utc"
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        for named in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
            assert named == {"type": source["type"], "uid": source["uid"]}
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len({dashboard(each)["uid"] for each in DASHBOARDS}) == len(DASHBOARDS)


def test_what_is_provisioned_holds_no_secret_and_its_placeholders_are_documented() -> None:
    page = (INTEGRATIONS.parent / "docs/how-to/use-grafana-metabase-dbt.md").read_text("utf-8")
    source = (GRAFANA / "provisioning" / "datasources" / "gesta.yaml").read_text("utf-8")
    read = yaml.safe_load(source)["datasources"][0]
    assert read["secureJsonData"] == {"password": "${GESTA_ANALYST_PASSWORD}"}
    assert {name for name in re.findall(r"\$\{(\w+)\}", source) if name not in page} == set()
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "gesta.yaml").read_text("utf-8"))["providers"][0]
    assert provider["options"]["path"] in page

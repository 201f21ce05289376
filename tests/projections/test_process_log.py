"""Logs for process mining of the whole story: people and agents in one, as the standards have it."""

import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import jsonschema_rs
import pytest

from domain.ai_task import AI_TASK
from domain.approval import APPROVAL
from domain.execution import EXECUTION, ExecutionArchived
from projections.exporting.files import new_file
from projections.process_log import ocel, xes
from projections.process_log.activities import LOGGED, NOT_LOGGED
from projections.process_log.cases import Reading, Selection, topics
from projections.projector import Projector
from runtime.errors import OperatorError
from runtime.pools import connect
from tests.conftest import Database
from tests.projections.story import ACME, GLOBEX, Ledgers, an_id
from tests.projections.test_exporting import files_of_at_most, names_in

SCHEMA = json.loads((Path(__file__).parent / "ocel20.schema.json").read_text())
XES = "{http://www.xes-standard.org/}"
ORDER = ["extension", "global", "classifier", "string", "int", "trace"]
TRANSITIONS = {"start", "complete", "ate_abort", "pi_abort", "suspend", "resume", "schedule"}


# of which the second has values of other kinds than the first
MORE_ATTRIBUTES = """
INSERT INTO projections.execution_attributes (tenant_id, execution_id, name, kind, value, version, created_at, updated_at)
SELECT tenant_id, id, name, kind, value, 1, now(), now()
  FROM (SELECT tenant_id, id, row_number() OVER (ORDER BY id) AS n FROM projections.workflow_executions
         WHERE tenant_id = (SELECT id FROM projections.tenants WHERE slug = 'acme') ORDER BY id LIMIT 2) e
  JOIN (VALUES (1, 'whole', 'number', '7'), (2, 'whole', 'number', '-8'),
               (1, 'mixed', 'number', '7'), (2, 'mixed', 'number', '0.5'),
               (1, 'huge', 'number', '7'), (2, 'huge', 'number', '12345678901234567890'),
               (1, 'either', 'number', '7'), (2, 'either', 'boolean', 'true')) v (n, name, kind, value) USING (n)
"""


@asynccontextmanager
async def reading(database: Database, **selected: Any) -> AsyncIterator[Reading]:
    async with connect(database.system_url, name="test") as connection:
        yield await Reading.begin(connection, Selection(**{"tenant_id": ACME, **selected}))


def test_every_event_of_executions_requests_and_tasks_is_shown_or_left_out_for_a_reason() -> None:
    of = {*EXECUTION.events, *APPROVAL.events, *AI_TASK.events}
    assert {event.__name__ for event in of} == {event.__name__ for event in (*LOGGED, *NOT_LOGGED)}
    assert not {*LOGGED} & {*NOT_LOGGED}


@pytest.mark.usefixtures("told")
async def test_ocel_is_as_the_standard_has_it(database: Database, tmp_path: Path) -> None:
    async with reading(database, alone=True) as read:
        written = await ocel.write(read, tmp_path / "log.sqlite")
        again = await ocel.write(read, tmp_path / "log.json")
        with pytest.raises(OperatorError, match="is there already"):
            await ocel.write(read, tmp_path / "log.json")
        with files_of_at_most(4096), pytest.raises(OperatorError, match=r"full.sqlite cannot be written"):
            await ocel.write(read, tmp_path / "full.sqlite")
    assert names_in(tmp_path) == {"log.sqlite", "log.json"}
    log = json.loads((tmp_path / "log.json").read_bytes())
    assert written == again == (len(log["events"]), len(log["objects"]))
    jsonschema_rs.validator_for(SCHEMA, validate_formats=True).validate(log)
    objects = {each["id"]: each for each in log["objects"]}
    assert len(objects) == len(log["objects"])
    assert len({each["id"] for each in log["events"]}) == len(log["events"])
    declared = {name: {each["name"]: each for each in log[f"{name}Types"]} for name in ("event", "object")}
    for name, items in (("event", log["events"]), ("object", log["objects"])):
        for item in items:
            kinds = {each["name"]: each["type"] for each in declared[name][item["type"]]["attributes"]}
            for each in item["attributes"]:
                assert is_of(each["value"], kinds[each["name"]]), each
            assert {each["objectId"] for each in item["relationships"]} <= objects.keys()
            pairs = [(each["objectId"], each["qualifier"]) for each in item["relationships"]]
            assert len(set(pairs)) == len(pairs)
    assert {"execution", "workflow", "approval_request", "ai_task", "user", "model", "business_object"} == declared[
        "object"
    ].keys()
    kinds_of = {each["value"] for event in log["events"] for each in event["attributes"] if each["name"] == "kind"}
    assert kinds_of == {"execution", "node", "request", "decision", "ai"}
    types = [each["name"] for each in log["eventTypes"]]
    assert [name for name in types if ": tool " in name]
    assert [name for name in types if name.endswith(": model call")]
    assert_relational(tmp_path / "log.sqlite", log)


def is_of(value: Any, kind: str) -> bool:
    match kind:
        case "integer":
            return type(value) is int
        case "float":
            return isinstance(value, int | float)
        case "boolean":
            return isinstance(value, bool)
        case "time":
            return datetime.fromisoformat(value).tzinfo is not None
    return isinstance(value, str)


def assert_relational(path: Path, log: dict[str, Any]) -> None:
    """The tables that the standard asks for, and what must hold between them; the JSON says the same."""
    with closing(sqlite3.connect(path)) as db:

        def all_of(statement: str) -> list[Any]:
            return db.execute(statement).fetchall()

        assert all_of("PRAGMA foreign_key_check") == all_of("PRAGMA integrity_check")[1:] == []
        tables = {row[0] for row in all_of("SELECT name FROM sqlite_master WHERE type = 'table'")}
        needed = {"event", "object", "event_object", "object_object", "event_map_type", "object_map_type"}
        for of in ("event", "object"):
            counted = 0
            for type, mapped in all_of(f"SELECT ocel_type, ocel_type_map FROM {of}_map_type"):  # noqa: S608  one of two
                table = f'"{of}_{mapped}"'
                needed.add(f"{of}_{mapped}")
                ids = all_of(f"SELECT DISTINCT ocel_id FROM {table}")  # noqa: S608  our own
                assert sorted(ids) == sorted(
                    db.execute(f"SELECT ocel_id FROM {of} WHERE ocel_type = ?", (type,)).fetchall()  # noqa: S608
                )
                counted += len(ids)
                columns = [row[1] for row in all_of(f"PRAGMA table_info({table})")]
                assert (
                    columns[: 2 if of == "event" else 3]
                    == ["ocel_id", "ocel_time", "ocel_changed_field"][: 2 if of == "event" else 3]
                )
                if of == "object":
                    first = (
                        f"SELECT count(*) FROM {table} WHERE ocel_changed_field IS NULL AND ocel_time LIKE '1970-01-01 00:00:00%'"  # noqa: S608
                    )
                    assert all_of(first) == [(len(ids),)]
            assert counted == len(log[f"{of}s"])
        assert tables == needed
        related = {
            (event["id"], each["objectId"], each["qualifier"]) for event in log["events"] for each in event["relationships"]
        }
        assert related == {*all_of("SELECT ocel_event_id, ocel_object_id, ocel_qualifier FROM event_object")}


@pytest.mark.usefixtures("told")
async def test_xes_is_as_the_standard_has_it(database: Database, tmp_path: Path) -> None:
    async with connect(database.superuser_url, name="test") as connection:
        await connection.execute(MORE_ATTRIBUTES)
    async with reading(database) as read:
        with new_file(tmp_path / "log.xes") as file:
            written = await xes.write(read, file, "acme")
    log = ElementTree.parse(tmp_path / "log.xes").getroot()
    order = [ORDER.index(child.tag.removeprefix(XES)) for child in log]
    assert order[: order.index(3)] == sorted(order[: order.index(3)])
    assert order[-written.traces :] == [5] * written.traces
    assert len(list(log.iter(f"{XES}trace"))) == written.traces
    events = list(log.iter(f"{XES}event"))
    assert len(events) == written.events
    assert len({values_of(trace)["concept:name"] for trace in log.iter(f"{XES}trace")}) == written.traces
    for trace in log.iter(f"{XES}trace"):
        positions = [int(values_of(event)["gesta:position"]) for event in trace.iter(f"{XES}event")]
        assert positions == sorted(positions)
    for event in events:
        about = values_of(event)
        assert about["concept:name"]
        assert about["lifecycle:transition"] in TRANSITIONS
        assert datetime.fromisoformat(about["time:timestamp"]).utcoffset() == timedelta(0)
        assert about["org:resource"]
        assert len(about) == len(event)
    names = {values_of(event)["concept:name"] for event in events}
    assert any(name.endswith(": model call") for name in names)
    tags: dict[str, set[str]] = {}
    for child in (child for trace in log.iter(f"{XES}trace") for child in trace if child.tag != f"{XES}event"):
        tags.setdefault(child.attrib["key"], set()).add(child.tag.removeprefix(XES))
        assert child.tag != f"{XES}int" or abs(int(child.attrib["value"])) < 1 << 63
    assert {key: tags[key] for key in ("whole", "mixed", "huge", "either")} == {
        "whole": {"int"},
        "mixed": {"float"},
        "huge": {"float"},
        "either": {"string"},
    }


def values_of(element: ElementTree.Element) -> dict[str, str]:
    return {child.attrib["key"]: child.attrib["value"] for child in element if "key" in child.attrib}


EVENTS_OF = """
SELECT count(*) FROM ledger.events e
 WHERE e.tenant_id = %(tenant)s AND e.topic = ANY(%(topics)s) AND e.stream_id IN (
       SELECT %(id)s UNION SELECT (r.row ->> 'id')::uuid
         FROM projections.archived_rows a CROSS JOIN jsonb_array_elements(a.rows) r (row)
        WHERE a.execution_id = %(id)s AND a.table_name IN ('approval_requests', 'ai_agent_tasks'))
"""


@pytest.mark.usefixtures("told")
async def test_executions_in_the_archive_are_in_the_log_with_all_that_was_done(database: Database, tmp_path: Path) -> None:
    async with reading(database, alone=True) as read:
        with new_file(tmp_path / "log.xes") as file:
            await xes.write(read, file, "acme")
        await ocel.write(read, tmp_path / "log.json")
    traces = {
        values_of(trace)["gesta:id"]: trace for trace in ElementTree.parse(tmp_path / "log.xes").getroot().iter(f"{XES}trace")
    }
    whole, child = traces[str(an_id("acme archived"))], traces[str(an_id("acme archived child"))]
    assert values_of(whole).items() >= {"concept:name": "trip-9", "gesta:status": "completed", "due": "2026-03-02"}.items()
    assert values_of(child)["gesta:status"] == "failed"
    kinds = [values_of(event)["gesta:kind"] for event in whole.iter(f"{XES}event")]
    assert {*kinds} == {"execution", "node", "request", "decision", "ai"}
    async with connect(database.system_url, name="test") as connection:
        asked = {"tenant": ACME, "id": an_id("acme archived"), "topics": topics()}
        assert await (await connection.execute(EVENTS_OF, asked)).fetchone() == (len(kinds),)
    objects = {each["id"]: each for each in json.loads((tmp_path / "log.json").read_bytes())["objects"]}
    assert str(an_id("acme archived request")) in objects
    started_by = [
        each for each in objects[str(an_id("acme archived child"))]["relationships"] if each["qualifier"] == "started by"
    ]
    assert [each["objectId"] for each in started_by] == [str(an_id("acme archived"))]


@pytest.mark.usefixtures("told")
async def test_one_that_is_archived_during_an_export_is_in_it_once(
    database: Database, ledgers: Ledgers, projector: Projector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.process_log.cases.PAGE", 2)
    async with reading(database) as read:
        expected = [case.id async for case, entry in read.told() if entry is None]
    over = [an_id(f"acme {number}") for number in (1, 2, 6, 8)]
    assert {*over} < {*expected}
    found: list[UUID] = []
    async with reading(database) as read:
        async for case, entry in read.told():
            if entry is None:
                found.append(case.id)
            if entry is None and len(found) == 3:
                await ledgers.append(ACME, *((each, ExecutionArchived(90)) for each in over))
                await projector.catch_up()
    assert len(found) == len(expected)
    assert {*found} == {*expected}
    assert {*found[:3]} & {*over}
    assert {*found[3:]} & {*over}


@pytest.mark.usefixtures("told")
async def test_a_selection_shows_less_and_no_name_where_none_is_to_be(database: Database, tmp_path: Path) -> None:
    async def log(name: str, **selected: Any) -> tuple[xes.Written, str]:
        async with reading(database, **selected) as read:
            with new_file(tmp_path / name) as file:
                written = await xes.write(read, file, "acme", {"decision"} if name == "decisions" else None)
            return written, (tmp_path / name).read_text()

    whole, named = await log("whole")
    hidden, nameless = await log("hidden", people="id", activity="id")
    decisions, _ = await log("decisions")
    none, _ = await log("none", workflow="no-such")
    other, foreign = await log("other", tenant_id=GLOBEX)
    late, _ = await log("late", since=datetime.fromisoformat("2999-01-01T00:00:00Z"))
    async with connect(database.system_url, name="test") as connection:
        people = await (await connection.execute("SELECT display_name, email FROM projections.users")).fetchall()
    assert hidden == whole
    assert any(f'"{name}"' in named for name, _ in people)
    assert not [name for person in people for name in person if f'"{name}"' in nameless]
    assert 0 < decisions.events < whole.events
    assert (none, late) == ((0, 0), (0, 0))
    ids = re.compile('<id key="gesta:id" value="(.*?)"')
    assert len(ids.findall(foreign)) == other.traces > 0
    assert not {*ids.findall(foreign)} & {*ids.findall(named)}

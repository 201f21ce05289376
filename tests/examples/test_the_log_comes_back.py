"""The declarations that were played come out as the log that they came from."""

import csv
import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import UUID

from examples.declarations.back import activity, cases_of
from examples.declarations.log import read_cases
from examples.declarations.player import Api, play, set_up
from projections.exporting.files import new_file
from projections.process_log import ocel, xes
from projections.process_log.cases import Reading, Selection
from runtime.pools import connect
from tests.api.conftest import Gesta

SAMPLE = Path(__file__).parent / "sample.csv"


async def test_the_declarations_come_out_as_the_log_they_came_from(gesta: Gesta, tmp_path: Path) -> None:
    cases = read_cases(SAMPLE)
    api = Api(gesta.http)
    stage = await set_up(api, gesta.platform.token)
    await play(api, stage, cases, 3, lambda _taken: None)
    await gesta.projector.catch_up()
    of = Selection(UUID(stage.tenant_id), workflow="declaration")
    async with connect(gesta.database.system_url, name="test") as connection:
        with new_file(tmp_path / "log.xes.gz") as file:
            written = await xes.write(await Reading.begin(connection, of), file, "declarations", {"decision"})
        await ocel.write(await Reading.begin(connection, of), tmp_path / "log.sqlite")
    steps = sum(len(case.steps) for case in cases)
    assert written == (len(cases), steps)
    back = {case.id: case for case in cases_of(tmp_path / "log.xes.gz")}
    assert back == {case.id: case for case in cases}
    with SAMPLE.open(newline="") as original:
        rows = [(row["case_id"], row["activity"], float(row["amount"])) for row in csv.DictReader(original)]
    assert [(case.id, activity(step), case.amount) for case in (back[case.id] for case in cases) for step in case.steps] == rows
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as db:
        decisions = db.execute(
            """
            SELECT o.ocel_object_id, count(*) FROM event_object e
              JOIN event_object o ON o.ocel_event_id = e.ocel_event_id AND o.ocel_qualifier = 'about'
              JOIN object b ON b.ocel_id = o.ocel_object_id AND b.ocel_type = 'business_object'
             WHERE e.ocel_qualifier = 'decided by' GROUP BY 1
            """
        ).fetchall()
        amounts = db.execute("SELECT business_key, attr_amount FROM object_execution WHERE ocel_changed_field IS NULL").fetchall()
    assert dict(decisions) == {f"business_object:{case.id}": len(case.steps) for case in cases}
    assert dict(amounts) == {case.id: case.amount for case in cases}

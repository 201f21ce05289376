"""Business calendars over HTTP."""

from typing import Any

from tests.api.conftest import Gesta

HOURS = {day: [{"from": "09:00", "to": "12:30"}, {"from": "13:30", "to": "24:00"}] for day in ("mon", "fri")}
GERMANY: dict[str, Any] = {"key": "de", "name": "Germany", "time_zone": "Europe/Berlin", "hours": HOURS}


async def test_a_calendar_is_created_read_and_changed(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    owner, designer = await acme.member("owner"), await acme.member("designer")
    made = await owner.client.post("/calendars", {**GERMANY, "holidays": ["2026-12-26", "2026-12-25"]})
    assert made.status_code == 201, made.text
    path = f"/calendars/{made.json()['id']}"
    assert made.headers["Location"] == f"/v1{path}"
    read = (await designer.client.get(path)).json()
    assert {name: read[name] for name in GERMANY} == GERMANY
    assert read["holidays"] == ["2026-12-25", "2026-12-26"]
    changed = await owner.client.with_headers(If_Match='"1"').call("PATCH", path, {"hours": {"tue": HOURS["mon"]}})
    assert (changed.status_code, changed.json()["hours"]) == (200, {"tue": HOURS["mon"]})
    assert (await owner.client.with_headers(If_Match='"1"').call("PATCH", path, {"name": "X"})).status_code == 412
    (listed,) = (await designer.client.get("/calendars", key="de")).json()["items"]
    assert "hours" not in listed
    assert (await designer.client.call("PATCH", path, {"name": "X"})).status_code == 403
    assert (await other.admin.get(path)).status_code == 404
    assert (await other.admin.call("PATCH", path, {"name": "X"})).status_code == 404
    taken = await owner.client.post("/calendars", GERMANY)
    assert (taken.status_code, taken.json()["code"], taken.json()["errors"][0]["path"]) == (409, "name_taken", "/key")


async def test_what_is_no_calendar_is_refused_and_named(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    for wrong, path in (
        ({"time_zone": "Europe/Nowhere"}, "/time_zone"),
        ({"hours": {"mon": [{"from": "12:00", "to": "09:00"}]}}, "/hours/mon/0/to"),
        ({"hours": {"mon": [{"from": "09:00"}]}}, "/hours/mon/0/to"),
        ({"hours": {"monday": []}}, "/hours/monday"),
        ({"hours": {}}, "/hours"),
        ({"holidays": ["2026-13-01"]}, "/holidays/0"),
        ({"key": "No key"}, "/key"),
    ):
        refused = await acme.admin.post("/calendars", {**GERMANY, **wrong})
        assert refused.status_code == 422, refused.text
        assert any(error["path"].startswith(path) for error in refused.json()["errors"]), refused.text

"""Prompts over HTTP: from the first draft to a rollback, and what would be sent."""

from typing import Any

from tests.api.conftest import Gesta

GREET: dict[str, Any] = {
    "template": {"system": "You are {{ tone }}.", "user": "Greet {{ customer.name }} of {{ account }}."},
    "variables": {
        "customer": {"schema": {"type": "object", "required": ["name"]}, "description": "Whom."},
        "tone": {"default": "kind"},
        "account": {"sensitive": True},
    },
    "model": "careful",
    "defaults": {"temperature": 0},
}
VALUES = {"customer": {"name": "{{ account }}"}, "account": "DE02 1203 0000"}


async def test_a_prompt_is_drafted_published_compared_rolled_back_and_shown(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    designer, viewer = await acme.member("designer"), await acme.member("viewer")
    made = await designer.client.post("/prompts", {"key": "greet", **GREET})
    assert (made.status_code, made.headers["Location"]) == (201, "/v1/prompts/greet"), made.text
    shown = await viewer.client.post("/prompts/greet/render", {"variables": VALUES})
    assert shown.json() == {
        "key": "greet",
        "prompt_version": None,
        "model": "careful",
        "prompt": "Greet {{ account }} of [sensitive:account].",
        "system_prompt": "You are kind.",
        "sensitive": ["account"],
    }
    assert (await designer.client.post("/prompts/greet/publish", {"note": "First."})).json()["current_version"] == 1
    wrong = {**GREET, "template": {"user": "{{ nobody }} {{"}}
    await designer.client.call("PUT", "/prompts/greet/draft", wrong)
    refused = await designer.client.post("/prompts/greet/publish")
    assert (refused.status_code, refused.json()["code"]) == (422, "prompt_rejected")
    assert [(each["path"], each["code"]) for each in refused.json()["errors"]] == [("/template/user", "bad_template")]
    second = {**GREET, "template": {"user": "Greet {{ customer.name }} of {{ account }}.\nBriefly."}}
    await designer.client.call("PUT", "/prompts/greet/draft", second)
    compared = (await viewer.client.get("/prompts/greet/difference")).json()
    assert [(each["path"], each["how"]) for each in compared["changes"]] == [
        ("/template/system", "removed"),
        ("/template/user", "changed"),
    ]
    assert "+Briefly." in compared["lines"]["user"]
    published = await designer.client.post("/prompts/greet/publish")
    assert published.json()["warnings"][0]["path"] == "/variables/tone"
    back = await designer.client.post("/prompts/greet/rollback", {"version": 1, "reason": "Too brief."})
    assert (back.json()["current_version"], back.json()["latest_version"]) == (1, 2)
    read = (await viewer.client.get("/prompts/greet")).json()
    assert (read["current"]["number"], read["current"]["variables"]["account"]["sensitive"]) == (1, True)
    versions = (await viewer.client.get("/prompts/greet/versions")).json()["items"]
    assert [(each["number"], each["is_current"]) for each in versions] == [(2, False), (1, True)]
    assert (await viewer.client.get("/prompts/greet/versions/2")).json()["template"]["system"] is None
    assert (await viewer.client.post("/prompts/greet/rollback", {"version": 2})).status_code == 403
    for path in ("/prompts/greet", "/prompts/greet/versions", "/prompts/Greet", "/prompts/%00", "/prompts/greet/difference"):
        assert (await other.admin.get(path)).status_code == 404, path
    assert (await viewer.client.get("/prompts/greet/difference", to="7")).status_code == 404
    assert (await viewer.client.get("/prompts/greet/difference", to="last")).status_code == 422
    missing = await viewer.client.post("/prompts/greet/render", {"version": 2, "variables": {"customer": {}}})
    assert [each["path"] for each in missing.json()["errors"]] == ["/variables/customer/name", "/variables/account"]
    assert "DE02" not in (await acme.admin.get("/events", limit="200")).text

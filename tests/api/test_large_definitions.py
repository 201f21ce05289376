"""A definition of ten thousand nodes, over HTTP: checked, published, started, and read again."""

from tests.api.conftest import Tenant
from tests.engine.drawing import drawing


async def test_ten_thousand_nodes_over_http(acme: Tenant) -> None:
    names = [f"n{number}" for number in range(9_998)]
    steps = {name: ("task", {"job_type": "resize", "input": {"amount": "=input.amount"}}) for name in names}
    ways = [f"{one} > {other}" for one, other in zip(["start", *names], [*names, "end"], strict=True)]
    definition = drawing({"start": "start", **steps, "end": "end"}, *ways)
    assert len(str(definition)) > 1 << 20
    found = (await acme.admin.post("/workflows/validate", {"definition": definition})).json()["findings"]
    assert {finding["severity"] for finding in found} == {"warning"}
    workflow = await acme.publish(definition)
    started = await acme.admin.post("/executions", {"workflow_key": "test", "input": {"amount": 1}})
    assert started.status_code == 201
    assert [item["node_id"] for item in started.json()["open"]] == ["n0"]
    assert len((await acme.admin.get(f"/workflows/{workflow}")).json()["definition"]["nodes"]) == 10_000


async def test_what_is_larger_than_a_definition_may_be_is_refused(acme: Tenant) -> None:
    definition = drawing({"start": "start", "end": "end"}, "start > end", description="x" * (8 << 20))
    answer = await acme.admin.post("/workflows/validate", {"definition": definition})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

"""The whole way, over HTTP: publish, start, decide, read."""

from tests.api.conftest import Gesta
from tests.api.definitions import APPROVAL


async def test_a_purchase_is_started_approved_and_paid(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    approver = await acme.member("approver")
    await acme.publish(APPROVAL)
    started = await acme.admin.post("/executions", {"workflow_key": "purchase", "business_key": "P-1", "input": {"amount": 12.5}})
    assert started.status_code == 201, started.text
    (opened,) = started.json()["open"]
    assert opened["kind"] == "approval"
    assert opened["node_id"] == "review"
    assert started.headers["Location"] == f"/v1/executions/{started.json()['id']}"
    decided = await approver.client.post(f"/approvals/{opened['id']}/decide", {"outcome": "approved", "comment": "fine"})
    assert decided.status_code == 200, decided.text
    assert decided.json()["execution"]["status"] == "completed"
    execution = (await acme.admin.get(f"/executions/{started.json()['id']}")).json()
    assert execution["status"] == "completed"
    assert execution["output"] == {"paid": 12.5}
    assert execution["business_key"] == "P-1"
    approval = (await approver.client.get(f"/approvals/{opened['id']}")).json()
    assert approval["outcome"] == "approved"
    assert [one["user_id"] for one in approval["decisions"]] == [approver.user_id]
    history = (await acme.admin.get(f"/executions/{started.json()['id']}/history")).json()
    assert history["items"][0]["topic"] == "execution.started.v1"
    assert history["items"][-1]["topic"] == "execution.completed.v1"

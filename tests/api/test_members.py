"""Members over HTTP: whom they report to, and their attributes."""

import asyncio

from tests.api.behind import ok
from tests.api.conftest import Gesta
from tests.api.racing import ROUNDS, at_once, racing


async def test_a_member_has_a_manager_and_attributes(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    owner, boss, ada = await acme.member("owner"), await acme.member("approver"), await acme.member("viewer")
    path, attributes = f"/members/{ada.user_id}", {"cost_centre": "4711", "sites": ["oslo"], "lead": True}
    changed = await owner.client.call("PATCH", path, {"manager_id": boss.user_id, "attributes": attributes})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["manager_id"], changed.json()["attributes"]) == (boss.user_id, attributes)
    assert len(changed.json()["role_ids"]) == 1
    read = (await owner.client.get(path)).json()
    assert (read["manager_id"], read["attributes"]) == (boss.user_id, attributes)
    reports = (await owner.client.get("/members", manager_id=boss.user_id)).json()["items"]
    assert [row["user_id"] for row in reports] == [ada.user_id]
    assert "attributes" not in reports[0]
    for body, status, code in (
        ({"manager_id": ada.user_id}, 409, "manager_cycle"),
        ({"manager_id": "00000000-0000-7000-8000-000000000000"}, 422, "invalid"),
        ({"attributes": {"a": {}}}, 422, "invalid"),
        ({"attributes": []}, 422, None),
        ({"manager": None}, 422, None),
    ):
        refused = await owner.client.call("PATCH", path, body)
        assert refused.status_code == status, refused.text
        assert code in (None, refused.json()["code"])
    stale = await owner.client.with_headers(If_Match='"1"').call("PATCH", path, {"manager_id": None})
    assert stale.status_code == 412
    assert (await owner.client.call("PATCH", path, {"manager_id": None})).json()["attributes"] == attributes
    refused = await boss.client.call("PATCH", path, {"attributes": {}})
    assert refused.status_code == 403
    (logged,) = (await acme.admin.get("/audit-logs", action="member.changed", limit="1")).json()["items"]
    assert (logged["metadata"]["before"]["manager_id"], logged["metadata"]["after"]["manager_id"]) == (boss.user_id, None)


async def test_two_processes_never_put_two_members_above_each_other(gesta: Gesta) -> None:
    async with racing(gesta) as two:
        for number in range(ROUNDS):
            ann, bob = await two.user(), await two.user()
            await asyncio.gather(*(ok(two.added(two.behind, one)) for one in (ann, bob)))
            answers = await at_once(
                number,
                two.ahead.admin.call("PATCH", f"/members/{ann}", {"manager_id": bob}),
                two.behind.admin.call("PATCH", f"/members/{bob}", {"manager_id": ann}),
            )
            assert sorted(answer.status_code for answer in answers) == [200, 409]
            (refused,) = [answer for answer in answers if answer.status_code == 409]
            assert refused.json()["code"] == "manager_cycle"

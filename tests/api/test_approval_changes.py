"""Claims and the rest over HTTP: races at two processes, and what tables show."""

from tests.api.behind import ok, two_processes
from tests.api.conftest import Gesta
from tests.api.racing import ROUNDS, at_once, racing
from tests.api.test_approval_rules import asking, mine, opened, shown
from tests.api.test_approval_steps import holds


async def test_of_two_who_claim_it_at_two_processes_one_has_it(gesta: Gesta) -> None:
    async with racing(gesta) as two:
        await two.ahead.publish(asking({"type": "single"}))
        ann, ben = two.at(two.ahead, two.person.client), two.at(two.behind, (await two.behind.member("approver")).client)
        for number in range(ROUNDS):
            request_id = await opened(two.ahead)
            first, second = await at_once(
                number, ann.post(f"/approvals/{request_id}/claim", {}), ben.post(f"/approvals/{request_id}/claim", {})
            )
            assert sorted((first.status_code, second.status_code)) == [200, 409]
            winner, loser = (ann, ben) if first.status_code == 200 else (ben, ann)
            refused = await loser.post(f"/approvals/{request_id}/decide", {"outcome": "approved"})
            assert (refused.status_code, refused.json()["code"]) == (409, "claimed")
            await ok(winner.post(f"/approvals/{request_id}/decide", {"outcome": "approved"}))


async def test_who_takes_a_decision_back_and_who_resolves_it_do_not_both(gesta: Gesta) -> None:
    async with racing(gesta) as two:
        await two.ahead.publish(asking({"type": "multiple", "count": 2}))
        ann, ben = two.at(two.ahead, two.person.client), two.at(two.behind, (await two.behind.member("approver")).client)
        for number in range(ROUNDS):
            request_id = await opened(two.ahead)
            await ok(ann.post(f"/approvals/{request_id}/decide", {"outcome": "approved"}))
            back, decided = await at_once(
                number,
                ann.post(f"/approvals/{request_id}/revoke", {}),
                ben.post(f"/approvals/{request_id}/decide", {"outcome": "approved"}),
            )
            row = await shown(two.behind, request_id)
            resolved = (await ok_or_closed(back)) is False
            assert decided.status_code == 200
            assert (row["status"], row["received_approvals"]) == (("resolved", 2) if resolved else ("pending", 1))


async def ok_or_closed(answer: object) -> bool:
    """Whether it was taken back in time."""
    status, code = answer.status_code, answer.json().get("code")  # type: ignore[attr-defined]
    assert (status, code) in ((200, None), (409, "approval_closed"), (409, "execution_closed")), code
    return bool(status == 200)


async def test_who_is_asked_instead_has_it_in_the_list_and_what_waits_knows(gesta: Gesta) -> None:
    async with two_processes(gesta) as two:
        await two.ahead.publish(asking({"type": "single"}, by={"users": [two.person.user_id]}))
        late = await two.behind.member("approver", "operator")
        request_id = await opened(two.ahead)
        body = {"from_user_id": two.person.user_id, "to_user_id": late.user_id}
        await ok(two.behind.admin.post(f"/approvals/{request_id}/reassign", body))
        assert (await mine(two.person.client), await mine(late.client)) == ([], [request_id])
        row = await shown(two.ahead, request_id)
        (wait,) = (await ok(two.ahead.admin.get(f"/executions/{row['execution_id']}/waits")))["items"]
        assert (row["assigned_to"]["users"], wait["by"]["users"]) == ([late.user_id], [late.user_id])
        claimed = await ok(late.client.post(f"/approvals/{request_id}/claim", {}))
        assert (claimed["approval"]["status"], (await shown(two.ahead, request_id))["claimed_by"]) == ("pending", late.user_id)
        await holds(gesta, two.ahead)

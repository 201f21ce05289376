"""What those who are asked do with the clients: their inbox, claims, and many requests at once; against a running server."""

from datetime import UTC, datetime
from typing import Any

import pytest

from client import (
    ApiError,
    AsyncClient,
    Client,
    Conflict,
    Decision,
    DecisionResult,
    PermissionDenied,
    SavedFilter,
    VersionMismatch,
)
from tests.api.behind import ok
from tests.api.conftest import Gesta, Tenant
from tests.client.conftest import url_of


async def test_an_inbox_is_read_claimed_from_and_decided(gesta: Gesta, acme: Tenant, boss: AsyncClient) -> None:
    ann, ben = await acme.member("approver", "operator"), await acme.member("approver")
    async with AsyncClient(url_of(gesta), ann.client.token) as at_ann, AsyncClient(url_of(gesta), ben.client.token) as at_ben:
        asked: dict[str, Any] = {"by": {"roles": ["approver"]}, "exclude": ["requester"]}
        small = await boss.request_approval("A chair?", priority=1, due_in="P1D", **asked)
        large = await boss.request_approval("A press?", priority=5, **asked)
        of_ben = await boss.request_approval("A desk?", by={"users": [ben.user_id]})
        assert [(item.id, item.priority, item.overdue) for item in await at_ann.inbox()] == [
            (small.id, 1, False),
            (large.id, 5, False),
        ]
        first = (await at_ann.inbox(sort="-priority", limit=1)).items[0]
        assert (first.title, first.standing_in_for, first.due_at, first.requested_by is not None) == (
            "A press?",
            None,
            None,
            True,
        )
        assert [item.id for item in await at_ann.inbox(due_before=datetime(9000, 1, 1, tzinfo=UTC))] == [small.id]
        urgent = SavedFilter("Urgent", {"priority": "5"}, "-priority")
        assert await at_ann.save_filters([urgent]) == await at_ann.saved_filters() == (urgent,)
        assert [item.id for item in await at_ann.inbox(urgent.filter)] == [large.id]
        counts = await at_ann.inbox_counts()
        assert (counts.total, counts.by_priority, counts.standing_in_for, counts.more) == (2, {1: 1, 5: 1}, {}, False)

        assert (await at_ann.claim_approval(small.id)).status == "pending"
        assert (await at_ann.inbox_counts(claimed_by="me")).total == 1
        with pytest.raises(Conflict):
            await at_ben.claim_approval(small.id)
        await at_ann.release_approval(small.id, comment="Later.")
        await ok(acme.admin.post("/delegations", {"from_user_id": ben.user_id, "to_user_id": ann.user_id}))
        (item,) = await at_ann.inbox(standing_in_for=ben.user_id, title="desk")
        assert (item.id, item.standing_in_for) == (of_ben.id, ben.user_id)
        decided = await at_ann.decide(item.id, "approved", on_behalf_of=item.standing_in_for)
        assert (decided.status, decided.outcome) == ("resolved", "approved")
        with pytest.raises(PermissionDenied):
            await at_ben.reassign_approval(large.id, ben.user_id, "0198c0de-0000-7000-8000-000000000000")
        assert (await boss.withdraw_approval(large.id, "No more.")).status == "cancelled"


async def test_many_are_decided_claimed_and_reassigned_at_once(gesta: Gesta, acme: Tenant, boss: AsyncClient) -> None:
    ann, ben = await acme.member("approver", "operator"), await acme.member("approver")
    two = {"type": "multiple", "count": 2}
    ids = [(await boss.request_approval(f"{number}?", by={"roles": ["approver"]})).id for number in range(3)]
    several = (await boss.request_approval("Several?", by={"roles": ["approver"]}, rule=two)).id
    of_ben = (await boss.request_approval("Ben?", by={"users": [ben.user_id]})).id

    def codes(results: tuple[DecisionResult | ApiError, ...]) -> list[str]:
        return [each.code if isinstance(each, ApiError) else each.status for each in results]

    async with AsyncClient(url_of(gesta), ann.client.token) as client:
        assert codes(await client.claim_many([*ids, several])) == ["pending"] * 3 + ["not_claimable"]
        assert codes(await client.release_many(ids[:1])) == ["pending"]
        assert codes(await client.reassign_many([of_ben, ids[0]], ben.user_id, ann.user_id)) == ["pending", "not_reassignable"]
        decisions = [
            Decision(ids[0], "approved", comment="Yes."),
            Decision(ids[1], "never"),
            Decision(ids[2], "approved", version=1),
        ]
        results = await client.decide_many([*decisions, Decision(several, "approved")], idempotency_key="k")
        assert codes(results) == ["resolved", "unknown_outcome", "version_mismatch", "pending"]
        assert isinstance(results[2], VersionMismatch)
        again = await client.decide_many([*decisions, Decision(several, "approved")], idempotency_key="k")
        assert codes(again) == codes(results)
        assert (await client.revoke_decision(several, comment="On second thought.")).status == "pending"


async def test_what_is_asked_is_talked_about_taken_back_and_asked_again(gesta: Gesta, acme: Tenant) -> None:
    ann, eve = await acme.member("approver"), await acme.member("operator")
    async with AsyncClient(url_of(gesta), ann.client.token) as at_ann, AsyncClient(url_of(gesta), eve.client.token) as at_eve:
        id = (await at_eve.request_approval("A press?", by={"roles": ["approver"]}, description="Red")).id
        question = await at_ann.ask_question(id, "Which?")
        await at_eve.answer_question(id, question.id, "The blue one.")
        remark = await at_ann.comment_on_approval(id, "Hm.")
        await at_ann.edit_comment(id, remark.id, "I see.")
        assert (await at_ann.delete_comment(id, remark.id)).approval_id == id
        said = [(each.kind, each.text, each.user_id, each.question_id) for each in await at_eve.comments(id)]
        assert said == [
            ("question", "Which?", ann.user_id, None),
            ("answer", "The blue one.", eve.user_id, question.id),
            ("comment", None, ann.user_id, None),
        ]
        assert (len((await at_eve.comments(id, limit=1)).items), await at_ann.watch_approval(id)) == (1, True)
        assert await at_ann.unwatch_approval(id) is False
        assert (await at_eve.recall_approval(id, "Wait.")).status == "with_requester"
        again = await at_eve.resubmit_approval(id, "Cheaper.", title="A used press?", description=None, idempotency_key="again")
        assert (again.status, (await at_eve.approval(id)).title) == ("pending", "A used press?")
        repeated = await at_eve.resubmit_approval(
            id, "Cheaper.", title="A used press?", description=None, idempotency_key="again"
        )
        assert repeated == again


def test_the_blocking_client_has_the_same_calls() -> None:
    names = {name for name in vars(AsyncClient) if not name.startswith("_")} - {"run", "aclose", "options"}
    assert names == {name for name in vars(Client) if not name.startswith("_")} - {"run", "close", "options"}

"""Verify finds what a ledger, or anything beside it, must never be."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from domain.approval import ApprovalDecided, ApprovalResolved, Outcome
from domain.envelope import PLATFORM
from domain.execution import ExecutionCompleted, ExecutionPaused
from domain.member import MemberRemoved
from projections.projector import Projector
from projections.verify import Verdict, verify
from tests.conftest import Database
from tests.projections.story import ACME, ANN, BOB, Ledgers, Step, an_id, asked, platform_story, started, tenant_story

CLAIMED = """
INSERT INTO runtime.claims (tenant_id, scope, name, owner) VALUES
  (%(acme)s, 'role.key', 'approver', %(approver)s), (%(acme)s, 'role.key', 'clerk', %(clerk)s),
  (%(acme)s, 'workflow.key', 'travel', %(travel)s), (%(acme)s, 'workflow.key', 'old', %(old)s),
  (%(acme)s, 'execution.business_key:' || %(travel)s, 'trip-1', %(open)s)
"""


@pytest.fixture
async def told(ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    """The story, with the names that append would have claimed for it."""
    await ledgers.append(PLATFORM, *platform_story())
    await ledgers.append(ACME, *tenant_story("acme"))
    names = {"acme": ACME, "travel": an_id("travel"), "old": an_id("old"), "open": an_id("acme 4")}
    await system.execute(CLAIMED, {**names, "approver": an_id("role approver"), "clerk": an_id("role clerk")})


async def broken(system: AsyncConnection[Any]) -> dict[str, list[str]]:
    verdict = await verify(system, ACME)
    return {check: sentences for check, sentences in verdict.broken.items() if sentences}


@pytest.mark.usefixtures("told")
async def test_a_sound_tenant_holds(projector: Projector, system: AsyncConnection[Any]) -> None:
    await projector.catch_up()
    verdict: Verdict = await verify(system, ACME)
    assert not any(verdict.broken.values()), verdict.broken
    assert verdict.holds
    assert verdict.events == verdict.position == len(tenant_story("acme"))


@pytest.mark.usefixtures("told")
async def test_tables_that_are_behind_are_compared_where_they_stand(system: AsyncConnection[Any]) -> None:
    assert await broken(system) == {}
    assert (await verify(system, ACME)).position == 0


OPEN = an_id("acme 4 request")


def decision(outcome: str = "approved", user: Any = ANN, role: str | None = None, number: int = 1) -> Step:
    return OPEN, ApprovalDecided(an_id(f"decision {number}"), user, outcome, "approve", role=role)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ([(an_id("acme 1"), ExecutionPaused())], "after the execution had ended"),
        ([(an_id("acme 1"), ExecutionCompleted(None))], "after the execution had ended"),
        ([(an_id("acme 1 request"), ApprovalResolved("approve", "approve", ANN))], "after the request had closed"),
        ([decision("perhaps")], "which was not offered"),
        ([decision(user=an_id("a stranger"))], "not a member"),
        ([(BOB, MemberRemoved(BOB)), decision(user=BOB)], "not a member"),
        ([decision(), decision(number=2)], "second decision"),
        ([(OPEN, ApprovalResolved("approved", "approve", ANN))], "somebody who had not decided"),
        ([decision(role="emperor")], "without the right to"),
        ([started("acme 9", "trip-1")], "which"),
    ],
)
async def test_a_broken_rule_is_found(steps: list[Step], complaint: str, ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    await ledgers.append(ACME, *steps)
    assert any(complaint in sentence for sentence in (await broken(system))["ledger"])


@pytest.mark.usefixtures("told")
async def test_a_decision_needs_a_role_of_its_outcome(ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    only_approvers = (Outcome("approve", "approve", (), ("approver",)),)
    request = an_id("acme 9 request")
    await ledgers.append(ACME, started("acme 9"), *asked("acme 9", outcomes=only_approvers))
    bobs = ApprovalDecided(an_id("bob's"), BOB, "approve", "approve", role="clerk")
    await ledgers.append(ACME, (request, bobs))
    (sentence,) = (await broken(system))["ledger"]
    assert "without the right to" in sentence


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("damage", "check"),
    [
        ("DELETE FROM ledger.events WHERE tenant_id = %(t)s AND position = 5", "ledger"),
        ("UPDATE ledger.events SET version = version + 1 WHERE tenant_id = %(t)s AND topic = 'execution.cancelled.v1'", "ledger"),
        (
            "UPDATE ledger.events SET recorded_at = recorded_at - interval '1 day' WHERE tenant_id = %(t)s AND position = 9",
            "ledger",
        ),
        ("UPDATE ledger.events SET command_id = %(t)s WHERE tenant_id = %(t)s AND position IN (3, 9)", "commands"),
        (
            "INSERT INTO runtime.commands (tenant_id, command_id, position, created_at) VALUES (%(t)s, %(t)s, 4, now())",
            "commands",
        ),
        ("DELETE FROM runtime.claims WHERE tenant_id = %(t)s AND name = 'approver'", "claims"),
        ("UPDATE runtime.claims SET owner = %(t)s WHERE tenant_id = %(t)s AND name = 'trip-1'", "claims"),
        ("DELETE FROM projections.audit_logs WHERE tenant_id = %(t)s AND position = 7", "audit_logs"),
        ("UPDATE projections.freshness SET position = position + 1 WHERE tenant_id = %(t)s", "freshness"),
        ("UPDATE projections.node_activations SET status = 'running' WHERE tenant_id = %(t)s AND node_id = 'end'", "activations"),
        ("UPDATE projections.users SET display_name = 'x'", None),
    ],
)
async def test_damage_is_found(
    damage: str, check: str | None, database: Database, projector: Projector, system: AsyncConnection[Any]
) -> None:
    await projector.catch_up()
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as owner:
        await owner.execute("SET session_replication_role = replica")
        await owner.execute(damage.encode(), {"t": ACME})
    found = await broken(system)
    assert check in found if check is not None else found == {}, found
    if check is None:
        assert (await verify(system, PLATFORM)).broken["tables"]

"""Verify finds what a ledger, or anything beside it, must never be."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from domain.ai_task import AiTaskAttemptFailed, AiTaskCancelled, AiTaskCompleted, AiTaskFailed, Totals, Usage
from domain.approval import ApprovalDecided, ApprovalResolved, ApprovalRevoked, Outcome
from domain.approval_link import ApprovalLinkUsed
from domain.envelope import PLATFORM
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationStarted,
    ExecutionCancelled,
    ExecutionCompensating,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionPaused,
)
from domain.facts import Event
from domain.job import timeout_of
from domain.member import MemberRemoved
from domain.notification_delivery import job_of
from domain.notification_preferences import timer_of
from domain.retry import Failure
from domain.trigger import Trigger, folded, timers_of
from projections.projector import Projector
from projections.verify import OfStreams, Verdict, look_over, sample, verify
from runtime.postgres import EmbeddedServer
from tests.conftest import Database, create_database
from tests.projections.story import (
    ACME,
    ANN,
    BOB,
    GLOBEX,
    START,
    Ledgers,
    Step,
    an_id,
    asked,
    attempt,
    entrusted,
    platform_story,
    started,
    tenant_story,
)

CLAIMED = """
INSERT INTO runtime.claims (tenant_id, scope, name, owner) VALUES
  (%(acme)s, 'role.key', 'approver', %(approver)s), (%(acme)s, 'role.key', 'clerk', %(clerk)s),
  (%(acme)s, 'workflow.key', 'travel', %(travel)s), (%(acme)s, 'workflow.key', 'old', %(old)s),
  (%(acme)s, 'workflow.key', 'regained', %(regained)s),
  (%(acme)s, 'execution.business_key:' || %(travel)s, 'trip-1', %(open)s),
  (%(acme)s, 'invitation.email', 'sue@acme.example', %(sue)s),
  (%(acme)s, 'event.trigger:paid', (%(paid)s)::text, %(paid)s), (%(acme)s, 'job.unique_key:mail', 'later', %(later)s)
"""
TIMED = """
INSERT INTO runtime.timers (tenant_id, id, due_at, kind, owner_kind, owner_id)
SELECT tenant_id, %(id)s, coalesce(%(at)s, recorded_at), %(purpose)s, 'trigger', stream_id
  FROM ledger.events WHERE tenant_id = %(tenant)s AND stream_id = %(owner)s ORDER BY position DESC LIMIT 1
"""
QUEUED = """
INSERT INTO runtime.jobs (tenant_id, id, type, state, run_at, priority, attempt, max_attempts, fence, task_id, created_at,
                          updated_at)
SELECT %(acme)s, id, 'work', 'dead', now(), 0, 0, 1, 0, id, now(), now() FROM unnest(%(jobs)s::uuid[]) id
"""
LIMITED = """
INSERT INTO runtime.timers (tenant_id, id, due_at, kind, owner_kind, owner_id)
SELECT tenant_id, %(id)s, coalesce(%(at)s, recorded_at) + interval '1 hour', 'timeout', 'job', stream_id
  FROM ledger.events WHERE tenant_id = %(acme)s AND stream_id = %(job)s ORDER BY position DESC LIMIT 1
"""


@pytest.fixture(scope="session")
def seeded_claims(postgres: EmbeddedServer, template: str) -> tuple[str, datetime]:
    """The name of a database with the story and the names that append would have claimed for it; and when it ended."""

    async def fill(database: Database) -> datetime:
        async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as conn:
            ledgers = Ledgers(conn)
            await tell(ledgers)
        return ledgers.now

    create_database(postgres, "gesta_claims", template)
    return "gesta_claims", asyncio.run(fill(Database("gesta_claims", postgres)))


@pytest.fixture
def told(ledgers: Ledgers, seeded_claims: tuple[str, datetime]) -> None:
    ledgers.now = seeded_claims[1]


async def tell(ledgers: Ledgers) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    await ledgers.append(ACME, *tenant_story("acme"))
    names = {"acme": ACME, "travel": an_id("travel"), "old": an_id("old"), "regained": an_id("regained"), "open": an_id("acme 4")}
    names["sue"] = an_id("acme invites sue@acme.example")
    names["paid"] = an_id("acme trigger paid")
    later, called = an_id("acme job later"), an_id("acme job call")
    delivering = [job_of(an_id(f"acme delivery {which}"), turn) for which, turn in ((1, 0), (4, 1), ("digest", 0))]
    names["later"] = later
    await ledgers.conn.execute(CLAIMED, {**names, "approver": an_id("role approver"), "clerk": an_id("role clerk")})
    nightly = an_id("acme trigger nightly")
    state = folded(Trigger(), [event for stream, event in tenant_story("acme") if stream == nightly])  # type: ignore[misc]
    for timer in timers_of(nightly, state):
        given = {"tenant": ACME, "id": timer.id, "at": timer.due.at, "purpose": timer.purpose, "owner": nightly}
        await ledgers.conn.execute(TIMED, given)
    await ledgers.conn.execute(QUEUED, {"acme": ACME, "jobs": [later, called, *delivering]})
    wishes, due = an_id("acme preferences"), START + timedelta(days=2)
    digest = {"tenant": ACME, "id": timer_of(wishes, 2), "at": due, "purpose": "digest", "owner": wishes}
    await ledgers.conn.execute(TIMED, digest)
    for job_id, retries, moment in ((later, 0, START + timedelta(days=9)), (called, 1, None)):
        limited = {"acme": ACME, "job": job_id, "id": timeout_of(job_id, retries), "at": moment}
        await ledgers.conn.execute(LIMITED, limited)


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
        ([(an_id("acme 1 request"), ApprovalResolved("approve", "approve", (ANN,)))], "after the request had closed"),
        ([decision("perhaps")], "which was not offered"),
        ([decision(user=an_id("a stranger"))], "not a member"),
        ([(BOB, MemberRemoved(BOB)), decision(user=BOB)], "not a member"),
        ([decision(), decision(number=2)], "second decision"),
        ([(OPEN, ApprovalResolved("approved", "approve", (ANN,)))], "somebody who had not decided"),
        ([decision(role="emperor")], "without the right to"),
        ([started("acme 99", "trip-1")], "which"),
    ],
)
async def test_a_broken_rule_is_found(steps: list[Step], complaint: str, ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    await ledgers.append(ACME, *steps)
    assert any(complaint in sentence for sentence in (await broken(system))["ledger"])


@pytest.mark.usefixtures("told")
async def test_a_decision_that_was_taken_back_was_nobodys(ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    """Of two who had their say by it, either may decide after it."""
    first = an_id("decision 1")
    for_ann = ApprovalDecided(first, BOB, "approved", "approve", on_behalf_of=ANN)
    await ledgers.append(ACME, (OPEN, for_ann), (OPEN, ApprovalRevoked(first, BOB, "approve")), decision(number=2))
    found = (await broken(system)).get("ledger", [])
    assert not any("second decision" in sentence for sentence in found), found


TASK = an_id("acme 99 task")
FAILURE = Failure("timeout", "Too late.")


def ended(number: int = 1, **account: Any) -> Step:
    return TASK, AiTaskAttemptFailed(an_id(f"acme 99 attempt {number}"), number, FAILURE, **account)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ([attempt("acme 99", 2)], "is attempt 2 after 0"),
        ([attempt("acme 99", 1), attempt("acme 99", 2)], "while another attempt ran"),
        ([attempt("acme 99", 1), ended(2)], "ends an attempt that does not run"),
        ([attempt("acme 99", 1), ended(), ended()], "ends an attempt that does not run"),
        ([(TASK, AiTaskCancelled()), attempt("acme 99", 1)], "after the task was over"),
        ([(TASK, AiTaskCancelled()), (TASK, AiTaskCancelled())], "after the task was over"),
        ([attempt("acme 99", 1), (TASK, AiTaskCompleted(1, Totals()))], "while an attempt ran"),
        ([attempt("acme 99", 1), ended(), (TASK, AiTaskFailed(FAILURE, Totals(1)))], "its attempts come to"),
        (
            [
                attempt("acme 99", 1),
                ended(cost=Decimal("0.5"), currency="USD"),
                (TASK, AiTaskFailed(FAILURE, Totals(1, 0, 0, Decimal("0.4"), "USD"))),
            ],
            "its attempts come to",
        ),
        ([(an_id("never requested"), AiTaskCancelled())], "never requested"),
        ([entrusted("acme 99")[1]], "requested before"),
    ],
)
async def test_a_broken_rule_of_ai_tasks_is_found(
    steps: list[Step], complaint: str, ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(ACME, started("acme 99"), *entrusted("acme 99"), *steps)
    assert any(complaint in sentence for sentence in (await broken(system))["ledger"])


@pytest.mark.usefixtures("told")
async def test_sums_in_one_currency_that_add_up_break_no_rule(ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    totals = Totals(3, 1, 2, Decimal("0.75"), "USD", 1)
    await ledgers.append(
        ACME,
        started("acme 99"),
        *entrusted("acme 99"),
        attempt("acme 99", 1),
        ended(1, cost=Decimal("0.5"), currency="USD", usage=Usage(1, 2)),
        attempt("acme 99", 2),
        ended(2, cost=Decimal("0.5"), currency="EUR"),
        attempt("acme 99", 3),
        ended(3, cost=Decimal("0.25"), currency="USD"),
        (TASK, AiTaskFailed(FAILURE, totals)),
        (an_id("acme 99"), ActivationCancelled(an_id("acme 99 classify"), "classify", "no")),
    )
    assert await broken(system) == {}


BOOK, STAY, FREE = an_id("book"), an_id("stay"), an_id("free")
DONE: list[Event] = [
    ActivationStarted(BOOK, "book", "task", 1, (1,), compensate="free"),
    ActivationCompleted(BOOK, "book", "success", None),
    ActivationStarted(STAY, "stay", "task", 1, (2,), compensate="free"),
    ActivationCompleted(STAY, "stay", "success", None),
]
FAILING = ExecutionCompensating("failed", 2, "no", "no")


def undoing(visit: UUID) -> ActivationStarted:
    return ActivationStarted(FREE, "free", "task", 1, (), compensates=visit)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        ([*DONE, ExecutionFailed("no", "no")], "leaves 2 visits"),
        ([*DONE, replace(FAILING, visits=1)], "names 1 visits to undo, of 2"),
        ([*DONE, FAILING, undoing(BOOK)], "another visit than the one that was completed last"),
        ([*DONE, undoing(STAY)], "out of turn"),
        ([*DONE, FAILING, ActivationStarted(FREE, "free", "task", 1, ())], "although the execution is being compensated"),
        ([*DONE, FAILING, ExecutionCancelled()], "2 visits are left"),
        ([FAILING], "undoes what was not done"),
    ],
)
async def test_a_broken_rule_of_undoing_is_found(
    events: list[Event], complaint: str, ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    stream = an_id("acme 99")
    await ledgers.append(ACME, started("acme 99"), *((stream, event) for event in events))
    (sentence,) = (await broken(system))["ledger"]
    assert complaint in sentence


@pytest.mark.usefixtures("told")
async def test_a_decision_by_a_link_needs_one_that_is_for_it_and_the_proof_that_is_asked_for(
    ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    request, link = an_id("acme 99 request"), an_id("acme link left")
    signed = (Outcome("approve", "approve", (), ("approver",), proof="totp"), Outcome("reject", "reject", (), ("approver",)))
    await ledgers.append(ACME, started("acme 99"), *asked("acme 99", outcomes=signed))
    anns = ApprovalDecided(an_id("ann's"), ANN, "approve", "approve", role="approver", via="link", link_id=link)
    await ledgers.append(ACME, (request, anns), (an_id("acme link used"), ApprovalLinkUsed(request, an_id("ann's"))))
    assert [sentence.partition("): ")[2] for sentence in (await broken(system))["ledger"]] == [
        "chose approve with another proof than it asks for",
        "was made by a link that is for something else",
        "was used without a decision",
    ]


@pytest.mark.usefixtures("told")
async def test_a_decision_needs_a_role_of_its_outcome(ledgers: Ledgers, system: AsyncConnection[Any]) -> None:
    only_approvers = (Outcome("approve", "approve", (), ("approver",)),)
    request = an_id("acme 99 request")
    await ledgers.append(ACME, started("acme 99"), *asked("acme 99", outcomes=only_approvers))
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
        ("UPDATE projections.ai_agent_tasks SET status = 'running' WHERE tenant_id = %(t)s", "ai_tasks"),
        ("UPDATE projections.ai_agent_tasks SET actual_cost = 1, currency = 'USD' WHERE tenant_id = %(t)s", "ai_tasks"),
        ("UPDATE projections.ai_agent_attempts SET number = number + 9 WHERE tenant_id = %(t)s AND number = 2", "ai_tasks"),
        ("DELETE FROM projections.ai_agent_attempts WHERE tenant_id = %(t)s AND number = 2", "ai_tasks"),
        ("UPDATE projections.users SET display_name = 'x'", None),
    ],
)
async def test_damage_is_found(
    damage: str, check: str | None, database: Database, projector: Projector, system: AsyncConnection[Any]
) -> None:
    await projector.catch_up()
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as owner:
        await owner.execute("SET session_replication_role = replica")
        await owner.execute("ALTER TABLE ledger.events DISABLE TRIGGER append_only")
        await owner.execute(damage.encode(), {"t": ACME})
    found = await broken(system)
    assert check in found if check is not None else found == {}, found
    if check is None:
        assert (await verify(system, PLATFORM)).broken["tables"]


A_JOB = """
INSERT INTO runtime.jobs (tenant_id, id, type, state, run_at, priority, max_attempts, created_at, updated_at)
VALUES (%(t)s, %(t)s, 'resize', 'ready', now(), 0, 1, now(), now())
"""


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (None, None),
        ("DELETE FROM runtime.job_queue", "is not in the queue"),
        ("DELETE FROM runtime.jobs", "which there is not"),
        ("UPDATE runtime.jobs SET state = 'dead'", "which is dead"),
        ("UPDATE runtime.job_queue SET state = 'leased', expires_at = now()", "says otherwise"),
        ("UPDATE runtime.job_queue SET run_at = run_at + interval '1 hour'", "says otherwise"),
        ("UPDATE runtime.job_queue SET type = 'shrink'", "says otherwise"),
        ("UPDATE runtime.job_queue SET priority = 1", "says otherwise"),
    ],
)
async def test_a_queue_that_says_otherwise_than_the_jobs_is_found(
    fault: str | None, complaint: str | None, database: Database, system: AsyncConnection[Any]
) -> None:
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as owner:
        await owner.execute(A_JOB, {"t": ACME})
        await owner.execute("SET session_replication_role = replica")  # no trigger tells the queue
        if fault is not None:
            await owner.execute(fault.encode())
    found = (await broken(system)).get("job_queue", [])
    assert [complaint in one for one in found if complaint] == ([] if complaint is None else [True])
    assert found == [] or str(ACME) in found[0]


def test_a_sample_has_at_least_its_share_of_the_events_and_never_nothing() -> None:
    events = {an_id(f"tenant {number}"): number for number in range(1, 21)}
    for seed in range(50):
        chosen, in_part = sample(events, 25, Random(seed))
        covered = sum(events[each] for each in chosen)
        assert covered >= sum(events.values()) * 0.25
        assert min(covered - events[each] for each in chosen) < sum(events.values()) * 0.25, "no more than it takes"
        assert in_part == set()
    some = [sample(events, 5, Random(seed)) for seed in range(200)]
    large = {each for each, count in events.items() if count > 10}
    assert all(each.in_part == large for each in some), "of those that are too long for the share, a part"
    assert {each for one in some for each in one.whole} == set(events) - large, "everybody has a turn"
    assert sample({ACME: 9}, 10, Random(1)) == (set(), {ACME})
    assert sample({ACME: 9, GLOBEX: 0}, 10, Random(1)) == ({GLOBEX}, {ACME})


async def read_of(system: AsyncConnection[Any], percent: float, seed: int = 7) -> Verdict:
    return await look_over(system, ACME, OfStreams(percent, seed))


@pytest.mark.usefixtures("told")
async def test_streams_are_read_by_chance_and_what_is_wrong_with_them_or_their_rows_is_found(
    projector: Projector, system: AsyncConnection[Any], ledgers: Ledgers
) -> None:
    await projector.catch_up()
    everything = await read_of(system, 100)
    assert everything.holds, everything.broken
    assert everything.sampled is not None
    count = await (await system.execute("SELECT count(*) FROM ledger.events WHERE tenant_id = %s", [ACME])).fetchone()
    assert (everything.sampled.streams, (everything.sampled.events,)) == (everything.sampled.of_streams, count)
    cursor = await system.execute("SELECT count(*) FROM projections.node_activations WHERE tenant_id = %s", [ACME])
    assert (everything.comparison.rows["node_activations"],) == await cursor.fetchone(), "each row is of one stream"

    some = await read_of(system, 20)
    again = await read_of(system, 20)
    assert some.sampled is not None
    assert some == again
    assert 0 < some.sampled.streams < everything.sampled.streams
    assert (await look_over(system, ACME, OfStreams(100, 7, lambda: True))).comparison.rows == {}, "the time is up"

    cursor = await system.execute(
        "SELECT id FROM projections.node_activations WHERE execution_id = %s LIMIT 1", [an_id("acme 1")]
    )
    (visit,) = await cursor.fetchone() or (None,)
    named = {"visit": visit, "request": an_id("acme 1 request"), "task": an_id("acme 5 task"), "travel": an_id("travel")}
    await ledgers.conn.execute("SET session_replication_role = replica")
    await ledgers.conn.execute("ALTER TABLE ledger.events DISABLE TRIGGER ALL")
    for statement in DAMAGE:
        await ledgers.conn.execute(statement.encode(), {"tenant": ACME, **named})
    damaged = (await read_of(system, 100)).broken
    told = "\n".join((*damaged["streams"], *damaged["tables"]))
    for complaint in DAMAGE.values():
        assert complaint.format(**named) in told, told


DAMAGE = {
    "UPDATE projections.node_activations SET node_id = 'elsewhere' WHERE id = %(visit)s": "{visit}): node_id is",
    "DELETE FROM projections.approval_steps WHERE tenant_id = %(tenant)s": ", 1): missing row",
    "UPDATE projections.ai_agent_attempts SET latency_ms = 1 WHERE task_id = %(task)s": "latency_ms is 1, replayed",
    "UPDATE projections.workflows SET execution_count = 0 WHERE id = %(travel)s": "{travel}): execution_count is 0",
    "DELETE FROM ledger.events WHERE stream_id = %(request)s AND version = 2": "has version 3 of the stream {request}",
    "UPDATE projections.audit_logs SET occurred_at = now() WHERE tenant_id = %(tenant)s AND position = 5": "what event 5 says",
}
"""And what is said of it."""


@pytest.mark.usefixtures("told")
async def test_what_is_only_looked_over_has_its_audit_rows_counted(
    projector: Projector, system: AsyncConnection[Any], ledgers: Ledgers
) -> None:
    await projector.catch_up()
    sound = await look_over(system, ACME)
    assert (sound.holds, sound.folded) == (True, False)
    await ledgers.conn.execute("DELETE FROM projections.audit_logs WHERE tenant_id = %s AND position = 3", [ACME])
    assert (await look_over(system, ACME)).broken["audit_logs"] != []

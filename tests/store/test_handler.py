"""The handler: decide on the state at hand, append, answer; and what is refused, and how."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.envelope import PLATFORM, Envelope
from domain.facts import Aggregate, Claim, Decided, Fact, Invalid, NotFound, PermissionDenied, View
from domain.member import MEMBER, Member, MemberAdded
from domain.role import ROLE, Role, RoleChanged, RoleCreated, RoleDeleted
from runtime.ids import new_id
from store.cache import StreamState
from store.codec import Unencodable
from store.command import Command, CommandResult
from store.errors import (
    ClaimTaken,
    CommandInFlight,
    Contended,
    KeyReused,
    NotOfPlatform,
    OccurredBeforeLast,
    OccurredInFuture,
    UnknownLedger,
    VersionMismatch,
)
from store.handler import Decide, Tuning, open_handler
from store.loader import PastEvent
from tests.conftest import Database, LeftIn
from tests.store.handling import (
    NOON,
    WHO,
    Process,
    RoleExists,
    command,
    count_up,
    create,
    held_head,
    rename,
    running,
    stored,
)
from tests.store.ledgers import append, claims, open_ledger, positions, versions

REFUSALS = """
SELECT convert_from(data, 'UTF8')::jsonb, stream_id = command_id, version FROM ledger.events
 WHERE tenant_id = %s AND topic = 'command.refused.v1' ORDER BY position
"""


def refusals(ledger: psycopg.Connection[Any], tenant: UUID) -> list[str]:
    return [data["code"] for data, *_ in ledger.execute(REFUSALS, (tenant,))]


async def test_a_command_is_decided_appended_and_answered(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id = uuid4()
    done = await process.handler.handle(command(tenant), create(role_id))
    assert done == CommandResult(1, 1, {"id": str(role_id)}, replayed=False)
    assert await process.handler.handle(command(tenant), rename(role_id, "other")) == CommandResult(2, 1, "other")
    state, version = await process.handler.read(tenant, ROLE, role_id)
    assert (state.name, version) == ("other", 2)
    assert versions(ledger, tenant, role_id) == [1, 2]


async def test_a_handler_of_its_own_connections(database: Database, tenant: UUID) -> None:
    async with open_handler(database.system_url) as handler:
        assert (await handler.handle(command(tenant), create(uuid4()))).position == 1


async def test_a_stream_is_folded_from_the_ledger(process: Process, ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    role_id = uuid4()
    append(ledger, tenant, stored(role_id, RoleCreated("k", "first", ()), RoleChanged("second", ("a:b",))))
    assert await process.handler.read(tenant, ROLE, role_id) == (Role(True, "k", "second", None, frozenset({"a:b"})), 2)
    assert await process.handler.read(tenant, ROLE, uuid4()) == (Role(), 0)


async def test_what_a_process_knows_is_recalled_and_what_it_does_not_is_read(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id = uuid4()
    assert await process.handler.recall(tenant, ROLE, role_id) == Role()
    append(ledger, tenant, stored(role_id, RoleCreated("k", "first", ())))
    assert (await process.handler.recall(tenant, ROLE, role_id)).name == "first"
    append(ledger, tenant, stored(role_id, RoleChanged("second", ())))
    assert (await process.handler.recall(tenant, ROLE, role_id)).name == "first"
    assert (await process.handler.read(tenant, ROLE, role_id))[0].name == "second"
    assert (await process.handler.recall(tenant, ROLE, role_id)).name == "second"


@pytest.mark.parametrize("loaded_as", [ROLE, MEMBER], ids=["its own kind first", "the wrong kind first"])
async def test_the_id_of_something_else_names_nothing(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID, loaded_as: Aggregate[Any]
) -> None:
    role_id = uuid4()
    append(ledger, tenant, stored(role_id, RoleCreated("k", "first", ()), RoleChanged("second", ())))
    await process.handler.read(tenant, loaded_as, role_id)

    def as_a_member(view: View) -> Decided:
        assert view.read(MEMBER, role_id) == MEMBER.initial
        raise NotFound

    with pytest.raises(NotFound):
        await process.handler.handle(command(tenant), as_a_member)
    assert (await process.handler.read(tenant, ROLE, role_id))[0].name == "second"


async def test_a_stream_written_without_being_read_is_expected_all_the_same(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id = uuid4()
    append(ledger, tenant, stored(role_id, RoleCreated("k", "n", ())))

    def blindly(view: View) -> Decided:
        fresh = view.new_id()
        return Decided((Fact(role_id, RoleChanged("blind", ())), Fact(fresh, RoleCreated("new", "n", ()))), result=str(fresh))

    done = await process.handler.handle(command(tenant), blindly)
    assert versions(ledger, tenant, role_id) == [1, 2]
    assert (await process.handler.read(tenant, ROLE, role_id))[0].name == "blind"
    assert (await process.handler.handle(command(tenant), rename(UUID(done.result), "renamed"))).position == 4


# States that decisions have folded themselves


def create_left(role_id: UUID, left: Role) -> Decide:
    return lambda _: Decided((Fact(role_id, RoleCreated("key", "Name", ())),), left={role_id: left})


async def test_a_state_that_the_decision_has_folded_is_not_folded_again(process: Process, tenant: UUID) -> None:
    role_id, left = uuid4(), Role(True, "key", "Name", None, frozenset())
    await process.handler.handle(command(tenant), create_left(role_id, left))
    state, version = await process.handler.read(tenant, ROLE, role_id)
    assert (state is left, version) == (True, 1)


async def test_a_decision_that_is_wrong_about_the_state_it_leaves_fails_its_test(process: Process, tenant: UUID) -> None:
    with pytest.raises(AssertionError, match="a decision is wrong"):
        await process.handler.handle(command(tenant), create_left(uuid4(), Role(True, "key", "Another", None, frozenset())))


def test_a_state_left_on_a_stream_of_something_else_is_not_taken(no_state_is_taken_on_trust: LeftIn) -> None:
    role, pasts = StreamState(1, Role(True), NOON, ROLE), [PastEvent(2, NOON, MemberAdded(uuid4(), (), 1))]
    with pytest.raises(AssertionError):  # as where nothing is said of the state: such events do not go on from a role
        no_state_is_taken_on_trust(role, Member(active=True), pasts, {MemberAdded: MEMBER})


# Refusals


@pytest.mark.parametrize("refusal", [RoleExists, PermissionDenied])
async def test_what_rules_and_permissions_refuse_is_recorded(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID, refusal: type[Exception]
) -> None:
    def refuse(_view: View) -> Decided:
        raise refusal

    with pytest.raises(refusal):
        await process.handler.handle(command(tenant, "role.delete", resource="role", resource_id="r1"), refuse)
    ((data, own_stream, version),) = ledger.execute(REFUSALS, (tenant,)).fetchall()
    assert (data["command"], data["resource"], data["resource_id"]) == ("role.delete", "role", "r1")
    assert data["message"]
    assert (own_stream, version) == (True, 1)


@pytest.mark.parametrize("refusal", [NotFound, Invalid])
async def test_what_is_absent_or_malformed_is_not_recorded(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID, refusal: type[Exception]
) -> None:
    def refuse(_view: View) -> Decided:
        raise refusal

    with pytest.raises(refusal):
        await process.handler.handle(command(tenant), refuse)
    assert positions(ledger, tenant) == []


async def test_refusals_are_recorded_at_a_bounded_rate(database: Database, ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    other = open_ledger(ledger)

    def refuse(_view: View) -> Decided:
        raise PermissionDenied

    async with running(database.system_url, tuning=Tuning(refusals_rate=1, refusals_burst=2)) as process:

        async def be_refused(where: UUID, times: int) -> None:
            for _ in range(times):
                with pytest.raises(PermissionDenied):
                    await process.handler.handle(command(where), refuse)

        await be_refused(tenant, 5)
        assert len(refusals(ledger, tenant)) == 2
        await be_refused(other, 1)
        assert len(refusals(ledger, other)) == 1
        process.clock.advance(seconds=1)
        await be_refused(tenant, 5)
        assert len(refusals(ledger, tenant)) == 3


async def test_nobodys_flood_of_refusals_hides_what_somebody_else_was_refused(
    database: Database, ledger: psycopg.Connection[Any], tenant: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    """A person is one caller by whichever of their keys, and on whose behalf ever; so is each key of a service."""
    ada, ben = uuid4(), uuid4()

    def refuse(_view: View) -> Decided:
        raise PermissionDenied

    async with running(database.system_url, tuning=Tuning(refusals_rate=1, refusals_burst=2)) as process:

        async def recorded(times: int, **who: Any) -> int:
            before = len(refusals(ledger, tenant))
            for _ in range(times):
                with pytest.raises(PermissionDenied):
                    await process.handler.handle(Command(tenant, "role.delete", Envelope(**who)), refuse)
            return len(refusals(ledger, tenant)) - before

        assert await recorded(5, actor_type="user", actor_id="key 1", user_id=ada) == 2
        assert await recorded(1, actor_type="user", actor_id="key 2", user_id=ada, on_behalf_of=ben, ip="192.0.2.1") == 0
        assert await recorded(1, actor_type="user", actor_id="key 3", user_id=ben) == 1
        assert await recorded(5, actor_type="api_key", actor_id="key 4", user_id=ben, on_behalf_of=ben) == 2
        assert await recorded(1, actor_type="api_key", actor_id="key 5") == 1
    line = [record.__dict__ for record in caplog.records if "Too many refusals" in record.message][3]
    assert (line["tenant_id"], line["actor_id"], line["ip"]) == (str(tenant), "key 2", "192.0.2.1")
    assert (line["user_id"], line["on_behalf_of"]) == (str(ada), str(ben))


async def test_a_refused_request_may_be_repeated_with_its_key(process: Process, tenant: UUID) -> None:
    role_id, key = uuid4(), uuid4()
    await process.handler.handle(command(tenant), create(role_id))
    with pytest.raises(RoleExists):
        await process.handler.handle(command(tenant, command_id=key, request_hash=b"h"), create(role_id))
    done = await process.handler.handle(command(tenant, command_id=key, request_hash=b"h"), create(uuid4()))
    assert not done.replayed


async def test_an_unknown_ledger_is_not_found(process: Process) -> None:
    with pytest.raises(UnknownLedger):
        await process.handler.handle(command(uuid4()), create(uuid4()))
    with pytest.raises(UnknownLedger):
        await process.handler.handle(command(uuid4(), command_id=uuid4(), request_hash=b"h"), create(uuid4()))
    with pytest.raises(UnknownLedger):
        await process.handler.handle(command(uuid4()), lambda _: Decided())


async def test_facts_that_cannot_be_stored_fail_alone(process: Process, tenant: UUID) -> None:
    role_id = uuid4()
    await process.handler.handle(command(tenant), create(role_id))
    with pytest.raises(Unencodable):
        await process.handler.handle(command(tenant), rename(role_id, "nul\x00"))
    assert (await process.handler.handle(command(tenant), rename(role_id, "fine"))).position == 2


# Nothing to append


async def test_a_decision_without_facts_appends_nothing(process: Process, ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    done = await process.handler.handle(command(tenant), lambda _: Decided(result={"unchanged": True}))
    assert done == CommandResult(None, 1, {"unchanged": True})
    assert positions(ledger, tenant) == []


async def test_a_decision_without_facts_is_remembered_under_its_key(process: Process, tenant: UUID) -> None:
    given = command(tenant, command_id=uuid4(), request_hash=b"h")
    first = await process.handler.handle(given, lambda _: Decided(result=[1, 2]))
    again = await process.handler.handle(given, lambda _: Decided(result="something else"))
    assert first == CommandResult(None, 1, [1, 2])
    assert again == CommandResult(None, 1, [1, 2], replayed=True)


# Idempotency keys


async def test_a_key_is_answered_with_what_was_answered_first(process: Process, tenant: UUID) -> None:
    given = command(tenant, command_id=uuid4(), request_hash=b"h")
    first = await process.handler.handle(given, create(uuid4()))
    assert await process.handler.handle(given, create(uuid4())) == CommandResult(1, 1, first.result, replayed=True)


async def test_a_key_with_another_request_is_refused(process: Process, ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    key = uuid4()
    await process.handler.handle(command(tenant, command_id=key, request_hash=b"one"), create(uuid4()))
    with pytest.raises(KeyReused):
        await process.handler.handle(command(tenant, command_id=key, request_hash=b"two"), create(uuid4()))
    assert positions(ledger, tenant) == [1]


async def test_a_key_whose_request_is_being_worked_on_is_refused(process: Process, database: Database, tenant: UUID) -> None:
    given, role_id = command(tenant, command_id=uuid4(), request_hash=b"h"), uuid4()
    with held_head(database.system_url, tenant):
        first = asyncio.create_task(process.handler.handle(given, create(role_id)))
        await process.until(lambda: process.writer.unsettled == 1)
        with pytest.raises(CommandInFlight):
            await process.handler.handle(given, create(role_id))
    assert (await first).position == 1
    assert (await process.handler.handle(given, create(role_id))).replayed


async def test_a_key_used_at_the_same_time_in_two_processes_is_done_once(
    database: Database, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    given = command(tenant, command_id=uuid4(), request_hash=b"h")
    async with running(database.system_url) as one, running(database.system_url) as two:
        with held_head(database.system_url, tenant):
            calls = [asyncio.create_task(p.handler.handle(given, create(new_id()))) for p in (one, two)]
            await one.until(lambda: one.writer.unsettled + two.writer.unsettled == 2)
        first, second = await asyncio.gather(*calls)
    assert first.result == second.result
    assert first.replayed != second.replayed
    assert positions(ledger, tenant) == [1]


async def test_a_command_with_a_given_id_is_done_once(process: Process, ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    given = command(tenant, command_id=uuid4())
    first = await process.handler.handle(given, create(uuid4()))
    again = await process.handler.handle(given, create(uuid4()))
    assert again == CommandResult(1, 1, first.result, replayed=True)
    assert positions(ledger, tenant) == [1]


async def test_a_question_that_cannot_be_asked_disturbs_no_other(process: Process, tenant: UUID) -> None:
    names = ["good", "b\x00d", "b\ud800d", "fine"]
    lookups = [process.handler.lookup(tenant, "s", name) for name in names]
    answers = await asyncio.gather(*lookups, return_exceptions=True)
    assert [isinstance(answer, Exception) for answer in answers] == [False, True, True, False]


# If-Match


async def test_a_command_for_another_version_is_refused(process: Process, ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    role_id = uuid4()
    await process.handler.handle(command(tenant), create(role_id))
    append(ledger, tenant, stored(role_id, RoleChanged("by another process", ())))
    with pytest.raises(VersionMismatch):
        await process.handler.handle(command(tenant, expect={role_id: 1}), rename(role_id, "x"))
    assert (await process.handler.handle(command(tenant, expect={role_id: 2}), rename(role_id, "x"))).position == 3
    assert refusals(ledger, tenant) == []


# Names


def claiming(name: str, owner: UUID) -> Any:
    def decide(_view: View) -> Decided:
        return Decided((Fact(owner, RoleCreated(name, "n", ())),), claims=(Claim("role.key", name, owner),))

    return decide


async def test_a_name_that_is_taken_is_refused_and_recorded(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    first, second = uuid4(), uuid4()
    await process.handler.handle(command(tenant), claiming("approver", first))
    with pytest.raises(ClaimTaken) as refused:
        await process.handler.handle(command(tenant), claiming("approver", second))
    assert (refused.value.scope, refused.value.name) == ("role.key", "approver")
    assert refusals(ledger, tenant) == ["name_taken"]
    assert claims(ledger, tenant) == {("role.key", "approver"): first}
    assert await process.handler.lookup(tenant, "role.key", "approver") == first
    assert await process.handler.lookup(tenant, "role.key", "free") is None
    assert (await process.handler.handle(command(tenant), claiming("other", second))).position == 3


async def test_a_name_that_was_free_a_moment_ago_is_decided_about_again(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    """Whoever finds or makes a thing by its name is answered with it, also those who ask at once; nothing is refused."""

    def find_or_make(view: View) -> Decided:
        found = view.owner("role.key", "approver")
        if found is not None:
            return Decided(result=str(found))
        made = view.new_id()
        return Decided(
            (Fact(made, RoleCreated("approver", "n", ())),), claims=(Claim("role.key", "approver", made),), result=str(made)
        )

    answers = await asyncio.gather(*(process.handler.handle(command(tenant), find_or_make) for _ in range(8)))
    assert {answer.result for answer in answers} == {str(claims(ledger, tenant)["role.key", "approver"])}
    assert refusals(ledger, tenant) == []


async def test_a_remembered_owner_is_looked_up_again_before_a_refusal(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id = uuid4()
    held = Claim("role.key", "approver", role_id)
    await process.handler.handle(command(tenant), claiming("approver", role_id))
    append(ledger, tenant, stored(role_id, RoleDeleted("approver"), releases=[held]))

    def unless_taken(view: View) -> Decided:
        if view.owner("role.key", "approver"):
            raise RoleExists
        fresh = view.new_id()
        return Decided((Fact(fresh, RoleCreated("approver", "n", ())),), claims=(Claim("role.key", "approver", fresh),))

    assert (await process.handler.handle(command(tenant), unless_taken)).position == 3
    with pytest.raises(RoleExists):
        await process.handler.handle(command(tenant), unless_taken)


# Time


async def test_time_does_not_run_backwards_in_a_stream(process: Process, ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    role_id = uuid4()
    await process.handler.handle(command(tenant), create(role_id))
    process.clock.advance(hours=-1)
    await process.handler.handle(command(tenant), rename(role_id, "x"))
    await process.handler.handle(command(tenant), create(uuid4()))
    times = ledger.execute("SELECT occurred_at FROM ledger.events WHERE tenant_id = %s ORDER BY position", (tenant,))
    assert [time for (time,) in times] == [NOON, NOON, NOON - timedelta(hours=1)]


async def test_a_command_may_be_backdated_but_not_before_its_streams_last_event(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id = uuid4()
    when = NOON - timedelta(days=10)
    seen = set()

    def look(view: View) -> Decided:
        seen.add(view.now)
        return create(role_id)(view)

    await process.handler.handle(command(tenant, occurred_at=when), look)
    await process.handler.handle(command(tenant, occurred_at=when), rename(role_id, "the same moment"))
    with pytest.raises(OccurredBeforeLast) as refused:
        await process.handler.handle(command(tenant, occurred_at=when - timedelta(microseconds=1)), rename(role_id, "x"))
    assert refused.value.path == "Gesta-Occurred-At"
    assert seen == {when}
    times = ledger.execute("SELECT occurred_at FROM ledger.events WHERE tenant_id = %s", (tenant,)).fetchall()
    assert times == [(when,), (when,)]


async def test_nothing_has_occurred_in_the_future(process: Process, ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    with pytest.raises(OccurredInFuture):
        await process.handler.handle(command(tenant, occurred_at=NOON + timedelta(microseconds=1)), create(uuid4()))
    assert positions(ledger, tenant) == []


# Others


async def test_a_command_decided_on_an_outdated_state_is_decided_again(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id = uuid4()
    await process.handler.handle(command(tenant), count_up(role_id))
    append(ledger, tenant, stored(role_id, RoleChanged("10", ())))
    assert (await process.handler.handle(command(tenant), count_up(role_id))).result == 11


async def test_a_refusal_from_an_outdated_state_is_not_final(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id = uuid4()
    await process.handler.handle(command(tenant), create(role_id))
    append(ledger, tenant, stored(role_id, RoleDeleted("key")))
    assert (await process.handler.handle(command(tenant), create(role_id))).position == 3
    assert refusals(ledger, tenant) == []


async def test_nothing_to_do_from_an_outdated_state_is_not_final(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id = uuid4()
    await process.handler.handle(command(tenant), create(role_id))
    append(ledger, tenant, stored(role_id, RoleDeleted("key")))

    def ensure(view: View) -> Decided:
        return Decided() if view.read(ROLE, role_id).exists else create(role_id)(view)

    assert (await process.handler.handle(command(tenant), ensure)).position == 3


async def test_a_command_that_never_gets_its_turn_is_contended(
    database: Database, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    role_id, decisions = uuid4(), []

    def always_late(view: View) -> Decided:
        decided = count_up(role_id)(view)
        decisions.append(view.version(role_id))
        append(ledger, tenant, stored(role_id, RoleChanged("0", ())))
        return decided

    async with running(database.system_url, tuning=Tuning(attempts=5)) as process:
        with pytest.raises(Contended):
            await process.handler.handle(command(tenant), always_late)
    assert decisions == [0, 1, 2, 3, 4]


async def test_a_ledger_taken_back_by_a_restore_is_read_afresh(process: Process, database: Database, tenant: UUID) -> None:
    role_id = uuid4()
    for _ in range(3):
        await process.handler.handle(command(tenant), count_up(role_id))
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute("ALTER TABLE ledger.events DISABLE TRIGGER append_only")
        superuser.execute("DELETE FROM ledger.events WHERE tenant_id = %s AND position > 1", (tenant,))
    done = await process.handler.handle(command(tenant), count_up(role_id))
    assert (done.position, done.result) == (2, 2)


async def test_the_platforms_ledger_takes_no_roles(process: Process) -> None:
    def create(view: View) -> Decided:
        return Decided((Fact(view.new_id(), RoleCreated("clerk", "Clerk", ())),))

    with pytest.raises(NotOfPlatform):
        await process.handler.handle(Command(PLATFORM, "role.create", WHO), create)

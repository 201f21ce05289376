"""ledger.append_rows_2: what each command of a batch is answered, and what then stands in the ledger."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.envelope import PLATFORM
from domain.facts import Claim
from store.append import Entry
from tests.conftest import Database
from tests.store.ledgers import MOMENT, append, claims, connected, entry, event, open_ledger, positions, verdicts, versions


def test_positions_and_versions_count_from_one_without_gaps(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a, b = uuid4(), uuid4()

    first = append(ledger, tenant, entry(a, b, a, expect=[(a, 0), (b, 0)]))
    second = append(ledger, tenant, entry(b, expect=[(b, 1)]), entry(a, a, expect=[(a, 2)]))

    assert [outcome.position for outcome in first + second] == [3, 4, 6]
    assert positions(ledger, tenant) == [1, 2, 3, 4, 5, 6]
    assert versions(ledger, tenant, a) == [1, 2, 3, 4]
    assert versions(ledger, tenant, b) == [1, 2]


def test_an_event_is_stored_as_it_was_given(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a, command_id = uuid4(), uuid4()
    given = [event(a, b'{"n":1}', "first.v1"), event(a, b"\x00\xff", "second.v1")]

    (outcome,) = append(ledger, tenant, Entry(command_id, b'{"actor_type":"user"}', given, [(a, 0)]))

    stored = ledger.execute(
        "SELECT topic, data, occurred_at, recorded_at, command_id, meta FROM ledger.events WHERE tenant_id = %s ORDER BY version",
        (tenant,),
    ).fetchall()
    assert [(row[0], row[1]) for row in stored] == [("first.v1", b'{"n":1}'), ("second.v1", b"\x00\xff")]
    assert {row[2:] for row in stored} == {(MOMENT, outcome.recorded_at, command_id, b'{"actor_type":"user"}')}


def test_events_stand_in_the_order_of_their_commands_and_within_them(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    streams = [uuid4() for _ in range(12)]
    stale = entry(streams[0], expect=[(streams[0], 5)])

    append(ledger, tenant, entry(*streams[:4]), entry(*streams[4:6]))
    append(ledger, tenant, entry(*streams[6:9]), stale, entry(*streams[9:]))

    rows = ledger.execute("SELECT stream_id FROM ledger.events WHERE tenant_id = %s ORDER BY position", (tenant,))
    assert [stream_id for (stream_id,) in rows] == streams


def test_each_ledger_counts_for_itself(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    other, a = open_ledger(ledger), uuid4()

    append(ledger, tenant, entry(a, a))
    append(ledger, other, entry(a, expect=[(a, 0)]))

    assert positions(ledger, tenant) == [1, 2]
    assert positions(ledger, other) == [1]


def test_the_platform_has_its_ledger_from_the_beginning(ledger: psycopg.Connection[Any]) -> None:
    assert verdicts(append(ledger, PLATFORM, entry(uuid4()))) == ["appended"]


def test_opening_a_ledger_twice_changes_nothing(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    append(ledger, tenant, entry(uuid4()))
    open_ledger(ledger, tenant)
    assert positions(ledger, tenant) == [1]


def test_an_unknown_ledger_refuses_every_command(ledger: psycopg.Connection[Any]) -> None:
    nowhere = uuid4()
    outcomes = append(ledger, nowhere, entry(uuid4()), entry(uuid4())) + append(ledger, nowhere, entry(uuid4()), no_wait=True)
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == [("refused", "unknown_ledger")] * 3
    assert positions(ledger, nowhere) == []


def test_an_empty_batch_is_answered_with_nothing(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    assert append(ledger, tenant) == []


def test_a_command_without_events_is_remembered_without_a_position(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    command = entry(result=b'{"ok":true}', request_hash=b"h")

    first = append(ledger, tenant, entry(uuid4()), command, entry(uuid4()))
    (again,) = append(ledger, tenant, command)

    assert [outcome.position for outcome in first] == [1, None, 2]
    assert (again.verdict, again.position, again.result) == ("done", None, b'{"ok":true}')


# Expectations


def test_stale_good_and_chained_commands_in_one_batch_are_each_judged_for_themselves(
    ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    a, b = uuid4(), uuid4()
    append(ledger, tenant, entry(a, expect=[(a, 0)]))

    outcomes = append(
        ledger,
        tenant,
        entry(a, expect=[(a, 0)]),  # stale
        entry(a, expect=[(a, 1)]),  # good
        entry(a, expect=[(a, 1)]),  # chained on the stale one
        entry(a, a, expect=[(a, 2)]),  # chained on the good one
        entry(a, b, expect=[(a, 4), (b, 0)]),  # two streams
        entry(b, expect=[(a, 4)]),  # reads what has moved on, writes elsewhere
    )

    assert verdicts(outcomes) == ["conflict", "appended", "conflict", "appended", "appended", "conflict"]
    assert [outcome.reason for outcome in outcomes if outcome.verdict == "conflict"] == ["version"] * 3
    assert [outcome.position for outcome in outcomes] == [None, 2, None, 4, 6, None]
    assert positions(ledger, tenant) == [1, 2, 3, 4, 5, 6]
    assert versions(ledger, tenant, a) == [1, 2, 3, 4, 5]
    assert versions(ledger, tenant, b) == [1]


@pytest.mark.parametrize("expected", [-1, 0, 2, 3, 10**12])
def test_a_version_that_is_not_the_streams_is_refused(ledger: psycopg.Connection[Any], tenant: UUID, expected: int) -> None:
    a = uuid4()
    append(ledger, tenant, entry(a, expect=[(a, 0)]))
    assert verdicts(append(ledger, tenant, entry(a, expect=[(a, expected)]))) == ["conflict"]
    assert versions(ledger, tenant, a) == [1]


def test_one_failed_expectation_of_several_is_enough(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a, b, c = uuid4(), uuid4(), uuid4()
    append(ledger, tenant, entry(b, expect=[(b, 0)]))
    assert verdicts(append(ledger, tenant, entry(a, expect=[(a, 0), (b, 0), (c, 0)]))) == ["conflict"]


def test_events_need_no_expectation(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a = uuid4()
    assert verdicts(append(ledger, tenant, entry(a), entry(a), entry(a, expect=[(a, 2)]))) == ["appended"] * 3
    assert versions(ledger, tenant, a) == [1, 2, 3]


def test_a_decision_made_on_a_phantom_is_not_accepted_although_the_version_fits(
    ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    a = uuid4()
    phantom, decided_on_it = entry(a, expect=[(a, 0)]), entry(a, expect=[(a, 1)])
    append(ledger, tenant, entry(a))  # somebody else takes the stream to the very version that the phantom would have

    outcomes = append(ledger, tenant, phantom, decided_on_it, dependencies=[(2, 1)])

    assert verdicts(outcomes) == ["conflict", "conflict"]
    assert outcomes[1].reason == "dependency"
    assert versions(ledger, tenant, a) == [1]


def test_a_dependency_that_was_appended_in_the_batch_holds(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a, stale = uuid4(), uuid4()
    append(ledger, tenant, entry(stale))
    outcomes = append(
        ledger,
        tenant,
        entry(stale, expect=[(stale, 0)]),  # forces the ordered judgement
        entry(a, expect=[(a, 0)]),
        entry(a, expect=[(a, 1)]),
        dependencies=[(3, 2)],
    )
    assert verdicts(outcomes) == ["conflict", "appended", "appended"]


def test_what_depends_on_a_command_done_before_is_decided_again(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a, known = uuid4(), entry(uuid4())
    append(ledger, tenant, known)
    outcomes = append(ledger, tenant, known, entry(a, expect=[(a, 0)]), dependencies=[(2, 1)])
    assert verdicts(outcomes) == ["done", "conflict"]


# Known commands


def test_a_command_is_done_once_however_often_it_is_sent(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a = uuid4()
    command = entry(a, a, expect=[(a, 0)], result=b'{"id":1}', request_hash=b"hash")
    (first,) = append(ledger, tenant, command)
    append(ledger, tenant, entry(a))

    (again,) = append(ledger, tenant, command)

    assert (again.verdict, again.position, again.result) == ("done", first.position, b'{"id":1}')
    assert again.recorded_at == first.recorded_at
    assert versions(ledger, tenant, a) == [1, 2, 3]


def test_a_command_sent_twice_in_one_batch_is_done_once(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a = uuid4()
    command = entry(a, expect=[(a, 0)])
    outcomes = append(ledger, tenant, command, command, entry(a, expect=[(a, 1)]))
    assert verdicts(outcomes) == ["appended", "done", "appended"]
    assert [outcome.position for outcome in outcomes] == [1, 1, 2]


def test_a_key_used_for_another_request_is_refused(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    key, a = uuid4(), uuid4()
    append(ledger, tenant, entry(a, command_id=key, request_hash=b"one"))
    fresh = uuid4()

    outcomes = append(
        ledger,
        tenant,
        entry(a, command_id=key, request_hash=b"two"),
        entry(a, command_id=key, request_hash=None),
        entry(a, command_id=fresh, request_hash=b"one"),
        entry(a, command_id=fresh, request_hash=b"two"),
    )

    assert verdicts(outcomes) == ["refused", "refused", "appended", "refused"]
    assert [outcome.reason for outcome in outcomes if outcome.verdict == "refused"] == ["key_reused"] * 3
    assert versions(ledger, tenant, a) == [1, 2]


def test_a_rejected_command_may_come_again_under_its_id(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a, command_id = uuid4(), uuid4()
    assert verdicts(append(ledger, tenant, entry(a, expect=[(a, 7)], command_id=command_id))) == ["conflict"]
    assert verdicts(append(ledger, tenant, entry(a, expect=[(a, 0)], command_id=command_id))) == ["appended"]


# Names


def test_a_name_is_held_by_one_owner(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a, b = uuid4(), uuid4()
    append(ledger, tenant, entry(a, claims=[Claim("role.key", "approver", a)]))

    refused, free = append(
        ledger,
        tenant,
        entry(b, claims=[Claim("role.key", "free", b), Claim("role.key", "approver", b)]),
        entry(b, claims=[Claim("role.key", "free", a)]),
    )

    assert (refused.verdict, refused.reason, refused.name) == ("refused", "claim:role.key", "approver")
    assert free.verdict == "appended"
    assert claims(ledger, tenant) == {("role.key", "approver"): a, ("role.key", "free"): a}
    assert versions(ledger, tenant, b) == [1]


def test_the_same_name_in_another_scope_or_ledger_is_another_name(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a, other = uuid4(), open_ledger(ledger)
    batch = [entry(uuid4(), claims=[Claim("one", "x", a)]), entry(uuid4(), claims=[Claim("two", "x", a)])]
    assert verdicts(append(ledger, tenant, *batch)) == ["appended", "appended"]
    assert verdicts(append(ledger, other, entry(uuid4(), claims=[Claim("one", "x", uuid4())]))) == ["appended"]


def test_two_claims_of_a_name_in_one_batch_go_to_the_first(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a, b = uuid4(), uuid4()
    outcomes = append(ledger, tenant, entry(a, claims=[Claim("s", "n", a)]), entry(b, claims=[Claim("s", "n", b)]))
    assert verdicts(outcomes) == ["appended", "refused"]
    assert claims(ledger, tenant) == {("s", "n"): a}


def test_a_released_name_is_free_for_later_commands_of_the_batch(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a, b = uuid4(), uuid4()
    held, wanted = Claim("s", "n", a), Claim("s", "n", b)
    append(ledger, tenant, entry(a, claims=[held]))

    outcomes = append(ledger, tenant, entry(b, claims=[wanted]), entry(a, releases=[held]), entry(b, claims=[wanted]))

    assert verdicts(outcomes) == ["refused", "appended", "appended"]
    assert claims(ledger, tenant) == {("s", "n"): b}


def test_a_name_claimed_and_released_in_one_batch_is_free(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a = uuid4()
    mine = Claim("s", "n", a)
    assert verdicts(append(ledger, tenant, entry(a, claims=[mine]), entry(a, releases=[mine]))) == ["appended"] * 2
    assert claims(ledger, tenant) == {}


def test_a_command_may_exchange_one_name_for_another(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a = uuid4()
    append(ledger, tenant, entry(a, claims=[Claim("s", "old", a)]))
    append(ledger, tenant, entry(a, releases=[Claim("s", "old", a)], claims=[Claim("s", "new", a)]))
    assert claims(ledger, tenant) == {("s", "new"): a}


@pytest.mark.parametrize("judged_in_order", [False, True])
def test_only_its_holder_releases_a_name(ledger: psycopg.Connection[Any], tenant: UUID, judged_in_order: bool) -> None:
    a, b = uuid4(), uuid4()
    append(ledger, tenant, entry(a, claims=[Claim("s", "n", a)]))
    stale = [entry(a, expect=[(a, 9)])] if judged_in_order else []
    append(ledger, tenant, entry(b, releases=[Claim("s", "n", b)]), *stale)
    assert claims(ledger, tenant) == {("s", "n"): a}


def test_a_rejected_command_neither_claims_nor_releases(ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    a, b = uuid4(), uuid4()
    append(ledger, tenant, entry(a, claims=[Claim("s", "held", a)]))
    outcomes = append(
        ledger,
        tenant,
        entry(a, expect=[(a, 5)], releases=[Claim("s", "held", a)], claims=[Claim("s", "wanted", a)]),
        entry(b, claims=[Claim("s", "wanted", b)]),
        entry(b, claims=[Claim("s", "other", b), Claim("s", "held", b)]),
    )
    assert verdicts(outcomes) == ["conflict", "appended", "refused"]
    assert claims(ledger, tenant) == {("s", "held"): a, ("s", "wanted"): b}


# Time


def test_recorded_time_never_decreases(database: Database, ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    (first,) = append(ledger, tenant, entry(uuid4()))
    assert first.recorded_at is not None
    ahead = first.recorded_at + timedelta(days=1)  # as after a clock was set back
    with connected(database.superuser_url) as superuser:
        superuser.execute(
            "INSERT INTO ledger.events VALUES (%s, 2, %s, 1, 't', now(), %s, %s, '', '')", (tenant, uuid4(), ahead, uuid4())
        )
    (second,) = append(ledger, tenant, entry(uuid4()))
    assert second.recorded_at == ahead
    assert second.position == 3


def test_the_epoch_of_the_ledger_is_answered(database: Database, ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    with connected(database.superuser_url) as superuser:
        superuser.execute("UPDATE ledger.heads SET epoch = 4 WHERE tenant_id = %s", (tenant,))
    known = entry(uuid4())
    assert [append(ledger, tenant, known)[0].epoch, append(ledger, tenant, known)[0].epoch] == [4, 4]

"""Executions that are over, played through other versions: where they would have gone another way, and what cannot be said."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.approval.overriding import Overrider
from domain.execution import ExecutionMigrated
from domain.facts import Fact, Json
from domain.member import MemberRolesChanged
from domain.retry import Failure
from engine.engine import (
    Decider,
    add_approver,
    cancel,
    decide_approval,
    override_approval,
    pause,
    reassign_approval,
    resume,
    revoke_decision,
    signal,
    withdraw_approval,
)
from engine.jobs import JobRef, complete_own
from engine.what_if.changing import NoSuchField, with_field, with_names
from engine.what_if.comparing import Compared, Difference
from engine.what_if.record import NotPlayed
from tests.engine.drawing import ANN, BEN, EXECUTION_ID, ask, drawing
from tests.engine.past import Remembered
from tests.engine.people import CAT, DAN, EVA, role_id
from tests.engine.working import agent, task

BOSS, BOARD = ("boss",), ("board",)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LIMIT = drawing(
    {
        "start": "start",
        "ask": ask("approved:approve:boss", "rejected:reject:boss"),
        "size": ("condition", {"branches": [{"handle": "large", "when": "input.amount > 10000"}], "default": "small"}),
        "director": ask("approved:approve:board", "rejected:reject:board"),
        "pay": task("pay", input={"amount": "=input.amount"}),
        "paid": ("end", {"output": {"paid": "=input.amount"}}),
        "refused": "end",
    },
    "start > ask",
    "ask.approved > size",
    "ask.rejected > refused",
    "size.small > pay",
    "size.large > director",
    "director.approved > pay",
    "director.rejected > refused",
    "pay > paid",
)


def expense(amount: int) -> Remembered:
    place = Remembered(LIMIT)
    place.start({"amount": amount}, created_by=DAN).choose("ask", "approved", ANN, BOSS)
    if amount > 10_000:
        place.choose("director", "approved", EVA, BOARD)
    place.complete("pay", {"receipt": 7})
    return place


def lower(limit: int) -> Json:
    branches = [{"handle": "large", "when": f"input.amount > {limit}"}]
    return {"branches": branches}


def with_config(definition: Json, node_id: str, **config: Json) -> Json:
    """Its nodes, one of which says otherwise."""
    return [{**node, "config": {**node["config"], **config}} if node["id"] == node_id else node for node in definition["nodes"]]


def difference(found: Compared) -> Difference:
    assert found.verdict == "elsewhere", found
    assert found.difference is not None
    return found.difference


def left(handle: str, *to: str) -> Json:
    return {"what": "left", "handle": handle, "to": list(to)}


def test_had_the_limit_been_lower_these_would_have_gone_to_the_director() -> None:
    assert expense(7_000).through()[1].verdict == "same"
    _, found = expense(7_000).with_config("size", **lower(5_000))
    assert difference(found) == Difference(("size", 1), left("small", "pay"), left("large", "director"))
    assert found.ended == {"status": "completed"}
    assert found.would_end == {"status": "waiting", "at": ["director"]}
    for amount in (3_000, 12_000):
        assert expense(amount).with_config("size", **lower(5_000))[1].verdict == "same"


def test_had_the_limit_been_higher_the_director_would_not_have_been_asked() -> None:
    _, found = expense(12_000).with_config("size", **lower(50_000))
    assert difference(found) == Difference(("size", 1), left("large", "director"), left("small", "pay"))
    assert found.would_end == {"status": "completed"}


def test_what_would_come_of_a_visit_may_be_assumed() -> None:
    through = {**LIMIT, "nodes": with_config(LIMIT, "size", **lower(5_000))}
    for outcome in ("approved", "rejected"):
        played, found = expense(7_000).through(through, assume={"director": {"outcome": outcome}})
        assert difference(found).would == left("large", "director")
        assert found.would_end == {"status": "completed"}
        assert ("pay" in [key[0] for key in played.visited]) == (outcome == "approved")


def test_it_may_be_assumed_also_where_the_record_is_not_enough() -> None:
    place = asking(SINGLE, (ANN, "approved"))
    two = {**place.definition, "nodes": with_config(place.definition, "ask", rule=TWO)}
    played, found = place.through(two, assume={"ask": {"outcome": "rejected"}})
    assert (difference(found).would, found.would_end) == (left("rejected", "no"), {"status": "completed"})
    assert played.visited[-1] == ("no", 1)
    work = working(task())
    work.start({}).complete("work", {"ok": True})
    foreign = {**work.definition, "nodes": with_config(work.definition, "work", input=5)}
    _, found = work.through(foreign, strict=True, assume={"work": {"error": {"type": "closed"}}})
    assert difference(found).would == {**left("error", "failed"), "code": "closed"}


# Other rules --------------------------------------------------------------------------------------------------------------

SINGLE: Json = {"type": "single"}
TWO: Json = {"type": "multiple", "count": 2, "members": "at_start"}
VETO: Json = {"type": "veto", "veto": ["boss"], "count": 2}


def asking(rule: Json, *decisions: tuple[UUID, str], **config: Json) -> Remembered:
    asks = ask("approved:approve", "rejected:reject", by={"roles": ["boss"]}, rule=rule, **config)
    nodes = {"start": "start", "ask": asks, "yes": ("end", {"output": "=nodes.ask.output.user_id"}), "no": "end"}
    place = Remembered(drawing(nodes, "start > ask", "ask.approved > yes", "ask.rejected > no"))
    place.start({})
    for who, outcome in decisions:
        place.later(HOUR).choose("ask", outcome, who, BOSS)
    return place


def test_had_two_been_asked_for_it_would_still_wait() -> None:
    _, found = asking(SINGLE, (ANN, "approved")).with_config("ask", rule=TWO)
    assert difference(found) == Difference(("ask", 1), left("approved", "yes"), {"what": "waits"})
    assert found.would_end == {"status": "waiting", "at": ["ask"]}


def test_had_one_been_enough_the_first_would_have_decided() -> None:
    _, found = asking(TWO, (ANN, "rejected"), (BEN, "approved"), (CAT, "approved")).with_config("ask", rule=SINGLE)
    assert difference(found) == Difference(("ask", 1), left("approved", "yes"), left("rejected", "no"))
    assert found.would_end == {"status": "completed"}


def test_had_there_been_a_veto_the_first_rejection_would_have_ended_it() -> None:
    _, found = asking(TWO, (ANN, "rejected"), (BEN, "approved"), (CAT, "approved")).with_config("ask", rule=VETO)
    assert difference(found) == Difference(("ask", 1), left("approved", "yes"), left("rejected", "no"))
    _, found = asking(TWO, (ANN, "approved"), (BEN, "approved")).with_config("ask", rule=VETO)
    assert difference(found).would == {"what": "waits"}  # for Cat, who may stop it


def test_another_rule_that_comes_to_the_same_is_the_same_way() -> None:
    played, found = asking(TWO, (ANN, "approved"), (CAT, "approved")).with_config("ask", rule={"type": "majority"})
    assert found.verdict == "same"
    assert played.left_out == []


def test_who_decided_last_may_be_another_one_and_so_the_output() -> None:
    _, found = asking(TWO, (ANN, "approved"), (CAT, "approved")).with_config("ask", rule=SINGLE)
    assert found.verdict == "other_output"


def test_a_decision_of_whom_it_does_not_ask_is_left_out_and_told() -> None:
    played, found = asking(SINGLE, (ANN, "approved")).with_config("ask", by={"roles": ["board"]})
    assert difference(found).would == {"what": "waits"}
    assert [note.message for note in played.left_out] == [f"The decision “approved” of {ANN} does not count: they are not asked."]
    played, found = asking(SINGLE, (BEN, "approved")).with_config("ask", by={"roles": ["board"]})
    assert (found.verdict, played.left_out) == ("same", [])


def test_roles_are_those_of_then() -> None:
    place = asking(SINGLE, (ANN, "approved"))
    place.add(Fact(ANN, MemberRolesChanged(ANN, (role_id("clerk"),))))
    assert place.with_config("ask", title="Do you agree?", rule={"type": "first"})[1].verdict == "same"


def test_an_outcome_that_there_is_not_says_nothing() -> None:
    place = asking(SINGLE, (ANN, "approved"))
    outcomes = [{"name": "rejected", "kind": "reject"}, {"name": "fine", "kind": "approve"}]
    nodes = with_config(place.definition, "ask", outcomes=outcomes)
    fine = {"source": "ask", "source_handle": "fine", "target": "yes"}
    edges = [fine if edge.get("source_handle") == "approved" else edge for edge in place.definition["edges"]]
    _, found = place.through({**place.definition, "nodes": nodes, "edges": edges})
    assert (found.verdict, found.why) == ("undecided", "Somebody chose approved, which is no outcome of it.")


STEPS = [{"name": "first", "by": {"roles": ["boss"]}}, {"name": "second", "by": {"roles": ["board"]}}]


def in_steps(*decisions: tuple[UUID, str, str], steps: Json = STEPS) -> Remembered:
    asks = ask("approved:approve", "rejected:reject", steps=steps)
    nodes = {"start": "start", "ask": asks, "yes": "end", "no": "end"}
    place = Remembered(drawing(nodes, "start > ask", "ask.approved > yes", "ask.rejected > no"))
    place.start({})
    for who, outcome, step in decisions:
        place.later(HOUR).choose("ask", outcome, who, ("boss", "board"), step=step)
    return place


def test_steps_are_decided_anew() -> None:
    place = in_steps((ANN, "approved", "first"), (EVA, "approved", "second"))
    assert place.through()[1].verdict == "same"
    twice = [{**STEPS[0], "rule": TWO}, STEPS[1]]
    assert difference(place.with_config("ask", steps=twice)[1]).would == {"what": "waits"}
    skipped = [STEPS[0], {**STEPS[1], "skip_when": "true"}]
    played, found = place.with_config("ask", steps=skipped)
    assert (found.verdict, played.left_out) == ("same", [])


def test_who_is_asked_later_than_they_were_decides_later() -> None:
    beside = [STEPS[0], {**STEPS[1], "parallel_with": "first"}]
    place = in_steps((EVA, "approved", "second"), (ANN, "approved", "first"), steps=beside)
    played, found = place.with_config("ask", steps=STEPS)
    assert found.verdict == "same"
    assert [note.message for note in played.assumed] == ["Somebody decides later than they did, when they are asked."]


def test_what_is_done_to_a_request_is_done_again() -> None:
    place = asking(TWO, ad_hoc=True)
    request_id = UUID(place.open[0]["id"])
    place.step(lambda view: add_approver(view, place.engine, request_id, None, DAN))
    place.choose("ask", "rejected", ANN, BOSS)
    place.step(lambda view: revoke_decision(view, place.engine, request_id, ANN))
    place.step(lambda view: reassign_approval(view, place.engine, request_id, CAT, EVA))
    place.choose("ask", "approved", EVA, ()).choose("ask", "approved", DAN, ())
    assert place.end is not None
    played, found = place.with_config("ask", rule={**TWO, "rejections": 1})
    assert (found.verdict, played.left_out) == ("elsewhere", [])  # Ann's rejection would have ended it
    played, found = place.with_config("ask", rule={**TWO, "rejections": 3})
    assert (found.verdict, played.left_out) == ("same", [])


def test_an_override_and_a_withdrawal_come_to_the_same_by_every_rule() -> None:
    place = asking(TWO)
    request_id, who = UUID(place.open[0]["id"]), Overrider(EVA)
    place.step(lambda view: override_approval(view, place.engine, request_id, who, outcome="approved", reason="It burns."))
    assert place.with_config("ask", rule={"type": "unanimous"})[1].verdict == "same"
    asks = ask("approved:approve:boss", "gone:withdraw:boss", rule=SINGLE)
    place = Remembered(
        drawing({"start": "start", "ask": asks, "end": "end"}, "start > ask", "ask.approved > end", "ask.gone > end")
    )
    place.start({}, created_by=DAN)
    asked = UUID(place.open[0]["id"])
    place.step(lambda view: withdraw_approval(view, place.engine, asked, frozenset({DAN})))
    assert place.with_config("ask", rule={"type": "first"})[1].verdict == "same"


def escalating(after: str, *, answered: timedelta | None) -> Remembered:
    escalate = [{"after": after, "outcome": "rejected"}]
    place = asking(SINGLE, escalate=escalate)
    if answered is not None:
        place.later(answered).choose("ask", "approved", ANN, BOSS)
    return place


def test_an_escalation_that_comes_earlier_would_have_decided() -> None:
    place = escalating("P3D", answered=DAY)
    assert place.through()[1].verdict == "same"
    assert place.with_config("ask", escalate=[{"after": "P2D", "outcome": "rejected"}])[1].verdict == "same"
    _, found = place.with_config("ask", escalate=[{"after": "PT1H", "outcome": "rejected"}])
    assert difference(found) == Difference(("ask", 1), left("approved", "yes"), left("rejected", "no"))


# Work, and what it is asked -----------------------------------------------------------------------------------------------


def working(node: Any, *edges: str, **started: Any) -> Remembered:
    nodes = {"start": "start", "work": node, "done": ("end", {"output": "=nodes.work.output"}), "failed": "end"}
    return Remembered(drawing(nodes, "start > work", "work > done", "work.error > failed", *edges), **started)


def test_a_task_that_is_asked_otherwise_is_taken_to_answer_alike_and_that_is_told() -> None:
    place = working(task(input={"width": 3}))
    place.start({}).complete("work", {"ok": True})
    played, found = place.with_config("work", input={"width": 4})
    assert (found.verdict, [note.key for note in played.assumed]) == ("same", [("work", 1)])
    nodes = with_config(place.definition, "work", input=5)
    _, found = place.through({**place.definition, "nodes": nodes}, strict=True)
    assert (found.verdict, found.would_end) == ("undecided", {"status": "unknown", "at": ["work"]})


def test_an_output_is_looked_at_by_the_other_schema() -> None:
    place = working(task())
    place.start({}).complete("work", {"ok": True})
    schema = {"type": "object", "required": ["sum"]}
    _, found = place.with_config("work", output_schema=schema)
    assert difference(found).would == {**left("error", "failed"), "code": "invalid_output"}


def test_fewer_attempts_fail_earlier_and_of_more_nothing_is_known() -> None:
    def retry(count: int) -> Any:
        return lambda node: {**node, "retry": {"max_attempts": count}}

    place = working(task(retry={"max_attempts": 3}))
    place.start({}).fail("work").fail("work").complete("work", 1)
    assert place.with_node("work", retry(4))[1].verdict == "same"
    assert difference(place.with_node("work", retry(2))[1]).would == {**left("error", "failed"), "code": "broken"}
    place = working(task(retry={"max_attempts": 2}))
    place.start({}).fail("work").fail("work")
    assert place.with_node("work", retry(2))[1].verdict == "same"
    assert place.with_node("work", retry(3))[1].verdict == "undecided"
    place = working(task(retry={"max_attempts": 2}))
    place.start({}).fail_held(place.held("work"), Failure("final", "No.", retryable=False))
    assert place.with_node("work", retry(3))[1].verdict == "same"


def test_a_shorter_timeout_would_have_ended_it_and_of_a_longer_one_nothing_is_known() -> None:
    place = working(task(timeout="PT2H"), "work.timeout > failed")
    place.start({}).later(HOUR).complete("work")
    assert place.with_node("work", lambda node: {**node, "timeout": "PT3H"})[1].verdict == "same"
    _, found = place.with_node("work", lambda node: {**node, "timeout": "PT30M"})
    assert difference(found).would == {**left("timeout", "failed"), "code": "timeout"}
    place = working(task(timeout="PT2H"), "work.timeout > failed")
    place.start({}).later(2 * HOUR).expire("work")
    assert place.through()[1].verdict == "same"
    _, found = place.with_node("work", lambda node: {**node, "timeout": "PT3H"})
    assert difference(found).would == {"what": "waits"}


def test_a_timeout_that_a_worker_reports_is_an_error_like_others() -> None:
    place = working(task(timeout="PT2H"), "work.timeout > done")
    place.start({}).fail("work", "timeout", "The gateway timed out.")
    assert place.through()[1].verdict == "same"
    assert place.with_node("work", lambda node: {**node, "timeout": "PT3H"})[1].verdict == "same"
    place = working(task(timeout="PT2H"))
    place.start({}).later(2 * HOUR).expire("work")  # which nothing handles
    names = {"work": "labour"}
    assert place.through(with_names(place.definition, names), names)[1].verdict == "same"


def test_an_agent_that_is_asked_otherwise_is_taken_to_say_the_same() -> None:
    place = working(agent())
    place.start({}).answer("work", "Hello")
    assert place.through()[0].assumed == []
    played, found = place.with_config("work", prompt="Say something else")
    assert (found.verdict, len(played.assumed)) == ("same", 1)
    _, found = place.with_config("work", output_schema={"type": "object"})
    assert found.verdict == "undecided"


def test_what_waits_waits_as_long_as_it_is_told_to() -> None:
    nodes = {
        "start": "start",
        "wait": ("wait", {"duration": "P1D"}),
        "work": task(),
        "end": "end",
    }
    place = Remembered(drawing(nodes, "start > wait", "wait > work", "work > end"))
    place.start({}).later(DAY).fire("wait", "wait").later(HOUR)
    place.complete("work")
    assert place.through()[1].verdict == "same"
    _, found = place.with_config("wait", duration="P9D")
    assert (found.verdict, found.would_end) == ("same", {"status": "completed"})


def test_an_event_is_taken_where_it_is_wanted() -> None:
    place = working(("wait_event", {"event_type": "paid", "when": "event.data > 1"}))
    place.start({}).step(lambda view: signal(view, place.engine, EXECUTION_ID, "paid", 7))
    assert place.through()[1].verdict == "same"
    assert place.with_config("work", when="event.data > 5")[1].verdict == "same"
    assert place.with_config("work", when="event.data > 9")[1].verdict == "undecided"
    assert place.with_config("work", event_type="sent")[1].verdict == "undecided"


def test_a_signal_reaches_those_who_wait_for_it_by_the_other_version() -> None:
    place = Remembered(drawing({"start": "start", "work": task(), "done": "end"}, "start > work", "work > done"))
    place.start({}).step(lambda view: signal(view, place.engine, EXECUTION_ID, "go", 1))
    place.complete("work")
    nodes = {"start": "start", "hear": ("wait_event", {"event_type": "go"}), "work": task(), "done": "end"}
    _, found = place.through(drawing(nodes, "start > hear", "hear > work", "work > done"))
    assert difference(found) == Difference(("start", 1), left("success", "work"), left("success", "hear"))
    assert found.would_end == {"status": "completed"}


CALL = ("http", {"url": "https://api.example/", "method": "POST"}, {"retry": {"max_attempts": 2}})


def called(config: Json, status: int, body: Json) -> Remembered:
    place = working(("http", {**CALL[1], **config}, CALL[2]))
    place.start({"order": 7})
    (job,) = place.story.jobs.values()
    response = {"status": status, "headers": {}, "body": body, "encoding": "json"}
    exchange = {"response": response, "retry_after": None, "jitter": 0.5}
    held = JobRef(job.id, 1, job.execution_id, job.activation_id)
    place.step(lambda view: complete_own(view, place.engine, held, exchange))
    return place


def test_an_answer_is_read_otherwise_where_it_is_on_record() -> None:
    place = called({}, 200, {"ok": False})
    assert place.through()[0].assumed == []
    _, found = place.with_config("work", success=[201])
    assert difference(found).would == {**left("error", "failed"), "code": "http_200"}
    _, found = place.with_config("work", output="=response.body.ok")
    assert (found.verdict, found.would_end) == ("other_output", {"status": "completed"})
    read = called({"output": "=response.body.ok"}, 200, {"ok": False})
    assert read.with_config("work", output="=response.body")[1].verdict == "undecided"
    refused = called({}, 409, {"ok": False})
    assert refused.with_config("work", success=["2xx", 409])[1].verdict == "undecided"
    played, found = place.with_config("work", body={"order": "=input.order"})
    assert (found.verdict, len(played.assumed)) == ("same", 1)


def test_a_time_limit_of_the_whole_is_reckoned_anew() -> None:
    nodes = {"start": "start", "work": task(), "done": "end"}
    place = Remembered(drawing(nodes, "start > work", "work > done", timeout="P2D"))
    place.start({}).later(DAY)
    place.complete("work")
    assert place.through()[1].verdict == "same"
    _, found = place.through({**place.definition, "timeout": "PT1H"})
    assert difference(found).would == {"what": "cancelled"}
    assert found.would_end == {"status": "failed", "code": "timeout"}


def test_a_pause_holds_what_is_reckoned_anew() -> None:
    place = working(task(timeout="P2D"), "work.timeout > failed")
    place.start({}).step(lambda view: pause(view, place.engine, EXECUTION_ID))
    place.later(DAY).step(lambda view: resume(view, place.engine, EXECUTION_ID))
    place.later(HOUR)
    place.complete("work")
    assert place.through()[1].verdict == "same"
    assert place.with_node("work", lambda node: {**node, "timeout": "PT2H"})[1].verdict == "same"
    assert place.with_node("work", lambda node: {**node, "timeout": "PT30M"})[1].verdict == "elsewhere"


def test_who_cancelled_it_cancels_it_again_where_it_is_not_over() -> None:
    place = working(task())
    place.start({}).step(lambda view: cancel(view, place.engine, EXECUTION_ID, "enough"))
    assert place.through()[1].verdict == "same"
    nodes = {"start": "start", "done": "end"}
    _, found = place.through(drawing(nodes, "start > done"))
    assert found.verdict == "elsewhere"
    assert (found.ended, found.would_end) == ({"status": "cancelled"}, {"status": "completed"})


def test_what_had_not_come_when_all_was_cancelled_would_still_have_waited() -> None:
    asks = ask("approved:approve", "rejected:reject", by={"roles": ["boss"]}, rule=SINGLE)
    nodes = {"start": "start", "ask": asks, "work": task(), "end": "end", "no": "end"}
    place = Remembered(drawing(nodes, "start > ask", "ask.approved > work", "ask.rejected > no", "work > end"))
    place.start({}).later(HOUR).choose("ask", "approved", ANN, BOSS).later(HOUR)
    place.step(lambda view: cancel(view, place.engine, EXECUTION_ID, "enough"))
    assert place.through()[1].verdict == "same"
    _, found = place.with_config("ask", rule=TWO)
    assert difference(found) == Difference(("ask", 1), left("approved", "work"), {"what": "waits"})
    assert found.would_end == {"status": "unknown", "at": ["ask"]}  # the second one may have come before that
    _, found = place.with_config("ask", rule={"type": "first"})
    assert found.verdict == "same"


def test_what_was_over_at_once_and_begins_something_is_not_known() -> None:
    body = {"nodes": [{"id": "each", "type": "task", "config": {"job_type": "work"}}], "edges": []}
    place = working(("foreach", {"items": "=input.items", "body": body}))
    place.start({"items": []})
    assert place.through()[1].verdict == "same"
    _, found = place.with_config("work", items=[1])
    assert (found.verdict, found.would_end) == ("undecided", {"status": "unknown", "at": ["work"]})


def test_a_decision_that_led_nowhere_leads_on_where_there_is_a_way() -> None:
    nodes = {"start": "start", "ask": ask("approved:approve", "rejected:reject"), "yes": "end", "no": "end"}
    place = Remembered(drawing(nodes, "start > ask", "ask.approved > yes", "ask.rejected > no if false"))
    place.start({}).choose("ask", "rejected")
    assert place.through()[1].verdict == "same"
    _, found = place.through(drawing(nodes, "start > ask", "ask.approved > yes", "ask.rejected > no"))
    assert difference(found) == Difference(("ask", 1), {"what": "failed", "code": "no_route"}, left("rejected", "no"))
    assert found.would_end == {"status": "completed"}


def test_an_error_that_would_have_been_says_what_is_wrong() -> None:
    _, found = expense(3_000).with_config("size", branches=[{"handle": "large", "when": "1 / 0 > input.amount"}])
    assert difference(found).would == {"what": "failed", "code": "expression_error"}
    assert "zero" in str(difference(found).message)


def test_who_stood_in_for_another_does_so_again() -> None:
    place = asking(SINGLE)
    stands_in = Decider(EVA, frozenset(BOSS), on_behalf_of=ANN)
    request_id = UUID(place.open[0]["id"])
    place.step(lambda view: decide_approval(view, place.engine, request_id, stands_in, outcome="approved"))
    played, found = place.with_config("ask", rule={"type": "first"})
    assert (found.verdict, played.left_out) == ("same", [])


RACE = drawing(
    {
        "start": "start",
        "hear": ("wait_event", {"event_type": "paid"}),
        "work": task(),
        "first": ("join", {"mode": "count", "count": 1}),
        "size": ("condition", {"branches": [{"handle": "large", "when": "input.amount > 5"}], "default": "small"}),
        "late": task("late"),
        "end": "end",
    },
    "start > hear",
    "start > work",
    "hear > first",
    "work > first",
    "work > size",
    "size.small > end",
    "size.large > late",
    "late > end",
    "first > end",
)


def test_who_comes_first_is_not_known_where_one_of_them_is_not() -> None:
    place = Remembered(RACE)
    place.start({"amount": 3}).later(HOUR)
    place.complete("work")
    assert place.end is not None
    assert place.through()[1].verdict == "same"
    _, found = place.with_config("hear", event_type="sent")
    assert (found.verdict, found.would_end) == ("undecided", {"status": "unknown", "at": ["hear"]})
    otherwise = {**RACE, "nodes": with_config(RACE, "hear", event_type="sent")}
    otherwise["nodes"] = with_config(otherwise, "size", **lower(1))
    _, found = place.through(otherwise)
    assert difference(found).key == ("size", 1)  # which is so whenever the event comes


# What is no other way, and what is not played ----------------------------------------------------------------------------


def test_a_node_put_on_an_edge_is_no_other_way_unless_it_waits() -> None:
    place = expense(3_000)

    def put(kind: Any, *more: str) -> Compared:
        edges = [edge for edge in LIMIT["edges"] if edge["source"] != "start"]
        drawn = drawing({"new": kind}, "start > new", "new > ask", *more)
        return place.through({**LIMIT, "nodes": [*LIMIT["nodes"], *drawn["nodes"]], "edges": [*edges, *drawn["edges"]]})[1]

    assert put(("set", {"values": {"x": 1}})).verdict == "same"
    assert difference(put(task())) == Difference(("start", 1), left("success", "ask"), left("success", "new"))


def test_an_input_that_is_not_taken_any_more_would_not_have_started() -> None:
    schema = {"type": "object", "properties": {"amount": {"maximum": 1_000}}}
    _, found = expense(3_000).through({**LIMIT, "input_schema": schema})
    assert difference(found).would["what"] == "not_started"


def test_another_output_is_told_apart_from_another_way() -> None:
    _, found = expense(3_000).with_config("paid", output={"paid": 0})
    assert (found.verdict, found.difference) == ("other_output", None)


def test_a_node_may_be_called_otherwise() -> None:
    place = expense(3_000)
    renamed = with_names(LIMIT, {"ask": "manager", "pay": "transfer"})
    assert place.through(renamed)[1].verdict == "elsewhere"
    names = {"ask": "manager", "pay": "transfer"}
    played, found = place.through(renamed, names)
    assert (found.verdict, played.assumed) == ("same", [])
    _, found = place.through({**renamed, "nodes": with_config(renamed, "manager", rule=TWO)}, names)
    assert difference(found).key == ("manager", 1)


def test_a_field_is_set_by_its_path() -> None:
    definition = drawing({"ask": ask(steps=STEPS), "work": task()})
    ask_node, work = with_field(with_field(definition, ("ask", "steps", "1", "rule"), TWO), ("work", "timeout"), "PT1H")["nodes"]
    assert ask_node["config"]["steps"] == [STEPS[0], {**STEPS[1], "rule": TWO}]
    assert work["timeout"] == "PT1H"
    assert definition == drawing({"ask": ask(steps=STEPS), "work": task()})
    for wrong in (("nobody", "rule"), ("ask", "steps", "2", "rule"), ("ask", "title", "x")):
        with pytest.raises(NoSuchField):
            with_field(definition, wrong, 1)


def test_an_error_that_nothing_handled_may_be_handled() -> None:
    place = expense(3_000)
    assert place.end is not None
    failing = Remembered(LIMIT)
    failing.start({"amount": 1}).choose("ask", "approved", ANN, BOSS).fail("pay")
    assert failing.through()[1].verdict == "same"
    edge = {"source": "pay", "source_handle": "error", "target": "refused"}
    _, found = failing.through({**LIMIT, "edges": [*LIMIT["edges"], edge]})
    taken, would = {"what": "failed", "code": "broken"}, {**left("error", "refused"), "code": "broken"}
    assert difference(found) == Difference(("pay", 1), taken, would)


def test_what_cannot_be_played_says_why() -> None:
    running = Remembered(LIMIT)
    running.start({"amount": 1})
    with pytest.raises(NotPlayed, match="not over"):
        _ = running.past
    place = expense(3_000)
    place.add(Fact(EXECUTION_ID, ExecutionMigrated(1, 2, {}, {})))
    with pytest.raises(NotPlayed, match="migrated"):
        _ = place.past

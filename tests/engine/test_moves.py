"""Where tokens go: sequence, branches, parallel edges, errors, ends."""

from uuid import UUID

from domain.approval import ApprovalDecided, ApprovalRequested, ApprovalResolved, Outcome
from domain.execution import ActivationCompleted, ActivationFailed, ActivationStarted, ExecutionCompleted, ExecutionStarted, Move
from engine.engine import EngineLimits
from tests.engine.drawing import ANN, EXECUTION_ID, WORKFLOW_ID, Play, ask, drawing


def test_an_execution_without_anything_to_wait_for_runs_to_its_end_in_one_command() -> None:
    play = Play(
        drawing(
            {
                "start": "start",
                "sum": ("set", {"values": {"total": "=input.a + input.b"}}),
                "end": ("end", {"output": "=nodes.sum.output"}),
            },
            "start > sum",
            "sum > end",
        )
    ).start({"a": 1, "b": 2})
    ids = [event.activation_id for event in play.view.events(EXECUTION_ID) if isinstance(event, ActivationStarted)]
    play.story.then(
        ExecutionStarted(WORKFLOW_ID, "test", 1, "start", {"a": 1, "b": 2}),
        ActivationStarted(ids[0], "start", "start", 1, (0,)),
        ActivationCompleted(ids[0], "start", "success", None, (Move(1, 0, "sum"),)),
        ActivationStarted(ids[1], "sum", "set", 1, (1,)),
        ActivationCompleted(ids[1], "sum", "success", {"total": 3}, (Move(2, 1, "end"),)),
        ActivationStarted(ids[2], "end", "end", 1, (2,)),
        ActivationCompleted(ids[2], "end", None, {"total": 3}),
        ExecutionCompleted({"total": 3}),
    )
    assert play.story.result == {"id": str(EXECUTION_ID), "status": "completed", "version": 8, "open": []}


def test_an_approval_waits_and_its_outcome_is_the_handle() -> None:
    play = Play(
        drawing(
            {"start": "start", "ask": ask(), "yes": ("end", {"output": "=nodes.ask.output.comment"}), "no": "end"},
            "start > ask",
            "ask.approved > yes",
            "ask.rejected > no",
        )
    ).start()
    assert play.story.result["status"] == "running"
    [item] = play.story.result["open"]
    request_id, activation_id = UUID(item["id"]), UUID(item["activation_id"])
    requested = play.view.events(request_id)
    assert requested == [
        ApprovalRequested(
            EXECUTION_ID,
            activation_id,
            "ask",
            "Please decide",
            {"type": "single"},
            (Outcome("approved", "approve"), Outcome("rejected", "reject")),
            editable=(),
        )
    ]
    play.choose("ask", "approved", comment="fine")
    output = {"outcome": "approved", "kind": "approve", "user_id": str(ANN), "role": None, "comment": "fine", "form": None}
    output["reason"] = None
    decision = next(event for event in play.view.events(request_id) if isinstance(event, ApprovalDecided))
    left = next(
        e for e in play.view.events(EXECUTION_ID) if isinstance(e, ActivationCompleted) and e.activation_id == activation_id
    )
    assert decision == ApprovalDecided(decision.decision_id, ANN, "approved", "approve", comment="fine")
    assert ApprovalResolved("approved", "approve", (ANN,)) in play.view.events(request_id)
    assert left.output == output
    assert play.story.result["approval"] == {
        "id": str(request_id),
        "status": "resolved",
        "outcome": "approved",
        "outcome_kind": "approve",
        "version": 3,
    }
    play.completed("fine")


def test_the_first_true_branch_of_a_condition_wins_and_otherwise_the_default() -> None:
    branches = [{"handle": "large", "when": "input.amount > 1000"}, {"handle": "some", "when": "input.amount > 10"}]
    definition = drawing(
        {
            "start": "start",
            "size": ("condition", {"branches": branches, "default": "small"}),
            **{name: ("end", {"output": name}) for name in ("large", "some", "small")},
        },
        "start > size",
        *(f"size.{name} > {name}" for name in ("large", "some", "small")),
    )
    for amount, output in ((1000.5, "large"), (1000, "some"), (10, "small")):
        Play(definition).start({"amount": amount}).completed(output)


def test_all_edges_whose_condition_holds_are_taken_in_parallel() -> None:
    play = Play(
        drawing(
            {"start": "start", "a": ask(), "b": ask(), "c": ask(), "end": ("end", {"output": "=nodes.a.output.kind"})},
            "start > a if input.a",
            "start > b if input.b",
            "start > c",
            *(f"{node}.{handle} > end" for node in "abc" for handle in ("approved", "rejected")),
        )
    ).start({"a": True, "b": False})
    assert play.asking == ["a", "c"]
    play.choose("a", "rejected")
    assert play.asking == ["c"]
    play.choose("c", "approved").failed("expression_error", "end")


def test_the_output_is_that_of_the_last_end() -> None:
    play = Play(
        drawing(
            {"start": "start", "a": ask("ok:approve"), "first": ("end", {"output": 1}), "second": ("end", {"output": 2})},
            "start > a",
            "start > first",
            "a.ok > second",
        )
    ).start()
    assert play.end is None
    play.choose("a", "ok").completed(2)


def test_without_a_true_edge_the_execution_fails_with_no_route() -> None:
    Play(drawing({"start": "start", "end": "end"}, "start > end if input.go")).start({"go": False}).failed("no_route", "start")
    Play(drawing({"start": "start"})).start().failed("no_route", "start")


def test_a_failing_edge_condition_fails_the_execution_and_names_the_node() -> None:
    Play(drawing({"start": "start", "end": "end"}, "start > end if input.nope")).start({}).failed("expression_error", "start")


def test_there_is_no_truthiness() -> None:
    Play(drawing({"start": "start", "end": "end"}, "start > end if input.n")).start({"n": 1}).failed("expression_error", "start")


def test_a_failing_condition_fails_the_execution_though_others_are_alive() -> None:
    config = {"branches": [{"handle": "yes", "when": "input.nope == 1"}], "default": "no"}
    play = Play(
        drawing(
            {"start": "start", "ask": ask("ok:approve"), "if": ("condition", config), "end": "end"},
            "start > ask",
            "start > if",
            "if.yes > end",
            "if.no > end",
            "ask.ok > end",
        )
    ).start({})
    play.failed("expression_error", "if")
    assert [type(fact.event).__name__ for fact in play.story.decided.facts][-4:] == [
        "ActivationFailed",
        "ActivationCancelled",
        "ApprovalCancelled",
        "ExecutionFailed",
    ]


def test_an_expression_that_fails_in_a_configuration_takes_the_error_handle() -> None:
    play = Play(
        drawing(
            {
                "start": "start",
                "set": ("set", {"values": {"x": "=input.nope"}}),
                "end": "end",
                "rescue": ("end", {"output": {"type": "=nodes.set.error.type", "none": "=!has(nodes.set.output)"}}),
            },
            "start > set",
            "set > end",
            "set.error > rescue",
        )
    ).start({})
    play.completed({"type": "expression_error", "none": True})
    failed = [event for event in play.view.events(EXECUTION_ID) if isinstance(event, ActivationFailed)]
    assert [(event.node_id, event.handle, event.error.attempts) for event in failed] == [("set", "error", 1)]


def test_an_error_that_no_edge_handles_fails_the_execution() -> None:
    nodes = {"start": "start", "set": ("set", {"values": {"x": "=input.nope"}}), "end": "end"}
    Play(drawing(nodes, "start > set", "set > end")).start({}).failed("expression_error", "set")
    never = drawing(nodes, "start > set", "set > end", "set.error > end if false")
    Play(never).start({}).failed("expression_error", "set")


def test_fail_ends_the_execution_with_its_code() -> None:
    config = {"code": "too_large", "message": "='No more than ' + string(input.limit)"}
    play = Play(drawing({"start": "start", "no": ("fail", config)}, "start > no")).start({"limit": 5})
    play.failed("too_large", "no")
    assert play.end is not None
    assert getattr(play.end, "message", None) == "No more than 5"


def test_what_was_never_completed_in_this_lineage_is_absent() -> None:
    play = Play(
        drawing(
            {"start": "start", "a": ask("ok:approve"), "b": ask("ok:approve"), "end": ("end", {"output": "=has(nodes.a)"})},
            "start > a",
            "start > b",
            "a.ok > end",
            "b.ok > end",
        )
    ).start()
    play.choose("a", "ok").choose("b", "ok").completed(False)


def test_work_that_is_sent_back_is_visited_again_and_its_latest_output_counts() -> None:
    play = Play(
        drawing(
            {
                "start": "start",
                "ask": ask("ok:approve", "again:changes"),
                "end": ("end", {"output": "=nodes.ask.output.comment"}),
            },
            "start > ask",
            "ask.again > ask",
            "ask.ok > end",
        )
    ).start()
    play.choose("ask", "again", comment="one").choose("ask", "again", comment="two").choose("ask", "ok", comment="three")
    play.completed("three")
    visits = [
        event.visit for event in play.view.events(EXECUTION_ID) if isinstance(event, ActivationStarted) and event.node_id == "ask"
    ]
    assert visits == [1, 2, 3]


def test_a_cycle_of_instant_nodes_hits_the_limit_of_the_execution() -> None:
    definition = drawing(
        {"start": "start", "set": ("set", {"values": {}}), "end": "end"}, "start > set", "set > set", "set > end if false"
    )
    play = Play(definition, EngineLimits(steps_per_execution=50)).start()
    play.failed("step_limit", "set")
    assert len(play.visited) == 50


def test_a_cycle_through_people_hits_the_limit_of_the_execution() -> None:
    definition = drawing({"start": "start", "ask": ask("again:changes")}, "start > ask", "ask.again > ask")
    play = Play(definition, EngineLimits(steps_per_execution=4)).start()
    for _ in range(3):
        play.choose("ask", "again")
    play.failed("step_limit", "ask")


def test_an_output_that_does_not_fit_the_output_schema_fails_the_execution() -> None:
    definition = drawing(
        {"start": "start", "end": ("end", {"output": "=input"})},
        "start > end",
        output_schema={"type": "object", "required": ["ok"]},
    )
    Play(definition).start({"ok": 1}).completed({"ok": 1})
    Play(definition).start({}).failed("invalid_output", "end")

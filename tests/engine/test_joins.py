"""Joins: scopes, rounds, losers."""

from typing import Any
from uuid import UUID

import pytest

from domain.approval import APPROVAL
from domain.execution import ActivationCancelled, ActivationStarted
from tests.engine.drawing import EXECUTION_ID, Play, ask, drawing

ALL, ANY = ("join", {"mode": "all"}), ("join", {"mode": "any"})
OK = ask("ok:approve")


def rounds(play: Play, join: str) -> list[ActivationStarted]:
    events = play.view.events(EXECUTION_ID)
    return [event for event in events if isinstance(event, ActivationStarted) and event.node_id == join]


def cancelled(play: Play) -> list[str]:
    return [event.node_id for event in play.view.events(EXECUTION_ID) if isinstance(event, ActivationCancelled)]


def fan(mode: tuple[str, object], *branches: str) -> Play:
    """start sends work to each branch; they meet in a join."""
    return Play(
        drawing(
            {
                "start": "start",
                **dict.fromkeys(branches, OK),
                "join": mode,
                "after": OK,
                "end": ("end", {"output": "=nodes.after.output.kind"}),
            },
            *(f"start > {branch}" for branch in branches),
            *(f"{branch}.ok > join" for branch in branches),
            "join > after",
            "after.ok > end",
        )
    ).start()


def test_an_all_join_waits_for_every_branch_and_goes_on_once() -> None:
    play = fan(ALL, "a", "b", "c").choose("b", "ok").choose("a", "ok")
    assert play.asking == ["c"]
    play.choose("c", "ok")
    assert play.asking == ["after"]
    [closed] = rounds(play, "join")
    split = next(event.activation_id for event in play.view.events(EXECUTION_ID) if isinstance(event, ActivationStarted))
    assert (len(closed.tokens), closed.swallowed, closed.scope) == (3, (), split)
    play.choose("after", "ok").completed("approve")


def test_all_branches_are_visible_after_an_all_join() -> None:
    nodes = {
        "start": "start",
        "a": OK,
        "b": OK,
        "join": ALL,
        "end": ("end", {"output": "=[nodes.a.output.comment, nodes.b.output.comment]"}),
    }
    play = Play(drawing(nodes, "start > a", "start > b", "a.ok > join", "b.ok > join", "join > end")).start()
    play.choose("b", "ok", comment="B").choose("a", "ok", comment="A").completed(["A", "B"])


def test_an_any_join_goes_on_with_the_first_and_cancels_the_losers_requests() -> None:
    play = fan(ANY, "a", "b", "c")
    losers = [UUID(item["id"]) for item in play.open if item["node_id"] != "b"]
    play.choose("b", "ok")
    assert play.asking == ["after"]
    assert cancelled(play) == ["a", "c"]
    assert [play.view.read(APPROVAL, request).status for request in losers] == ["cancelled", "cancelled"]
    assert len(rounds(play, "join")[0].swallowed) == 2
    play.decide(losers[0], "ok").refused("approval_closed")
    play.choose("after", "ok").completed("approve")


def test_a_count_join_goes_on_with_as_many_different_edges() -> None:
    play = fan(("join", {"mode": "count", "count": 2}), "a", "b", "c").choose("c", "ok")
    assert play.asking == ["a", "b"]
    play.choose("a", "ok")
    assert play.asking == ["after"]
    assert cancelled(play) == ["b"]


def test_count_counts_different_edges_not_tokens() -> None:
    """a answers twice, by a cycle beside the join; that is still one edge."""
    play = Play(
        drawing(
            {"start": "start", "a": ask("ok:approve"), "b": OK, "join": ("join", {"mode": "count", "count": 2}), "end": "end"},
            "start > a",
            "start > b",
            "a.ok > join",
            "a.ok > a",
            "b.ok > join",
            "join > end",
        )
    ).start()
    play.choose("a", "ok").choose("a", "ok")
    assert rounds(play, "join") == []
    play.choose("b", "ok")
    assert len(rounds(play, "join")) == 1
    assert len(rounds(play, "join")[0].swallowed) == 2, "a's second answer, and the request that a has open"
    play.completed()


def test_losers_are_found_wherever_they_are() -> None:
    """b has gone on through a split of its own; its parts run in c and wait at another join."""
    play = Play(
        drawing(
            {"start": "start", "a": OK, "b": OK, "c": OK, "d": OK, "both": ALL, "race": ANY, "after": OK, "end": "end"},
            "start > a",
            "start > b",
            "b.ok > c",
            "b.ok > d",
            "c.ok > both",
            "d.ok > both",
            "both > race",
            "a.ok > race",
            "race > after",
            "after.ok > end",
        )
    ).start()
    play.choose("b", "ok").choose("c", "ok")
    assert play.asking == ["a", "d"]
    play.choose("a", "ok")
    assert play.asking == ["after"]
    assert cancelled(play) == ["d"]
    assert len(rounds(play, "race")[0].swallowed) == 2
    assert len(play.state.tokens) == 0
    play.choose("after", "ok").completed()


def test_branches_that_do_not_lead_to_the_join_are_untouched() -> None:
    play = Play(
        drawing(
            {"start": "start", "a": OK, "b": OK, "side": OK, "race": ANY, "end": ("end", {})},
            "start > a",
            "start > b",
            "start > side",
            "a.ok > race",
            "b.ok > race",
            "race > end",
            "side.ok > end",
        )
    ).start()
    play.choose("a", "ok")
    assert play.asking == ["side"]
    play.choose("side", "ok").completed()


def test_a_side_branch_of_a_losing_branch_is_untouched() -> None:
    play = Play(
        drawing(
            {"start": "start", "a": OK, "b": OK, "x": OK, "note": OK, "race": ANY, "end": "end"},
            "start > a",
            "start > b",
            "a.ok > x",
            "a.ok > note",
            "x.ok > race",
            "b.ok > race",
            "race > end",
            "note.ok > end",
        )
    ).start()
    play.choose("a", "ok").choose("b", "ok")
    assert play.asking == ["note"]
    assert cancelled(play) == ["x"]


def test_a_loser_that_can_no_longer_reach_the_join_is_one_all_the_same() -> None:
    play = Play(
        drawing(
            {"start": "start", "a": OK, "b": ask("ok:approve", "off:other"), "apart": OK, "race": ANY, "end": "end"},
            "start > a",
            "start > b",
            "a.ok > race",
            "b.ok > race",
            "b.off > apart",
            "apart.ok > end",
            "race > end",
        )
    ).start()
    play.choose("b", "off").choose("a", "ok").completed()
    assert cancelled(play) == ["apart"]


def test_a_partial_join_keeps_the_split_while_others_live() -> None:
    """a or b first, then together with c: the merged branch and c still belong to the same split."""
    play = Play(
        drawing(
            {"start": "start", "a": OK, "b": OK, "c": OK, "race": ANY, "both": ALL, "end": "end"},
            "start > a",
            "start > b",
            "start > c",
            "a.ok > race",
            "b.ok > race",
            "race > both",
            "c.ok > both",
            "both > end",
        )
    ).start()
    play.choose("b", "ok")
    assert play.asking == ["c"]
    play.choose("c", "ok").completed()
    assert rounds(play, "both")[0].scope == rounds(play, "race")[0].scope


def test_an_all_join_of_some_branches_meets_the_rest_later() -> None:
    play = Play(
        drawing(
            {"start": "start", "a": OK, "b": OK, "c": OK, "two": ALL, "three": ALL, "end": "end"},
            "start > a",
            "start > b",
            "start > c",
            "a.ok > two",
            "b.ok > two",
            "two > three",
            "c.ok > three",
            "three > end",
        )
    ).start()
    play.choose("a", "ok").choose("b", "ok").choose("c", "ok").completed()


def test_a_join_that_reaches_into_a_split_ends_it_for_the_rest_too() -> None:
    """x and y part within a; x meets b; then y meets what came of it."""
    definition = drawing(
        {"start": "start", "a": OK, "b": OK, "x": OK, "y": OK, "first": ALL, "second": ALL, "end": "end"},
        "start > a",
        "start > b",
        "a.ok > x",
        "a.ok > y",
        "x.ok > first",
        "b.ok > first",
        "first > second",
        "y.ok > second",
        "second > end",
    )
    for order in (("a", "x", "b", "y"), ("a", "y", "x", "b"), ("b", "a", "y", "x")):
        play = Play(definition).start()
        for node in order:
            play.choose(node, "ok")
        play.completed()


def test_nested_splits_meet_in_their_own_joins() -> None:
    play = Play(
        drawing(
            {"start": "start", "a": OK, "b": OK, "c": OK, "d": OK, "inner": ALL, "outer": ALL, "end": "end"},
            "start > a",
            "start > d",
            "a.ok > b",
            "a.ok > c",
            "b.ok > inner",
            "c.ok > inner",
            "inner > outer",
            "d.ok > outer",
            "outer > end",
        )
    ).start()
    play.choose("d", "ok").choose("a", "ok").choose("c", "ok").choose("b", "ok").completed()
    assert rounds(play, "inner")[0].scope != rounds(play, "outer")[0].scope


def test_several_instances_of_a_split_do_not_mix() -> None:
    """work runs once for each of its two tokens; each visit splits into l and r, which meet pair by pair."""
    play = Play(
        drawing(
            {
                "start": "start",
                "one": OK,
                "two": OK,
                "work": ("set", {"values": {}}),
                "l": OK,
                "r": OK,
                "pair": ALL,
                "end": ("end", {"output": "=[nodes.l.output.comment, nodes.r.output.comment]"}),
            },
            "start > one",
            "start > two",
            "one.ok > work",
            "two.ok > work",
            "work > l",
            "work > r",
            "l.ok > pair",
            "r.ok > pair",
            "pair > end",
        )
    ).start()
    play.choose("one", "ok").choose("two", "ok")
    assert play.asking == ["l", "r", "l", "r"]
    first_l, first_r, second_l, second_r = (UUID(item["id"]) for item in play.open)
    play.decide(first_l, "ok", comment="1").decide(second_r, "ok", comment="2")
    assert rounds(play, "pair") == []
    play.decide(second_l, "ok", comment="2")
    assert len(rounds(play, "pair")) == 1
    play.decide(first_r, "ok", comment="1").completed(["1", "1"])


def test_a_queue_is_first_in_first_out() -> None:
    """a answers three times before b does; each of b's answers takes the oldest that waits."""
    again = ask("ok:approve", "enough:other")
    play = Play(
        drawing(
            {"start": "start", "a": again, "b": again, "pair": ALL, "log": OK, "end": "end"},
            "start > a",
            "start > b",
            "a.ok > pair",
            "a.ok > a",
            "b.ok > pair",
            "b.ok > b",
            "a.enough > end",
            "b.enough > end",
            "pair > log",
            "log.ok > end",
        )
    ).start()
    for comment in "123":
        play.choose("a", "ok", comment=comment)
    for _ in range(3):
        play.choose("b", "ok")
    a = [
        event.activation_id
        for event in play.view.events(EXECUTION_ID)
        if isinstance(event, ActivationStarted) and event.node_id == "a"
    ]
    waiting = [each for each in play.state.activations.values() if each.node_id == "log"]
    lineages = [each.lineage["a"] for each in sorted(waiting, key=lambda each: each.order)]
    assert lineages == a[:3]


def test_two_handles_of_one_node_share_a_queue() -> None:
    play = Play(
        drawing(
            {"start": "start", "a": ask(), "b": ask(), "join": ALL, "end": "end"},
            "start > a",
            "start > b",
            *(f"{node}.{handle} > join" for node in "ab" for handle in ("approved", "rejected")),
            "join > end",
        )
    ).start()
    play.choose("a", "approved").choose("b", "rejected").completed()


def test_tokens_that_wait_at_joins_with_nothing_alive_are_stuck() -> None:
    play = Play(
        drawing(
            {"start": "start", "a": ask(), "b": ask(), "join": ALL, "end": "end", "other": "end"},
            "start > a",
            "start > b",
            "a.approved > join",
            "a.rejected > other",
            "b.approved > join",
            "b.rejected > other",
            "join > end",
        )
    ).start()
    play.choose("a", "approved").choose("b", "rejected").failed("stuck", "join")


def test_a_join_may_close_round_after_round_in_a_cycle() -> None:
    play = Play(
        drawing(
            {
                "start": "start",
                "draft": ("set", {"values": {}}),
                "a": OK,
                "b": OK,
                "both": ALL,
                "check": ask("ok:approve", "again:changes"),
                "end": "end",
            },
            "start > draft",
            "draft > a",
            "draft > b",
            "a.ok > both",
            "b.ok > both",
            "both > check",
            "check.again > draft",
            "check.ok > end",
        )
    ).start()
    for _ in range(3):
        play.choose("b", "ok").choose("a", "ok").choose("check", "again")
    play.choose("a", "ok").choose("b", "ok").choose("check", "ok").completed()
    assert [event.visit for event in rounds(play, "both")] == [1, 2, 3, 4]
    assert len({event.scope for event in rounds(play, "both")}) == 4


def test_an_any_join_as_a_plain_merge_of_a_cycle_passes_every_token() -> None:
    play = Play(
        drawing(
            {"start": "start", "merge": ANY, "ask": ask("ok:approve", "again:changes"), "end": "end"},
            "start > merge",
            "merge > ask",
            "ask.again > merge",
            "ask.ok > end",
        )
    ).start()
    play.choose("ask", "again").choose("ask", "again").choose("ask", "ok").completed()
    assert len(rounds(play, "merge")) == 3


def test_in_a_join_the_later_visit_wins() -> None:
    """Both branches pass through c, each by its own edge into the join."""
    definition = drawing(
        {"start": "start", "a": OK, "b": OK, "c": OK, "join": ALL, "end": ("end", {"output": "=nodes.c.output.comment"})},
        "start > a",
        "start > b",
        "a.ok > c",
        "b.ok > c",
        "c.ok > join if has(nodes.a)",
        "c.ok > join if has(nodes.b)",
        "join > end",
    )
    for order in (("a", "b"), ("b", "a")):
        play = Play(definition).start()
        for node in order:
            play.choose(node, "ok")
        earlier, later = (UUID(item["id"]) for item in play.open)
        play.decide(later, "ok", comment="later").decide(earlier, "ok", comment="earlier").completed("later")


def test_a_round_does_not_touch_another_instance_of_its_split() -> None:
    play = Play(
        drawing(
            {
                "start": "start",
                "one": OK,
                "two": OK,
                "work": ("set", {"values": {}}),
                "l": OK,
                "r": OK,
                "race": ANY,
                "after": OK,
                "end": "end",
            },
            "start > one",
            "start > two",
            "one.ok > work",
            "two.ok > work",
            "work > l",
            "work > r",
            "l.ok > race",
            "r.ok > race",
            "race > after",
            "after.ok > end",
        )
    ).start()
    play.choose("one", "ok").choose("two", "ok").choose("l", "ok")
    assert play.asking == ["l", "r", "after"]


def test_a_join_ends_its_split_where_no_other_lives() -> None:
    for mode in (ALL, ANY):
        play = fan(mode, "a", "b").choose("a", "ok")
        if mode == ALL:
            play.choose("b", "ok")
        [after] = play.state.activations.values()
        assert (after.node_id, after.path) == ("after", ())


def test_a_partial_join_merges_its_branches_those_of_the_losers_too() -> None:
    play = Play(
        drawing(
            {"start": "start", "a": OK, "b": OK, "side": OK, "race": ANY, "after": OK, "end": "end"},
            "start > a",
            "start > b",
            "start > side",
            "a.ok > race",
            "b.ok > race",
            "race > after",
            "side.ok > end",
            "after.ok > end",
        )
    ).start()
    play.choose("a", "ok")
    after = next(each for each in play.state.activations.values() if each.node_id == "after")
    [branch] = after.path
    assert (branch.edges, branch.taken) == ((0, 1), (0, 1, 2))


def test_an_edge_straight_from_the_split_into_the_join_is_a_branch() -> None:
    nodes = {"start": "start", "a": OK, "join": ALL, "end": "end"}
    play = Play(drawing(nodes, "start > a", "start > join", "a.ok > join", "join > end")).start()
    play.choose("a", "ok").completed()
    first = next(event for event in play.view.events(EXECUTION_ID) if isinstance(event, ActivationStarted))
    assert rounds(play, "join")[0].scope == first.activation_id


def test_a_join_that_swallows_a_part_of_a_split_ends_it_for_the_rest_too() -> None:
    """b wins over x; y, which x's split left behind, then meets what came of b."""
    play = Play(
        drawing(
            {"start": "start", "a": OK, "b": OK, "x": OK, "y": OK, "race": ANY, "second": ALL, "end": "end"},
            "start > a",
            "start > b",
            "a.ok > x",
            "a.ok > y",
            "x.ok > race",
            "b.ok > race",
            "race > second",
            "y.ok > second",
            "second > end",
        )
    ).start()
    play.choose("a", "ok").choose("b", "ok")
    assert play.asking == ["y"]
    play.choose("y", "ok").completed()


def test_a_join_that_reaches_into_a_split_completes_rounds_that_waited_for_nothing_else() -> None:
    """y waits for its own split's z; that split is over once x has met b, and then what z did for c is as good."""
    play = Play(
        drawing(
            {
                "start": "start",
                **dict.fromkeys("abcxy", OK),
                "z": ask("ok:approve", "no:reject"),
                "first": ALL,
                "pair": ALL,
                "after": OK,
                "end": "end",
            },
            *("start > a", "start > b", "start > c", "a.ok > x", "a.ok > y", "a.ok > z", "c.ok > z", "z.no > end"),
            *("x.ok > first", "b.ok > first", "first > end", "y.ok > pair", "z.ok > pair", "pair > after", "after.ok > end"),
        )
    ).start()
    play.choose("c", "ok").choose("z", "ok").choose("a", "ok").choose("y", "ok").choose("x", "ok")
    assert rounds(play, "pair") == []
    play.choose("b", "ok")
    assert play.asking == ["z", "after"]
    play.choose("z", "no").choose("after", "ok").completed()


# --- Joins in a rework loop: what is behind a join may lead back in front of it ---------------------------------------


def rework(*edges: str, draft: tuple[str, ...] = ("r1", "r2"), **nodes: object) -> Play:
    """draft sends work to the reviewers, the join j to k, who is content or sends all of it back to draft."""
    return Play(
        drawing(
            {
                "start": "start",
                "draft": ("set", {"values": {}}),
                **dict.fromkeys(draft, OK),
                **nodes,
                "k": ask("good:approve", "back:changes"),
                "noted": "end",
                "end": "end",
            },
            "start > draft",
            *(f"draft > {each}" for each in draft),
            *edges,
            "j > k",
            "k.good > end",
            "k.back > draft",
        )
    ).start()


def test_a_side_branch_does_not_take_its_branch_out_of_the_split_that_a_join_in_a_loop_ends() -> None:
    play = rework("r1.ok > noted", "r1.ok > j", "r2.ok > j", j=ALL)
    for _ in range(2):
        play.choose("r1", "ok").choose("r2", "ok").choose("k", "back")
    play.choose("r2", "ok").choose("r1", "ok").choose("k", "good").completed()


def test_the_losers_of_a_join_in_a_loop_are_those_of_the_split_in_front_of_it() -> None:
    play = rework("r1.ok > noted", "r1.ok > j", "r2.ok > j", j=ANY)
    for round in range(1, 4):
        loser = next(UUID(item["id"]) for item in play.open if item["node_id"] == "r2")
        play.choose("r1", "ok")
        assert play.asking == ["k"]
        assert cancelled(play) == ["r2"] * round
        play.decide(loser, "ok").refused("approval_closed")
        play.choose("k", "back")
    assert len(rounds(play, "j")) == 3


def test_a_count_join_in_a_loop_counts_branches_that_leave_something_aside() -> None:
    edges = [edge for each in ("r1", "r2", "r3") for edge in (f"{each}.ok > noted", f"{each}.ok > j")]
    play = rework(*edges, draft=("r1", "r2", "r3"), j=("join", {"mode": "count", "count": 2}))
    for _ in range(2):
        play.choose("r3", "ok").choose("r1", "ok")
        assert play.asking == ["k"]
        play.choose("k", "back")
    assert cancelled(play) == ["r2", "r2"]
    play.choose("r2", "ok").choose("r1", "ok").choose("k", "good").completed()


@pytest.mark.parametrize("mode", [ALL, ("join", {"mode": "count", "count": 2})])
@pytest.mark.parametrize("back", [(), ("k.back > a",), ("k.back > a", "k.back > b", "k.back > c")])
def test_a_branch_that_meets_a_join_only_further_on_leads_to_no_earlier_one(mode: Any, back: tuple[str, ...]) -> None:
    """Whether the way back leads to the split, to one of its branches, or to all of them."""
    edges = ("a.ok > first", "b.ok > first", "first > j", "c.ok > j", "j > k", "k.good > end", *(back or ("k.back > draft",)))
    nodes = {"start": "start", "draft": ("set", {"values": {}}), **dict.fromkeys("abc", OK), "first": ANY, "j": mode}
    nodes |= {"k": ask("good:approve", "back:changes"), "end": "end"}
    play = Play(drawing(nodes, "start > draft", *(f"draft > {each}" for each in "abc"), *edges)).start()
    play.choose("a", "ok")
    assert play.asking == ["c"]
    play.choose("c", "ok").choose("k", "good").completed()
    assert cancelled(play) == ["b"]


def test_who_is_sent_back_in_front_of_a_join_still_leads_to_it() -> None:
    """r1's work is being mended, in a small loop within the large one, when r2 wins."""
    r1 = ask("ok:approve", "mend:changes")
    play = rework("r1.mend > fix", "r1.mend > noted", "fix.ok > r1", "r1.ok > j", "r2.ok > j", r1=r1, fix=OK, j=ANY)
    play.choose("r1", "mend")
    assert play.asking == ["r2", "fix"]
    play.choose("r2", "ok")
    assert play.asking == ["k"]
    assert cancelled(play) == ["fix"]


def test_who_sends_back_to_the_split_before_the_join_still_leads_to_it() -> None:
    play = rework(
        "r1.mend > redo",
        "r1.mend > noted",
        "redo.ok > draft",
        "r1.ok > j",
        "r2.ok > j",
        r1=ask("ok:approve", "mend:changes"),
        redo=OK,
        j=ANY,
    )
    play.choose("r1", "mend").choose("r2", "ok")
    assert play.asking == ["k"]
    assert cancelled(play) == ["redo"]


def test_an_edge_from_behind_a_join_straight_into_it_does_not_widen_its_scope() -> None:
    """Two instances of the split, one for each of outer's branches: they do not mix."""
    play = Play(
        drawing(
            {"start": "start", "one": OK, "two": OK, "work": ("set", {"values": {}}), "l": OK, "r": OK, "race": ANY,
             "k": ask("good:approve", "back:changes"), "end": "end"},
            "start > one", "start > two", "one.ok > work", "two.ok > work", "work > l", "work > r", "l.ok > race", "r.ok > race",
            "race > k", "k.back > race", "k.good > end",
        )
    ).start()  # fmt: skip
    play.choose("one", "ok").choose("two", "ok").choose("l", "ok")
    assert sorted(play.asking) == ["k", "l", "r"]
    play.choose("k", "good").choose("r", "ok").choose("k", "back").choose("k", "back").choose("k", "good").completed()
    assert [event.swallowed != () for event in rounds(play, "race")] == [True, True, False, False]


def test_a_large_loop_may_be_entered_in_its_middle() -> None:
    """Small ones skip the first review; what is sent back goes through both. Who is in the first one when other wins, loses."""
    nodes: dict[str, Any] = {
        "start": "start", "other": OK, "size": ask("small:other", "large:other"), "merge": ANY, "draft": ("set", {"values": {}}),
        "a": OK, "b": OK, "first": ALL, "x": ("set", {"values": {}}), "c": OK, "d": OK, "j": ANY,
        "k": ask("good:approve", "back:changes"), "end": "end",
    }  # fmt: skip
    edges = ("start > size", "start > other", "size.large > merge", "merge > draft", "size.small > x", "draft > a", "draft > b",
             "a.ok > first", "b.ok > first", "first > x", "x > c", "x > d", "c.ok > j", "d.ok > j", "other.ok > j", "j > k",
             "k.back > merge", "k.good > end")  # fmt: skip
    play = Play(drawing(nodes, *edges)).start()
    play.choose("size", "large").choose("other", "ok")
    assert play.asking == ["k"]
    assert cancelled(play) == ["a", "b"]
    play.choose("k", "back").choose("a", "ok").choose("b", "ok").choose("c", "ok").choose("k", "good").completed()

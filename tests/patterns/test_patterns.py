"""The twenty control-flow patterns, each played as the reference shows it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from domain.facts import Json
from testkit import Run, scenario, takes
from tests.engine.drawing import drawing

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "patterns.md"
NAMES = (
    "Sequence",
    "Parallel Split",
    "Synchronization",
    "Exclusive Choice",
    "Simple Merge",
    "Multi-Choice",
    "Structured Synchronizing Merge",
    "Multi-Merge",
    "Structured Discriminator",
    "Arbitrary Cycles",
    "Implicit Termination",
    "Multiple Instances without Synchronization",
    "Multiple Instances with a Priori Design-Time Knowledge",
    "Multiple Instances with a Priori Run-Time Knowledge",
    "Multiple Instances without a Priori Run-Time Knowledge",
    "Deferred Choice",
    "Interleaved Parallel Routing",
    "Milestone",
    "Cancel Task",
    "Cancel Case",
)
CHAPTER = re.compile(r"^## (\d+)\. (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def chapters() -> dict[int, tuple[str, list[str]]]:
    """By number: the name, and the definitions in short."""
    found = CHAPTER.findall(PAGE.read_text("utf-8"))
    return {int(number): (name, re.findall(r"```text\n(.*?)```", text, re.DOTALL)) for number, name, text in found}


def read(short: str, key: str = "test") -> Json:
    """A definition of its short form."""
    declared: dict[str, Any] = {}
    edges = []
    for line in short.strip().splitlines():
        if match := re.fullmatch(r"(\w+): (\w+) (\{.*?\})(?: \| (\{.*\}))?", line):
            name, kind, config, fields = match.groups()
            declared[name] = kind, json.loads(config), json.loads(fields or "{}")
        else:
            edges.append(line)
    named = [word for edge in edges for word in (edge.split(" > ")[0].split(".")[0], edge.split(" > ")[1].split(" if ")[0])]
    nodes = {name: declared.get(name) or _usual(name) for name in dict.fromkeys(named)}
    return {**drawing(nodes, *edges), "key": key}


def _usual(name: str) -> Any:
    if name == "start":
        return "start"
    return ("end", {}) if name.startswith("end") else ("task", {"job_type": name})


def shown(number: int, which: int = 0, key: str = "test") -> Json:
    return read(chapters()[number][1][which], key)


def tail(run: Run) -> list[str]:
    """What was visited after the start."""
    return run.visited[1:]


def test_the_page_has_all_twenty_and_each_has_a_test() -> None:
    assert {number: name for number, (name, _) in chapters().items()} == dict(enumerate(NAMES, 1))
    tested = {int(match[1]) for name in globals() if (match := re.match(r"test_(\d\d)_", name))}
    assert tested == {number for number, (_, shorts) in chapters().items() if shorts}
    for number, (name, shorts) in chapters().items():
        assert shorts or "cannot be expressed" in CHAPTER.findall(PAGE.read_text("utf-8"))[number - 1][2], name


def test_01_sequence() -> None:
    with scenario(shown(1)) as s:
        run = s.start()
        assert run.waiting == ["a"]
        run.complete("a")
        assert run.waiting == ["b"]
        run.complete("b")
        assert (run.status, tail(run)) == ("completed", ["a", "b", "end"])


def test_02_parallel_split() -> None:
    with scenario(shown(2)) as s:
        run = s.start()
        assert run.waiting == ["a", "b"]
        run.complete("b").complete("a")
        assert (run.status, tail(run)) == ("completed", ["a", "b", "end", "end"])


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_03_synchronization(order: str) -> None:
    with scenario(shown(3)) as s:
        run = s.start().complete(order[0])
        assert run.waiting == [order[1]]
        run.complete(order[1])
        assert (run.status, tail(run)) == ("completed", ["a", "b", "both", "end"])


@pytest.mark.parametrize(("amount", "way"), [(200, "a"), (100, "b")])
def test_04_exclusive_choice(amount: int, way: str) -> None:
    with scenario(shown(4), workers={"a": 1, "b": 2}) as s:
        assert tail(s.start({"amount": amount})) == ["size", way, "end"]


@pytest.mark.parametrize(("amount", "way"), [(200, "a"), (100, "b")])
def test_05_simple_merge(amount: int, way: str) -> None:
    with scenario(shown(5), workers={"a": 1, "b": 2, "after": 3}) as s:
        assert tail(s.start({"amount": amount})) == ["size", way, "after", "end"]


@pytest.mark.parametrize(("a", "b"), [(True, True), (True, False), (False, True)])
def test_06_multi_choice(a: bool, b: bool) -> None:
    with scenario(shown(6)) as s:
        assert s.start({"a": a, "b": b}).waiting == ["a"] * a + ["b"] * b
        assert s.start({"a": False, "b": False}).failed["code"] == "no_route"


@pytest.mark.parametrize(("a", "b"), [(True, True), (True, False), (False, True), (False, False)])
def test_07_structured_synchronizing_merge(a: bool, b: bool) -> None:
    with scenario(shown(7), workers={"after": None}) as s:
        run = s.start({"a": a, "b": b})
        for name in ["a"] * a + ["b"] * b:
            assert "after" not in run.visited
            run.complete(name)
        assert (run.status, run.visited.count("after")) == ("completed", 1)
        assert ("a" in run.visited, "b" in run.visited) == (a, b)


def test_08_multi_merge() -> None:
    with scenario(shown(8)) as s:
        run = s.start().complete("a").complete("after")
        assert run.waiting == ["b"]
        run.complete("b").complete("after")
        assert (run.status, tail(run)) == ("completed", ["a", "b", "after", "end", "after", "end"])


def test_09_structured_discriminator() -> None:
    with scenario(shown(9)) as s:
        run = s.start().complete("b")
        assert run.waiting == ["after"]  # a is cancelled
        run.complete("after")
        assert (run.status, tail(run)) == ("completed", ["a", "b", "first", "after", "end"])
    with scenario(shown(9, 1)) as s:
        run, other = s.start(), s.start()
        run.complete("b")
        assert (run.waiting, other.waiting) == (["a", "after"], ["hear", "a", "b"])
        run.complete("after").complete("a")
        assert (run.status, run.visited.count("after")) == ("completed", 1)


@pytest.mark.parametrize(
    ("late", "answers", "trace"),
    [
        (False, ["done"], "ab"),
        (True, ["done"], "b"),
        (True, ["all", "last", "done"], "babb"),
        (False, ["last", "all", "done"], "abbab"),
    ],
)
def test_10_arbitrary_cycles(late: bool, answers: list[str], trace: str) -> None:
    given = iter(answers)
    with scenario(shown(10), workers={"a": None, "b": lambda _: next(given)}) as s:
        run = s.start({"late": late})
        assert (run.status, "".join(name for name in run.visited if name in "ab")) == ("completed", trace)


def test_11_implicit_termination() -> None:
    with scenario(shown(11)) as s:
        run = s.start().complete("a")
        assert (run.status, tail(run)) == ("running", ["a", "b", "end_a"])
        run.complete("b")
        assert (run.status, tail(run)) == ("completed", ["a", "b", "end_a", "end_b"])


def test_12_multiple_instances_without_synchronization() -> None:
    with scenario(shown(12), workflows={"instance": takes("PT1H")}) as s:
        run = s.start({"items": [1, 2, 3]}).complete("after")
        assert run.status == "completed"
        assert s.asked_of("instance") == [{"item": 1}, {"item": 2}, {"item": 3}]


def test_13_multiple_instances_with_a_priori_design_time_knowledge() -> None:
    with scenario(shown(13)) as s:
        run = s.start()
        assert [asked.waiting for asked in run.items("each")] == [["one"]] * 3
        for item in reversed(run.items("each")):
            assert run.waiting == ["each"]
            item.complete("one", item.id)
        assert run.output_of("each")["results"] == [item.id for item in run.items("each")]
        assert run.waiting == ["after"]


@pytest.mark.parametrize("items", [[], ["x"], ["x", "y", "z"]])
def test_14_multiple_instances_with_a_priori_run_time_knowledge(items: list[str]) -> None:
    with scenario(shown(14), workers={"one": str.upper, "after": None}) as s:
        run = s.start({"items": items})
        assert run.output_of("each")["results"] == [item.upper() for item in items]
        assert (run.status, s.asked_of("one")) == ("completed", items)


def test_15_multiple_instances_without_a_priori_run_time_knowledge() -> None:
    with scenario(shown(15), definitions=[shown(15, 1, "instances")]) as s:
        run = s.start()
        (instances,) = run.children
        instances.signal("instance", 1).signal("instance", 2)
        assert instances.waiting == ["one", "one", "hear"]
        instances.complete("one").signal("instance", 3).signal("instance", "no more")
        assert (instances.waiting, run.waiting) == (["one", "one"], ["all"])
        instances.complete("one").complete("one")
        assert (instances.status, instances.visited.count("one"), run.waiting) == ("completed", 3, ["after"])


@pytest.mark.parametrize(("comes", "way"), [("paid", "ship"), ("withdrawn", "clear"), (None, "clear")])
def test_16_deferred_choice(comes: str | None, way: str) -> None:
    with scenario(shown(16), workers={"ship": 1, "clear": 2}) as s:
        run = s.start()
        assert run.waiting == ["paid", "withdrawn", "late"]
        if comes is None:
            s.pass_time("P7D")
        else:
            run.signal(comes)
        assert (run.status, tail(run)[3:]) == ("completed", ["first", "which", way, "end"])


def test_17_interleaved_parallel_routing() -> None:
    with scenario(shown(17), workers=dict.fromkeys("abc", takes("PT1M"))) as s:
        run, other = s.start(), s.start()
        s.pass_time("PT3M")
        assert (run.status, other.status) == ("completed", "completed")
        times = [(asked.of, (asked.at - s.asked[0].at).total_seconds()) for asked in s.asked[::2]]
        assert times == [("a", 0), ("c", 60), ("b", 120)]


def test_18_milestone() -> None:
    with scenario(shown(18), workers={"register": None}) as s:
        run = s.start().signal("registered", "ann").signal("registered", "ben")
        assert (run.waiting, run.visited.count("register")) == (["state", "offer"], 2)
        run.decide("state", "close")
        assert (run.status, run.visited.count("register")) == ("completed", 2)


def test_19_cancel_task() -> None:
    with scenario(shown(19)) as s:
        run = s.start().decide("stop", "stop")
        assert (run.status, tail(run)) == ("completed", ["work", "stop", "end"])
        assert [each.data["node_id"] for each in run.history if each.topic == "activation.cancelled"] == ["work"]


def test_20_cancel_case() -> None:
    with scenario(shown(20)) as s:
        run = s.start().cancel("not wanted any more")
        assert (run.cancelled, run.waiting) == ("not wanted any more", [])
        assert [each.data["node_id"] for each in run.history if each.topic == "activation.cancelled"] == ["a", "b"]

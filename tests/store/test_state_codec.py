"""States as snapshots hold them: they come back equal, and their tag changes with their shape and with how they are come to."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields, make_dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from rpds import HashTrieMap, HashTrieSet, List

from domain.aggregates import AGGREGATES
from domain.execution import EXECUTION, moves
from domain.facts import Aggregate
from store.fingerprint import of_code
from store.state_codec import StateCodec, Unreadable, Unstorable, codecs_of, form_of
from tests.engine.test_flat import LOOPS

TAGS = "from domain.aggregates import AGGREGATES; from store.state_codec import codecs_of; " + (
    "print(sorted(each.tag for each in codecs_of(AGGREGATES).values()))"
)


@dataclass(frozen=True)
class Left:
    a: int


@dataclass(frozen=True)
class Right:
    a: int


@dataclass(frozen=True)
class Everything:
    id: UUID
    when: datetime
    span: timedelta
    price: Decimal
    one: Literal["x", "y"]
    json: Any
    number: float
    maybe: int | None
    either: Left | Right | None
    several: tuple[UUID, ...]
    pair: tuple[int, str]
    some: frozenset[str]
    names: dict[str, int]
    plain: int | str
    map: "HashTrieMap[UUID, Left]" = field(default_factory=HashTrieMap)
    set: "HashTrieSet[int]" = field(default_factory=HashTrieSet)
    list: "List[int]" = field(default_factory=List)


EVERYTHING = Everything(
    uuid4(),
    datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC),
    timedelta(days=3, microseconds=1),
    Decimal("0.10"),
    "x",
    {"a": [1, 1.0, True, None, "\N{SNOWMAN}", 2**70]},
    1.0,
    None,
    Right(2),
    (uuid4(), uuid4()),
    (1, "a"),
    frozenset({"a", "b"}),
    {"a": 1},
    "1",
    HashTrieMap({uuid4(): Left(1)}),
    HashTrieSet([1, 2]),
    List([3, 1, 2]),
)


def aggregate(initial: Any, evolve: Callable[[Any, Any], Any] = lambda state, _: state) -> Aggregate[Any]:
    return Aggregate("everything", initial, evolve, (), "system")


def test_a_state_of_any_types_comes_back_equal() -> None:
    codec = StateCodec(aggregate(EVERYTHING))
    back = codec.from_bytes(codec.to_bytes(EVERYTHING))
    assert back == EVERYTHING
    assert [type(getattr(back, one.name)) for one in fields(back)] == [
        type(getattr(EVERYTHING, one.name)) for one in fields(back)
    ]


@pytest.mark.parametrize("json", [(1, 2), {1: 2}, {"a": (1,)}, float("nan"), b"bytes", object()])
def test_what_would_not_come_back_equal_is_refused(json: Any) -> None:
    with pytest.raises(Unstorable):
        StateCodec(aggregate(EVERYTHING)).to_bytes(replace(EVERYTHING, json=json))


@pytest.mark.parametrize("hint", [set[int], object, int | list[str], Left | int, bytes])
def test_a_type_that_json_does_not_tell_apart_has_no_form(hint: Any) -> None:
    with pytest.raises(Unstorable):
        form_of(hint)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"[1]", b"null", b'"text"', b"[[[[[[", b"\xff"])
def test_what_is_no_state_cannot_be_read(data: bytes) -> None:
    """`[1]` is one where a state is one field of any JSON, as of chunks."""
    for codec in codecs_of(AGGREGATES).values():
        if data != b"[]" and (data, codec.aggregate.name) != (b"[1]", "bulk_chunk"):
            with pytest.raises(Unreadable):
                codec.from_bytes(data)


def test_every_aggregate_that_has_a_state_can_have_snapshots() -> None:
    codecs = codecs_of(AGGREGATES)
    assert codecs.keys() == {each.name for each in AGGREGATES if each.initial is not None}
    for codec in codecs.values():
        initial = codec.aggregate.initial
        assert codec.from_bytes(codec.to_bytes(initial)) == initial
    assert len({codec.tag for codec in codecs.values()}) == len(codecs)


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
def test_a_fold_goes_on_from_what_was_stored_as_if_it_had_never_ended(loop: Callable[[], Any]) -> None:
    codec, play = codecs_of((EXECUTION,))["execution"], loop()
    for turn in range(100):
        play.turn(turn)
    state = EXECUTION.initial
    for event in play.ledger.events:
        if isinstance(event, EXECUTION.events):
            state = codec.from_bytes(codec.to_bytes(EXECUTION.evolve(state, event)))
    assert state == play.state


def test_a_state_of_another_shape_has_another_tag() -> None:
    def tag(*more: tuple[str, Any]) -> str:
        cls = make_dataclass("State", [("a", int), *more], frozen=True)
        return StateCodec(aggregate(cls(*range(1 + len(more))), evolve=EXECUTION.evolve)).tag

    assert tag() == tag()
    assert len({tag(), tag(("b", int)), tag(("c", int)), tag(("b", str)), tag(("b", Left)), tag(("b", Right))}) == 6


def test_a_changed_field_deep_in_a_state_changes_the_tag() -> None:
    def tag(inner: type) -> str:
        cls = make_dataclass("State", [("a", tuple[inner, ...])], frozen=True)  # type: ignore[valid-type]
        return StateCodec(aggregate(cls(()))).tag

    assert tag(make_dataclass("Inner", [("a", int)])) != tag(make_dataclass("Inner", [("a", int), ("b", int)]))


SOURCE = """
LIMIT = 3
CHOICES = frozenset({"a", "b"})

def evolve(state, event):
    'Moves the state on.'
    return helped(state, event)

def helped(state, event):
    # A comment.
    return [each for each in state if each != "x" and each not in CHOICES][:LIMIT]

def not_called(state):
    return state
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("Moves the state on.", "Takes the state further.", True),
        ("# A comment.", "# Another.", True),
        ("each", "item", True),
        ("return state", "return None", True),
        ("LIMIT = 3", "LIMIT = 4", False),
        ('"a", "b"', '"a", "c"', False),
        ("return helped(state, event)", "return helped(event, state)", False),
        ('!= "x"', '!= "y"', False),
        ("not in CHOICES", "in CHOICES", False),
    ],
)
def test_the_code_of_evolve_counts_and_of_all_that_it_calls(old: str, new: str, same: bool) -> None:
    assert old in SOURCE
    assert (of_code(compiled(SOURCE)) == of_code(compiled(SOURCE.replace(old, new)))) is same


def compiled(source: str) -> Any:
    module = {"__name__": "domain.example"}
    exec(source, module)
    return module["evolve"]


def test_an_evolve_that_comes_to_other_states_has_another_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is called by what is called counts."""
    before = StateCodec(EXECUTION).tag
    assert StateCodec(EXECUTION).tag == before
    for name, other in (("COMPACTED_EVERY", 33), ("_merge_lineages", moves.end)):
        with monkeypatch.context() as patch:
            patch.setattr(moves, name, other)
            assert StateCodec(EXECUTION).tag != before, name
    assert StateCodec(EXECUTION).tag == before


def test_tags_are_the_same_in_every_process() -> None:
    def tags(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run([sys.executable, "-c", TAGS], env=environment, capture_output=True, text=True, check=True).stdout

    assert tags("1") == tags("2")
    assert "execution:" in tags("3")

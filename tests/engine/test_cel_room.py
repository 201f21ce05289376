"""CEL is a room with one door: another runtime of expressions could take its place."""

import re
from pathlib import Path

import engine.cel
from engine.cel import CelEvaluator
from engine.expressions import Evaluator

ROOM = Path(engine.cel.__file__).parent
SOURCE = ROOM.parents[1]


def test_others_go_by_its_door_and_leave_the_library_to_it() -> None:
    others = [path for path in SOURCE.rglob("*.py") if ROOM not in path.parents]
    assert others
    for path in others:
        found = re.findall(r"^\s*(?:from|import) (?:engine\.cel\.\w+|cel_expr_python\b).*", path.read_text("utf-8"), re.MULTILINE)
        assert not found, path
    assert engine.cel.__all__ == ["CelEvaluator"]


def test_what_comes_out_of_it_is_an_evaluator() -> None:
    evaluator: Evaluator = CelEvaluator()
    assert evaluator.evaluate("input.amount * 2", {"input": {"amount": 21}}) == 42

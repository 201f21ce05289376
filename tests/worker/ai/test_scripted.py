"""The offline script: one that is none is refused, and not played until it breaks."""

from decimal import Decimal
from typing import Any

import pytest

from domain.ai_task import Usage
from worker.ai.provider import AiCall, AiError
from worker.ai.scripted import NAME, play, script_price


@pytest.mark.parametrize(
    "answer",
    [
        "x",
        {"calls": [{}]},
        {"calls": None},
        {"calls": []},
        {"calls": ["x"]},
        {"calls": [{"tool": 5}]},
        {"calls": [{"tool": "{{turn}}"}]},
        {"text": "x", "times": "x"},
        {"text": "x", "times": -1},
        {"text": "x", "repair": "y"},
        {"error": "x"},
        {"error": {"type": 5}},
        {"error": {"type": "x"}},
    ],
)
def test_a_script_that_is_none_is_a_bad_request(answer: Any) -> None:
    with pytest.raises(AiError) as raised:
        play(AiCall(NAME, "Do it", input={"answers": [answer]}))
    assert raised.value.type == "bad_request"


@pytest.mark.parametrize("price", ["x", "NaN", "Infinity"])
def test_a_price_that_is_no_number_is_a_bad_request(price: str) -> None:
    call = AiCall(NAME, "Do it", input={"answers": [{"text": "x"}], "price": price})
    with pytest.raises(AiError) as raised:
        play(call)
    assert raised.value.type == "bad_request"
    assert script_price(call, Usage(1, 1)) is None


def test_a_script_is_played() -> None:
    played = play(AiCall(NAME, "Do it", input={"answers": [{"calls": [{"tool": "look"}], "text": "Hm."}], "price": 1}))
    assert (played.text, [(each.tool, each.arguments) for each in played.calls]) == ("Hm.", [("look", {})])
    assert played.report.price is not None
    assert played.report.price.amount > Decimal(0)

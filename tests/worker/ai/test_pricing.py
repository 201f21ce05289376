"""What is remembered of the price list changes no price."""

from datetime import date
from decimal import Decimal

import pytest
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, StartDateConstraint, TieredPrices
from pydantic_ai.usage import RequestUsage

from domain.usage_report import SMALLEST
from worker.ai import pricing
from worker.ai.pricing import price
from worker.ai.provider import Price

OPENAI = "https://api.openai.com/v1"
LOCAL = "http://127.0.0.1:1/v1"
FEW, MANY = RequestUsage(input_tokens=20, output_tokens=3), RequestUsage(input_tokens=900_000, output_tokens=3)
LISTED = [model for provider in get_snapshot().providers if provider.id == "openai" for model in provider.models]


def is_tiered(model: ModelInfo) -> bool:
    return isinstance(model.prices, ModelPrice) and isinstance(getattr(model.prices, "input_mtok", None), TieredPrices)


@pytest.mark.parametrize("url", [OPENAI, LOCAL])
def test_every_model_costs_what_the_list_says_by_the_amount_used(url: str) -> None:
    for model in LISTED:
        for usage in (FEW, MANY, FEW):
            try:
                listed = calc_price(usage, model.id, provider_id="openai").total_price
            except LookupError:
                expected = None
            else:
                expected = Price(listed.quantize(SMALLEST), "USD")
            assert price(usage, (model.id,), url=url, vendor="openai") == expected
    assert any(is_tiered(model) for model in LISTED), "no price depends on the amount"


def test_a_price_is_the_one_of_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is remembered, and its prices are chosen by the day of the call."""
    model = LISTED[0]
    first, second = (ModelPrice(input_mtok=Decimal(amount)) for amount in (10, 20))
    for begins, amount in ((date(2020, 1, 1), "0.0004"), (date(9999, 1, 1), "0.0002")):
        dated = [ConditionalPrice(prices=first), ConditionalPrice(prices=second, constraint=StartDateConstraint(begins))]
        monkeypatch.setattr(model, "prices", dated)
        assert price(FEW, (model.id,), url=LOCAL, vendor="openai") == Price(Decimal(amount), "USD")


def test_the_first_name_that_is_listed_counts_and_an_unknown_one_stays_unknown() -> None:
    known = price(FEW, ("gpt-4o",), url=LOCAL, vendor="openai")
    assert known is not None
    for _ in range(2):
        assert price(FEW, ("nobody's", "gpt-4o"), url=LOCAL, vendor="openai") == known
        assert price(FEW, ("nobody's",), url=LOCAL, vendor="openai") is None


def test_a_model_is_searched_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    price(FEW, ("nobody's own",), url=LOCAL, vendor="openai")
    monkeypatch.setattr(pricing, "get_snapshot", None)
    assert price(FEW, ("nobody's own",), url=LOCAL, vendor="openai") is None

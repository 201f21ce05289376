"""What a provider says of its own call is recorded as far as it can be true."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.ai_usage import Usage
from domain.usage_report import MOST_PAID, MOST_TOKENS, believed_name, believed_price, believed_usage


def test_a_price_is_kept_to_ten_digits() -> None:
    assert believed_price(Decimal("0.0123"), "USD") == (Decimal("0.0123"), "USD")
    assert believed_price(Decimal("0.00000000004999"), "EUR") == (Decimal("0E-10"), "EUR")
    assert str(believed_price(Decimal("1.23456789012345"), "USD")[0]) == "1.2345678901"


@pytest.mark.parametrize("cost", ["-0.01", "-1e400000", "NaN", "sNaN", "Infinity"])
def test_what_is_no_price_is_not_known(cost: str) -> None:
    assert believed_price(Decimal(cost), "USD") == (None, None)


@pytest.mark.parametrize("cost", ["1000000", "1e10", "1e400000"])
def test_a_cost_too_large_to_be_true_counts_as_the_most(cost: str) -> None:
    assert believed_price(Decimal(cost), "USD") == (MOST_PAID, "USD"), "a budget is used up by it"
    assert MOST_PAID * 1_000 < 10**10, "of a thousand attempts it has room in numeric(20,10)"


@pytest.mark.parametrize("currency", ["", "usd", "DOLLARS", "U\0D", None])
def test_a_price_without_a_currency_is_none(currency: str | None) -> None:
    assert believed_price(Decimal(1), currency) == (None, None)


def test_the_dearest_attempts_of_a_task_together_fit_their_column() -> None:
    """numeric(20,10): ten digits before the point; a node has at most a thousand attempts."""
    dearest, _ = believed_price(Decimal("999999.99999999999"), "USD")
    assert dearest is not None
    assert dearest * 1_000 < 10**10


def test_counts_beyond_reason_are_the_most_and_negative_ones_make_the_usage_unknown() -> None:
    usage = Usage(100, 20, 3, 4)
    assert believed_usage(usage) == usage
    assert believed_usage(None) is None
    assert believed_usage(replace(usage, input_tokens=2**63)) == replace(usage, input_tokens=MOST_TOKENS)
    assert believed_usage(replace(usage, cache_write_tokens=-1)) is None


def test_details_that_are_no_counts_are_left_out() -> None:
    assert believed_usage(Usage(1, 1, reasoning_tokens=10**13)) == Usage(1, 1, reasoning_tokens=MOST_TOKENS)
    assert believed_usage(Usage(1, 1, reasoning_tokens=-1)) == Usage(1, 1)
    details = {"reasoning": 7, "aud\0io": 1, "huge": 10**40, "less": -1}
    assert believed_usage(Usage(1, 1, details=details)) == Usage(1, 1, details={"reasoning": 7, "aud\ufffdio": 1})


def test_names_can_be_stored() -> None:
    assert believed_name("gpt\0-4\ud800") == "gpt\ufffd-4\ufffd"
    assert believed_name("x" * 300) == "x" * 200

"""The canonical form in which a replay compares: what the ledger's JSON says, and what the database made of it, in one text."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from projections.canonical import canonical, exact_json, json_text, span_text, surely_same


@given(st.timedeltas() | st.timedeltas(timedelta(days=-2), timedelta(days=2)))
def test_spans_are_written_as_events_have_them(span: timedelta) -> None:
    assert span_text(span) == from_json(to_json(span))


def test_an_amount_in_an_event_is_a_text_and_not_a_number() -> None:
    folded = json_text({"cost": Decimal("12.3400")})
    assert folded == json_text(exact_json('{"cost": "12.3400"}'))
    assert folded != json_text(exact_json('{"cost": 12.3400}'))


def test_numbers_of_the_database_keep_every_digit() -> None:
    assert json_text(exact_json("[0.25, 1e2, 1.10]")) == "[0.25,100,1.10]"
    assert json_text(exact_json("0.1")) == json_text(0.1)


def test_amounts_in_columns_are_compared_with_the_digits_the_column_has() -> None:
    assert canonical("numeric(20,10)", Decimal("1E-7").quantize(Decimal("1E-10"))) == "0.0000001000"


SCALARS: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from([0.0, -0.0, 1.0]) | st.sampled_from(["", "1", "a"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
)


@given(VALUES, VALUES)
def test_what_is_taken_for_the_same_at_sight_has_one_normal_form(live: Any, folded: Any) -> None:
    if surely_same(live, folded):
        assert json_text(live) == json_text(folded)


@pytest.mark.parametrize(
    ("live", "folded"),
    [
        (1, True),
        (0, False),
        (1, 1.0),
        (0.0, -0.0),
        (Decimal("1.0"), Decimal(1)),
        ([1], [True]),
        ({"a": 1}, {"a": 1.0}),
        ([1], [1, 2]),
    ],
)
def test_equals_of_another_kind_are_looked_at_twice(live: Any, folded: Any) -> None:
    assert not surely_same(live, folded)


def test_most_columns_are_compared_at_sight() -> None:
    for value in (None, "text", 7, True, UUID(int=7), {"a": [1, {"b": None}]}):
        assert surely_same(value, value)

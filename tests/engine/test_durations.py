"""Durations have a fixed length or are refused."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.durations import duration
from engine.invalid import InvalidValue


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT5M", 300), ("P1DT12H", 129_600), ("P2W", 1_209_600), ("PT0.5S", 0.5), ("PT0S", 0), ("P1DT1H1M1S", 90_061)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "5M", "P1M", "P1Y", "-PT1H", "PT1H ", "P1DT", "PT٣M", "pt1m", None, 5, "P9999999D", "PT1.S", "P999999W"],
)
def test_what_has_no_fixed_length_is_refused(text: object) -> None:
    with pytest.raises(InvalidValue):
        duration(text)


def test_of_a_value_of_any_size_a_message_says_little() -> None:
    """It is recorded, with the error of the visit and of the execution."""
    with pytest.raises(InvalidValue) as refused:
        duration("x" * 100_000)
    assert len(str(refused.value)) < 250
    assert str(refused.value).endswith("is not an ISO 8601 duration such as P3D or PT30M")


@given(st.text(alphabet="PTDHMSW0123456789.-", max_size=20))
def test_no_text_breaks_it(text: str) -> None:
    try:
        assert duration(text) >= timedelta()
    except InvalidValue:
        return

"""Ids sort by when they were made."""

from datetime import UTC, datetime
from uuid import UUID

from runtime.clock import SystemClock
from runtime.ids import new_id


def test_ids_are_uuid7_and_strictly_ascending() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert all(type(made) is UUID and made.version == 7 for made in ids)
    assert ids == sorted(set(ids))


def test_an_id_carries_the_time_in_its_first_48_bits() -> None:
    before = SystemClock().now()
    milliseconds = new_id().int >> 80
    assert abs(milliseconds - before.timestamp() * 1000) < 60_000
    assert before.tzinfo is UTC
    assert isinstance(before, datetime)

"""Rows in memory: what is told of their changes, and who sees a row as it was."""

from uuid import UUID, uuid5

import pytest

from projections.audit_logs import event_id
from projections.rows import Changes, TableRows, TrackedRows, Unappliable
from projections.table import Column, Table

TABLE = Table(
    name="things",
    key=("id",),
    columns={"id": Column("integer", "Its number."), "of": Column("text", "Whose.")},
    appliers={},
    lookups=(("of",),),
)


def test_changes_are_told_once_by_what_the_database_has() -> None:
    rows = TrackedRows(TABLE)
    for number in (1, 2, 3):
        rows.load({"id": number, "of": "a", "n": 0})
    rows.insert({"id": 4, "of": "b", "n": 0})
    rows.insert({"id": 5, "of": "b", "n": 0})
    rows.touch((4,))["n"] = 1
    rows.touch((1,))["n"] = 1
    rows.touch((1,))["n"] = 2
    rows.delete((5,))
    rows.delete((2,))
    rows.touch((3,))["n"] = 1
    rows.delete((3,))
    rows.insert({"id": 3, "of": "c", "n": 9})
    assert rows.changes() == Changes(
        [{"id": 4, "of": "b", "n": 1}],
        [
            ({"id": 1, "of": "a", "n": 0}, {"id": 1, "of": "a", "n": 2}),
            ({"id": 3, "of": "a", "n": 0}, {"id": 3, "of": "c", "n": 9}),
        ],
        [(2,)],
    )
    assert rows.changes() == Changes([], [], [])
    assert [rows.keys_where(("of",), (whose,)) for whose in "abc"] == [((1,),), ((4,),), ((3,),)]
    with pytest.raises(Unappliable, match="things has a row"):
        rows.insert({"id": 4, "of": "b", "n": 0})


def test_what_was_told_stays_as_it_was() -> None:
    """It is written while the next events are folded."""
    rows = TrackedRows(TABLE)
    rows.insert({"id": 1, "of": "a", "n": 0})
    (told,) = rows.changes().inserted
    rows.touch((1,))["n"] = 1
    assert told["n"] == 0
    assert rows.changes().updated == [({"id": 1, "of": "a", "n": 0}, {"id": 1, "of": "a", "n": 1})]


def test_elsewhere_a_row_that_was_found_is_never_changed() -> None:
    rows = TableRows(TABLE)
    rows.insert({"id": 1, "of": "a", "n": 0})
    found = rows.current[(1,)]
    rows.touch((1,))["n"] = 1
    assert (found["n"], rows.current[(1,)]["n"]) == (0, 1)


def test_an_events_id_is_a_uuid_of_version_5() -> None:
    tenant = UUID(int=7)
    assert [event_id(tenant, position) for position in (1, 2, 10**9)] == [uuid5(tenant, str(n)) for n in (1, 2, 10**9)]

"""What is known of very many ids lies in a file, and is the same as if it were in memory."""

from uuid import UUID

import pytest

from projections.ids import Ids


def test_what_lies_in_the_file_is_found_changed_and_forgotten() -> None:
    ids, known = Ids(most=10), dict[UUID, int]()
    for number in range(100):
        for id in (UUID(int=number), UUID(int=number // 2)):
            ids[id] = known[id] = number
    assert dict(ids) == known
    assert [ids.get(UUID(int=number)) for number in (0, 99, 100)] == [1, 99, None]
    assert (UUID(int=3) in ids, UUID(int=300) in ids) == (True, False)
    del ids[UUID(int=3)]
    assert UUID(int=3) not in ids
    assert len(ids) == len(known) - 1
    with pytest.raises(KeyError):
        ids[UUID(int=3)]


def test_no_more_than_some_are_in_memory() -> None:
    ids = Ids(most=10)
    for number in range(1000):
        ids[UUID(int=number)] = number
        assert len(ids._hot) <= 10

"""The library's own recorder test-cases, on our ledger."""

from collections.abc import Iterator
from unittest import TestCase
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import IntegrityError, ProgrammingError, StoredEvent

from runtime.ids import new_id
from store.recorder import LedgerAggregateRecorder, LedgerApplicationRecorder, datastore
from tests.conftest import Database
from tests.store.library_cases import cases, open_ledger

SPEED_PRINT = "prints a speed and asserts nothing: see make bench"


class OnALedger(TestCase):
    """A fresh ledger for each test, as `gesta_system`."""

    @pytest.fixture(autouse=True)
    def ledger(self, database: Database) -> Iterator[None]:
        self.tenant_id = open_ledger(database)
        with datastore(database.system_url, pool_size=5, max_overflow=20) as self.datastore:
            # An older event of another ledger: nobody may see it, and positions begin at 1 all the same.
            other = LedgerApplicationRecorder(self.datastore, open_ledger(database))
            other.insert_events([StoredEvent(new_id(), 1, "topic1", b"foreign")])
            yield


class TestApplicationRecorder(OnALedger, cases.ApplicationRecorderTestCase):
    def create_recorder(self) -> LedgerApplicationRecorder:
        return LedgerApplicationRecorder(self.datastore, self.tenant_id)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()

    @pytest.mark.skip(SPEED_PRINT)
    def test_performance(self) -> None: ...


class TestAggregateRecorder(OnALedger, cases.AggregateRecorderTestCase):
    def create_recorder(self) -> LedgerAggregateRecorder:
        return LedgerAggregateRecorder(self.datastore, self.tenant_id)

    @pytest.mark.skip(SPEED_PRINT)
    def test_performance(self) -> None: ...


class TestNonInterleaving(OnALedger, cases.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> LedgerApplicationRecorder:
        return LedgerApplicationRecorder(self.datastore, self.tenant_id)


def stored(stream: UUID, *versions: int) -> list[StoredEvent]:
    return [StoredEvent(stream, version, f"t{version}", bytes([version, 0, 255])) for version in versions]


class TestVersions(OnALedger):
    """What the library's cases leave open about versions."""

    def recorder(self) -> LedgerApplicationRecorder:
        return LedgerApplicationRecorder(self.datastore, self.tenant_id)

    def test_a_gap_in_a_stream_is_refused(self) -> None:
        recorder, stream = self.recorder(), uuid4()
        recorder.insert_events(stored(stream, 1))
        for versions in [(3,), (2, 4), (1,), (2, 2)]:
            with pytest.raises(IntegrityError):
                recorder.insert_events(stored(stream, *versions))
        assert recorder.insert_events(stored(stream, 2)) == [2]

    def test_a_new_stream_may_not_begin_in_its_middle(self) -> None:
        with pytest.raises(IntegrityError):
            self.recorder().insert_events(stored(uuid4(), 2))

    def test_streams_from_zero_and_from_one_keep_their_numbers(self) -> None:
        recorder, zero, one = self.recorder(), uuid4(), uuid4()
        assert recorder.insert_events([*stored(zero, 0), *stored(one, 1), *stored(zero, 1)]) == [1, 2, 3]
        assert recorder.insert_events([*stored(one, 2), *stored(zero, 2, 3)]) == [4, 5, 6]
        assert list(recorder.select_events(zero)) == stored(zero, 0, 1, 2, 3)
        assert list(recorder.select_events(one)) == stored(one, 1, 2)
        assert list(recorder.select_events(zero, gt=0, lte=2, desc=True)) == stored(zero, 2, 1)
        assert list(recorder.select_events(zero, desc=True, limit=1)) == stored(zero, 3)
        seen = [(n.id, n.originator_id, n.originator_version) for n in recorder.select_notifications(None, 10)]
        assert seen == [(1, zero, 0), (2, one, 1), (3, zero, 1), (4, one, 2), (5, zero, 2), (6, zero, 3)]

    def test_a_stale_writer_of_a_stream_from_zero_is_refused(self) -> None:
        recorder, stream = self.recorder(), uuid4()
        recorder.insert_events(stored(stream, 0, 1))
        for versions in [(0,), (1,), (3,)]:
            with pytest.raises(IntegrityError):
                recorder.insert_events(stored(stream, *versions))
        assert list(recorder.select_events(stream)) == stored(stream, 0, 1)

    def test_one_stale_stream_stops_the_whole_command(self) -> None:
        recorder, good, stale = self.recorder(), uuid4(), uuid4()
        recorder.insert_events(stored(stale, 1))
        with pytest.raises(IntegrityError):
            recorder.insert_events([*stored(good, 1), *stored(stale, 1)])
        assert recorder.select_events(good) == []
        assert recorder.max_notification_id() == 1

    def test_a_second_attempt_after_a_lost_answer_finds_its_own_events(self) -> None:
        recorder, stream, command_id = self.recorder(), uuid4(), new_id()
        first = recorder._append(command_id, stored(stream, 1, 2))
        recorder.insert_events(stored(stream, 3))
        assert recorder._append(command_id, stored(stream, 1, 2)) == first == [1, 2]
        assert recorder.max_notification_id() == 3

    def test_a_ledger_that_is_not_open_is_said_to_be_unknown(self) -> None:
        with pytest.raises(ProgrammingError, match="unknown_ledger"):
            LedgerApplicationRecorder(self.datastore, uuid4()).insert_events(stored(uuid4(), 1))

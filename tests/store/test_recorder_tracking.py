"""How far the library's projections have come, tracked beside our ledger."""

from collections.abc import Iterator
from threading import Lock
from typing import Any
from unittest import TestCase
from uuid import UUID, uuid4

import pytest
from eventsourcing.application import Application
from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.postgres import PostgresDatastore
from eventsourcing.projection import Projection, ProjectionRunner

from domain.facts import Event
from domain.role import RoleChanged, RoleDeleted
from store.recorder import LedgerEvent, LedgerMapper, LedgerTrackingRecorder, datastore
from tests.conftest import Database
from tests.store.library_cases import cases, library_environment, open_ledger


class TestTrackingRecorder(cases.TrackingRecorderTestCase, TestCase):
    @pytest.fixture(autouse=True)
    def ledger(self, database: Database) -> Iterator[None]:
        with datastore(database.system_url) as self.datastore:
            other = LedgerTrackingRecorder(self.datastore, uuid4())
            other.insert_tracking(Tracking("upstream1", 1000))  # another tenant's; nobody may be held up by it
            yield

    def create_recorder(self) -> LedgerTrackingRecorder:
        return LedgerTrackingRecorder(self.datastore, uuid4())


def test_two_that_process_the_same_notification_do_not_both_record_it(database: Database) -> None:
    tenant_id = uuid4()
    with datastore(database.system_url) as one, datastore(database.system_url) as other:
        LedgerTrackingRecorder(one, tenant_id).insert_tracking(Tracking("upstream", 1))
        with pytest.raises(IntegrityError):
            LedgerTrackingRecorder(other, tenant_id).insert_tracking(Tracking("upstream", 1))


class House(Application[UUID]):
    def construct_mapper(self) -> LedgerMapper:
        return LedgerMapper()


class Names(LedgerTrackingRecorder):
    """A view of the library's kind: what it holds, and how far it has come."""

    def __init__(self, datastore: PostgresDatastore, tenant_id: UUID) -> None:
        super().__init__(datastore, tenant_id)
        self.lock = Lock()
        self.names: list[str] = []

    def note(self, name: str, tracking: Tracking) -> None:
        with self.lock:
            self.insert_tracking(tracking)
            self.names.append(name)


class RoleNames(Projection[Names]):
    topics = ("role.changed.v1",)

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.note(domain_event.event.name, tracking)


def test_a_projection_of_the_library_follows_our_ledger_and_goes_on_where_it_stopped(database: Database) -> None:
    env, stream = library_environment(database, open_ledger(database)), uuid4()
    facts: list[Event] = [RoleChanged("a", ()), RoleDeleted("x"), RoleChanged("b", ()), RoleChanged("c", ())]
    events = [LedgerEvent(stream, version, event) for version, event in enumerate(facts, 1)]

    def projected(saved: list[LedgerEvent], awaited: int) -> list[str]:
        with ProjectionRunner(application_class=House, projection_class=RoleNames, view_class=Names, env=env) as runner:
            runner.app.save(*saved)
            runner.wait(awaited, timeout=10)
            return runner.projection.view.names

    assert projected(events[:3], awaited=3) == ["a", "b"]
    assert projected(events[3:], awaited=4) == ["c"]

"""The library's applications on our ledger: aggregates of its own making, and our deciders plugged in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import Aggregate as LibraryAggregate
from eventsourcing.domain import event
from eventsourcing.persistence import IntegrityError, NotSupportedError

from domain import role
from domain.effort import Effort
from domain.facts import Aggregate, Decided, Holders, NotFound
from domain.role import ROLE, Role, RoleChanged, RoleCreated
from runtime.ids import new_id
from store.reading import read_ledger
from store.recorder import LedgerMapper, folding, pending
from tests.conftest import Database
from tests.store.library_cases import library_environment, open_ledger

S = TypeVar("S")


class Account(LibraryAggregate):
    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balance = Decimal(0)

    @event("Credited")
    def credit(self, amount: Decimal) -> None:
        self.balance += amount


class Bank(Application[UUID]):
    pass


class House(Application[UUID]):
    """Our events, by our topics and our codec, through the library's repository and notification log."""

    def construct_mapper(self) -> LedgerMapper:
        return LedgerMapper()

    def decide(self, decision: Callable[["RepositoryView"], Decided]) -> None:
        view = RepositoryView(self)
        self.save(*pending(decision(view), view.versions))

    def role(self, role_id: UUID) -> Role:
        return self.repository.get(role_id, projector_func=folding(ROLE)).state


@dataclass
class RepositoryView:
    """`domain.facts.View` over the library's repository."""

    house: House
    versions: dict[UUID, int] = field(default_factory=dict)
    tenant_id: UUID = field(default_factory=uuid4)
    now: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    effort: Effort = field(default_factory=Effort)

    def new_id(self) -> UUID:
        return new_id()

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S:
        try:
            folded = self.house.repository.get(stream_id, projector_func=folding(aggregate))
        except AggregateNotFoundError:
            self.versions[stream_id] = 0
            return aggregate.initial
        self.versions[stream_id] = folded.version
        return folded.state

    def version(self, stream_id: UUID) -> int:
        return self.versions[stream_id]

    def committed(self, stream_id: UUID) -> bool:  # noqa: ARG002
        return True

    def owner(self, scope: str, name: str) -> UUID | None:  # noqa: ARG002
        return None

    def holders(self, role_ids: frozenset[UUID]) -> Holders:  # noqa: ARG002
        return Holders()


@pytest.fixture
def env(database: Database) -> dict[str, str]:
    return library_environment(database, open_ledger(database))


@pytest.fixture
def bank(env: dict[str, str]) -> Iterator[Bank]:
    with Bank(env) as made:
        yield made


@pytest.fixture
def house(env: dict[str, str]) -> Iterator[House]:
    with House(env) as made:
        yield made


def test_an_aggregate_of_the_library_is_saved_and_loaded(bank: Bank) -> None:
    account = Account("Ada")
    account.credit(Decimal("12.50"))
    bank.save(account)
    loaded: Account = bank.repository.get(account.id)
    assert (loaded.owner, loaded.balance, loaded.version) == ("Ada", Decimal("12.50"), 2)
    earlier: Account = bank.repository.get(account.id, version=1)
    assert earlier.balance == 0


def test_two_who_change_the_same_aggregate_do_not_both_win(bank: Bank) -> None:
    account = Account("Ada")
    bank.save(account)
    one: Account = bank.repository.get(account.id)
    other: Account = bank.repository.get(account.id)
    one.credit(Decimal(1))
    other.credit(Decimal(2))
    bank.save(one)
    with pytest.raises(IntegrityError):
        bank.save(other)
    after: Account = bank.repository.get(account.id)
    assert after.balance == 1


def test_the_notification_log_is_the_ledger(bank: Bank) -> None:
    first, second = Account("Ada"), Account("Bob")
    bank.save(first, second)
    first.credit(Decimal(1))
    bank.save(first)
    section = bank.notification_log["1,10"]
    assert [(item.id, item.originator_id, item.originator_version) for item in section.items] == [
        (1, first.id, 1), (2, second.id, 1), (3, first.id, 2),
    ]  # fmt: skip


def test_a_subscriber_gets_what_is_saved_while_it_waits(bank: Bank) -> None:
    account = Account("Ada")
    bank.save(account)
    with bank.recorder.subscribe(gt=0) as subscription:
        assert next(subscription).id == 1
        account.credit(Decimal(1))
        bank.save(account)
        assert next(subscription).id == 2


def test_our_decisions_go_through_the_library(house: House) -> None:
    role_id = uuid4()
    house.decide(lambda view: role.create(view, role_id, "clerk", "Clerk", ("workflows:read",)))
    house.decide(lambda view: role.change(view, role_id, "Chief clerk", ("workflows:read",), "All of it"))
    assert house.role(role_id) == Role(True, "clerk", "Chief clerk", "All of it", frozenset({"workflows:read"}))
    assert [item.topic for item in house.notification_log["1,10"].items] == ["role.created.v1", "role.changed.v1"]


def test_a_decision_that_the_rules_refuse_saves_nothing(house: House) -> None:
    with pytest.raises(NotFound):
        house.decide(lambda view: role.change(view, uuid4(), "Nobody", (), None))
    assert house.recorder.max_notification_id() is None


async def test_what_the_library_saved_our_readers_read(house: House, database: Database, env: dict[str, str]) -> None:
    role_id = uuid4()
    house.decide(lambda view: role.create(view, role_id, "clerk", "Clerk", ("workflows:read",)))
    house.decide(lambda view: role.change(view, role_id, "Chief clerk", (), None))
    async with await psycopg.AsyncConnection.connect(database.system_url) as connection:
        read = await read_ledger(connection, UUID(env["LEDGER_TENANT_ID"]), 0, 10)
    assert [(e.position, e.stream_id, e.version, e.event) for e in read] == [
        (1, role_id, 1, RoleCreated("clerk", "Clerk", ("workflows:read",))),
        (2, role_id, 2, RoleChanged("Chief clerk", ())),
    ]
    assert {(e.envelope.actor_type, e.envelope.actor_id) for e in read} == {("system", "eventsourcing")}


def test_a_ledger_keeps_no_snapshots(env: dict[str, str]) -> None:
    with pytest.raises(NotSupportedError, match="snapshots"), Bank({**env, "IS_SNAPSHOTTING_ENABLED": "y"}):
        pass


def test_the_ledger_has_to_be_named(env: dict[str, str]) -> None:
    del env["LEDGER_TENANT_ID"]
    with pytest.raises(OSError, match="LEDGER_TENANT_ID"), Bank(env):
        pass

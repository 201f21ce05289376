"""When somebody held a permission: each event that gave it and each that took it."""

from datetime import timedelta
from uuid import UUID

from domain.envelope import PLATFORM, Envelope, RecordedEvent
from domain.facts import Event
from domain.member import MemberAdded, MemberReactivated, MemberRemoved, MemberRolesChanged, MemberSuspended
from domain.role import RoleChanged, RoleCreated, RoleDeleted
from domain.tenant import TenantCreated, TenantReactivated, TenantSuspended
from domain.user import UserChanged, UserRegistered
from engine.holding import in_order, spans
from tests.given import MOMENT, TENANT_ID

ANN, BUYER, CLERK = UUID(int=1), UUID(int=2), UUID(int=3)
START = "executions:start"


def told(*events: tuple[UUID, UUID, Event]) -> list[RecordedEvent]:
    """One a second, each ledger numbered by itself."""
    positions: dict[UUID, int] = {}
    found = []
    for second, (ledger, stream, event) in enumerate(events):
        positions[ledger] = position = positions.get(ledger, 0) + 1
        at = MOMENT + timedelta(seconds=second)
        found.append(RecordedEvent(ledger, position, stream, 1, "t", event, at, at, UUID(int=9), Envelope("system"), b"{}"))
    return found


def test_each_span_begins_with_what_gave_it_and_ends_with_what_took_it() -> None:
    records = told(
        (PLATFORM, TENANT_ID, TenantCreated("acme", "Acme", {})),
        (PLATFORM, ANN, UserRegistered("ann@acme.example", "Ann")),
        (TENANT_ID, BUYER, RoleCreated("buyer", "Buyer", (START,))),
        (TENANT_ID, CLERK, RoleCreated("clerk", "Clerk", ("audit:read",))),
        (TENANT_ID, ANN, MemberAdded(ANN, (BUYER,), 1)),  # 4: held
        (TENANT_ID, ANN, MemberSuspended(ANN)),  # 5: not
        (TENANT_ID, ANN, MemberReactivated(ANN)),  # 6: held
        (PLATFORM, TENANT_ID, TenantSuspended("unpaid")),  # 7: not
        (PLATFORM, TENANT_ID, TenantReactivated("paid")),  # 8: held
        (TENANT_ID, CLERK, RoleChanged("Clerk", (START,), None)),
        (TENANT_ID, ANN, MemberRolesChanged(ANN, (BUYER, CLERK))),  # 10: through both
        (TENANT_ID, BUYER, RoleDeleted("buyer")),  # 11: through one
        (PLATFORM, ANN, UserChanged({"is_active": False})),  # 12: not
        (PLATFORM, ANN, UserChanged({"is_active": True})),  # 13: held
        (TENANT_ID, ANN, MemberRemoved(ANN)),  # 14: not
    )
    found = spans(TENANT_ID, ANN, START, reversed(records))
    second = {id(record): index for index, record in enumerate(records)}
    assert [(second[id(each.since)], each.until and second[id(each.until)], each.standing.roles) for each in found] == [
        (4, 5, ("buyer",)),
        (6, 7, ("buyer",)),
        (8, 10, ("buyer",)),
        (10, 11, ("buyer", "clerk")),
        (11, 12, ("clerk",)),
        (13, 14, ("clerk",)),
    ]


def test_who_has_it_still_has_a_span_without_an_end() -> None:
    records = told((TENANT_ID, ANN, MemberAdded(ANN, (BUYER,), 1)), (TENANT_ID, BUYER, RoleCreated("buyer", "Buyer", (START,))))
    (span,) = spans(TENANT_ID, ANN, START, records)
    assert (span.since, span.until) == (records[1], None)
    assert spans(TENANT_ID, ANN, "audit:read", records) == []


def test_of_what_was_recorded_at_once_the_platforms_comes_first() -> None:
    own, platforms = told((TENANT_ID, ANN, MemberSuspended(ANN)), (PLATFORM, ANN, UserChanged({})))
    same = platforms._replace(recorded_at=own.recorded_at)
    assert in_order([own, same]) == [same, own]

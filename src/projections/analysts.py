"""projections.analysts: who has, and who had, a login of their own to query the tables with SQL."""

from domain.analyst import AnalystCreated, AnalystDropped, AnalystRotated
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Table, its_own

NAME = "analysts"


def created(rows: Rows, record: RecordedEvent, event: AnalystCreated) -> None:
    row = {
        "id": record.stream_id,
        "name": event.name,
        "status": "active",
        "login": event.login,
        "connections": event.connections,
        "statement_seconds": event.statement_seconds,
        "idle_seconds": event.idle_seconds,
        "transaction_seconds": event.transaction_seconds,
        "expires_at": event.expires_at,
        "number": 1,
        "rotated_at": None,
        "dropped_at": None,
    }
    if rows.find(NAME, record.tenant_id, record.stream_id) is None:
        rows.insert(NAME, record, row)
    else:
        rows.update(NAME, record, (record.tenant_id, record.stream_id), row)


def rotated(rows: Rows, record: RecordedEvent, event: AnalystRotated) -> None:
    changes = {"number": event.number, "expires_at": event.expires_at, "rotated_at": record.occurred_at}
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def dropped(rows: Rows, record: RecordedEvent, _event: AnalystDropped) -> None:
    changes = {"status": "dropped", "dropped_at": record.occurred_at}
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The analyst's id; follows from the name."),
        "name": Column("text", "Who it is, or what for."),
        "status": Column("text", "active, or dropped: there is no login any more.", choices=("active", "dropped")),
        "login": Column("text", "The role of the database that logs in."),
        "connections": Column("bigint", "How many sessions it may have at a time."),
        "statement_seconds": Column("bigint", "How long a statement may take."),
        "idle_seconds": Column("bigint", "How long a transaction may be idle."),
        "transaction_seconds": Column("bigint", "How long a transaction may last."),
        "expires_at": Column("timestamptz", "From when on the login sees nothing; null: never.", null=True),
        "number": Column("bigint", "Of its password: 1 when it was created, one more with each rotation."),
        "rotated_at": Column("timestamptz", "When it was given its password of now; null: when it was created.", null=True),
        "dropped_at": Column("timestamptz", "When its login was dropped.", null=True),
    },
    appliers={AnalystCreated: created, AnalystRotated: rotated, AnalystDropped: dropped},
    rows_needed=its_own,
)

"""What makes the library's applications stand on our ledger."""

from typing import Any, cast
from uuid import UUID

from eventsourcing.persistence import AggregateRecorder, ApplicationRecorder, NotSupportedError, ProcessRecorder
from eventsourcing.postgres import PostgresDatastore, PostgresFactory, PostgresTrackingRecorder
from psycopg.conninfo import conninfo_to_dict
from typing_extensions import TypeVar

from store.recorder.events import LedgerAggregateRecorder, LedgerApplicationRecorder
from store.recorder.tracking import LedgerTrackingRecorder

TRecorder = TypeVar("TRecorder", bound=PostgresTrackingRecorder, default=PostgresTrackingRecorder)


def datastore(url: str, *, pool_size: int = 1, max_overflow: int = 4) -> PostgresDatastore:
    """The library's pool of connections, for a libpq URL or key/value string."""
    info = conninfo_to_dict(url)
    return PostgresDatastore(
        dbname=str(info.get("dbname", "")),
        host=str(info.get("host", "")),
        port=str(info.get("port", "")),
        user=str(info.get("user", "")),
        password=str(info.get("password", "")),
        pool_size=pool_size,
        max_overflow=max_overflow,
    )


class LedgerFactory(PostgresFactory):
    """Chosen by `PERSISTENCE_MODULE=store.recorder:LedgerFactory`; `LEDGER_TENANT_ID` names the ledger beside `POSTGRES_…`."""

    LEDGER_TENANT_ID = "LEDGER_TENANT_ID"

    @property
    def tenant_id(self) -> UUID:
        given = self.env.get(self.LEDGER_TENANT_ID)
        if given is None:
            raise OSError(f"{self.LEDGER_TENANT_ID} must name the ledger")
        return UUID(given)

    def application_recorder(self) -> ApplicationRecorder:
        return LedgerApplicationRecorder(self.datastore, self.tenant_id)

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        if purpose != "events":
            raise NotSupportedError(f"a ledger keeps events, not {purpose}")
        return LedgerAggregateRecorder(self.datastore, self.tenant_id)

    def tracking_recorder(self, tracking_recorder_class: type[TRecorder] | None = None) -> TRecorder:
        """The recorder, or the view of a library projection: a subclass of LedgerTrackingRecorder with the same parameters."""
        chosen: Any = LedgerTrackingRecorder if tracking_recorder_class is None else tracking_recorder_class
        assert issubclass(chosen, LedgerTrackingRecorder)
        recorder: Any = chosen(self.datastore, self.tenant_id)
        return cast(TRecorder, recorder)

    def process_recorder(self) -> ProcessRecorder:
        raise NotSupportedError("a ledger records no library projections of its own: use tracking_recorder")

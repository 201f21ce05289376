"""How far library projections have come."""

from uuid import UUID

from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresRecorder, PostgresTrackingRecorder
from psycopg import Cursor
from psycopg.rows import DictRow

INSERT_TRACKING = """
INSERT INTO runtime.tracking (tenant_id, application_name, notification_id)
VALUES (%(tenant)s, %(name)s, %(id)s)
    ON CONFLICT (tenant_id, application_name) DO UPDATE SET notification_id = excluded.notification_id
 WHERE tracking.notification_id < excluded.notification_id
RETURNING notification_id
"""

SELECT_TRACKING = """
SELECT notification_id FROM runtime.tracking WHERE tenant_id = %(tenant)s AND application_name = %(name)s
"""


class LedgerTrackingRecorder(PostgresTrackingRecorder):
    """How far library projections of one tenant have come, by application name."""

    def __init__(self, datastore: PostgresDatastore, tenant_id: UUID) -> None:
        PostgresRecorder.__init__(self, datastore)
        self.tenant_id = tenant_id

    def create_table(self) -> None:
        """Nothing: the migrations own all tables."""

    def _insert_tracking(self, curs: Cursor[DictRow], tracking: Tracking) -> None:
        curs.execute(
            INSERT_TRACKING,
            {"tenant": self.tenant_id, "name": tracking.application_name, "id": tracking.notification_id},
            prepare=True,
        )
        if curs.fetchone() is None:
            raise IntegrityError(f"{tracking.application_name} has come to {tracking.notification_id} before")

    def _max_tracking_id(self, application_name: str, curs: Cursor[DictRow]) -> int | None:
        curs.execute(SELECT_TRACKING, {"tenant": self.tenant_id, "name": application_name}, prepare=True)
        row = curs.fetchone()
        return None if row is None else int(row["notification_id"])

"""Being told of new events of one ledger, by the hints that follow commits."""

from eventsourcing.postgres import PostgresSubscription
from psycopg import sql

CHANNEL = "gesta_events"
SECRET_NAME = "SELECT runtime.secret_channel(%s) AS name"


class LedgerSubscription(PostgresSubscription):
    """Wakes at hints that name its ledger; those of processes of the release before come by the name that is no secret."""

    def _listen(self) -> None:
        tenant = str(self._recorder.tenant_id)  # type: ignore[attr-defined]  # the recorder is a LedgerApplicationRecorder
        try:
            with self._recorder.datastore.get_connection() as conn:
                found = conn.execute(SECRET_NAME, [CHANNEL]).fetchone()
                assert found is not None
                for name in (CHANNEL, found["name"]):
                    conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(name)))
                self._has_been_notified.set()  # what was appended between the first look and this moment
                while not self._has_been_stopped and not self._thread_error:
                    # No longer than this, so that the thread sees that it is to stop. The server is not asked anything.
                    for hint in conn.notifies(timeout=0.1, stop_after=1):
                        if not hint.payload or tenant in hint.payload:
                            self._has_been_notified.set()
                conn.execute("UNLISTEN *")
        except BaseException as error:
            if self._thread_error is None:
                self._thread_error = error
            self.stop()

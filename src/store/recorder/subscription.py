"""Being told of new events of one ledger, by the hints that follow commits."""

from eventsourcing.postgres import PostgresSubscription

CHANNEL = "gesta_events"


class LedgerSubscription(PostgresSubscription):
    """Wakes at hints that name its ledger."""

    def _listen(self) -> None:
        tenant = str(self._recorder.tenant_id)  # type: ignore[attr-defined]  # the recorder is a LedgerApplicationRecorder
        try:
            with self._recorder.datastore.get_connection() as conn:
                conn.execute("LISTEN gesta_events")
                self._has_been_notified.set()  # what was appended between the first look and this moment
                while not self._has_been_stopped and not self._thread_error:
                    # No longer than this, so that the thread sees that it is to stop. The server is not asked anything.
                    for hint in conn.notifies(timeout=0.1, stop_after=1):
                        if not hint.payload or tenant in hint.payload:
                            self._has_been_notified.set()
                conn.execute("UNLISTEN gesta_events")
        except BaseException as error:
            if self._thread_error is None:
                self._thread_error = error
            self.stop()

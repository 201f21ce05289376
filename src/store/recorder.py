"""The `eventsourcing` library on our ledger: its Application, notification log, subscriptions and projections.

A recorder is bound to one ledger. It appends through the same `ledger.append` as everybody else, so that a notification's id is
the event's position: without gaps, in commit order. Topics and states are the library's own affair: any text, any bytes.

Streams of the ledger count their versions from 1; the library's may count from 0. The envelope of such events names the streams
it holds that are "zero_based", and their versions are one less for the library than they are in the ledger.
"""

import json
from collections.abc import Sequence
from threading import Event
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    IntegrityError,
    InterfaceError,
    Notification,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
    Subscription,
    Tracking,
)
from eventsourcing.postgres import (
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresFactory,
    PostgresRecorder,
    PostgresSubscription,
    PostgresTrackingRecorder,
)
from eventsourcing.utils import retry
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow

from domain.envelope import Envelope
from runtime.ids import new_id
from store.codec import encode_envelope
from store.reading import LAST

CHANNEL = "gesta_events"

LIBRARY = Envelope("system", actor_id="eventsourcing")

reconnecting = retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)

APPEND = """
SELECT outcome, reason, pos
  FROM ledger.append(
       tenant => %(tenant)s, no_wait => false,
       command_ids => ARRAY[%(command)s]::uuid[], request_hashes => ARRAY[NULL]::bytea[],
       results => ARRAY[NULL]::bytea[], metas => ARRAY[%(meta)s]::bytea[],
       expectation_cmds => array_fill(1, ARRAY[cardinality(%(streams)s::uuid[])]),
       expectation_streams => %(streams)s::uuid[], expectation_versions => %(versions)s::bigint[],
       dependency_cmds => '{}', dependency_ons => '{}',
       event_cmds => array_fill(1, ARRAY[cardinality(%(originators)s::uuid[])]),
       event_streams => %(originators)s::uuid[], event_topics => %(topics)s::text[],
       event_times => array_fill(clock_timestamp(), ARRAY[cardinality(%(originators)s::uuid[])]),
       event_data => %(states)s::bytea[],
       claim_cmds => '{}', claim_scopes => '{}', claim_names => '{}', claim_owners => '{}',
       release_cmds => '{}', release_scopes => '{}', release_names => '{}', release_owners => '{}')
"""

# A hint after commit, on a connection that is in autocommit: NOTIFY inside append would serialise all commits.
HINT = "SELECT pg_notify(%(channel)s, %(tenant)s)"

SELECT_ZERO_BASED = """
SELECT e.stream_id
  FROM ledger.events e
 WHERE e.tenant_id = %(tenant)s AND e.stream_id = ANY(%(streams)s) AND e.version = 1
   AND convert_from(e.meta, 'UTF8')::jsonb -> 'zero_based' ? e.stream_id::text
"""

SELECT_EVENTS_ASCENDING = """
WITH origin AS (
     SELECT count(*) AS shift
       FROM ledger.events e
      WHERE e.tenant_id = %(tenant)s AND e.stream_id = %(stream)s AND e.version = 1
        AND convert_from(e.meta, 'UTF8')::jsonb -> 'zero_based' ? e.stream_id::text)
SELECT e.stream_id, e.version - origin.shift AS version, e.topic, e.data
  FROM origin, ledger.events e
 WHERE e.tenant_id = %(tenant)s AND e.stream_id = %(stream)s
   AND e.version > %(gt)s + origin.shift AND e.version - origin.shift <= %(lte)s
 ORDER BY e.version
 LIMIT %(limit)s
"""

SELECT_EVENTS_DESCENDING = """
WITH origin AS (
     SELECT count(*) AS shift
       FROM ledger.events e
      WHERE e.tenant_id = %(tenant)s AND e.stream_id = %(stream)s AND e.version = 1
        AND convert_from(e.meta, 'UTF8')::jsonb -> 'zero_based' ? e.stream_id::text)
SELECT e.stream_id, e.version - origin.shift AS version, e.topic, e.data
  FROM origin, ledger.events e
 WHERE e.tenant_id = %(tenant)s AND e.stream_id = %(stream)s
   AND e.version > %(gt)s + origin.shift AND e.version - origin.shift <= %(lte)s
 ORDER BY e.version DESC
 LIMIT %(limit)s
"""

SELECT_NOTIFICATIONS = """
SELECT position, stream_id, version, topic, meta, data
  FROM ledger.events
 WHERE tenant_id = %(tenant)s AND position >= %(start)s AND position <= %(stop)s
   AND (%(topics)s::text[] IS NULL OR topic = ANY(%(topics)s::text[]))
 ORDER BY position
 LIMIT %(limit)s
"""

SELECT_LAST_POSITION = """
SELECT position FROM ledger.events WHERE tenant_id = %(tenant)s ORDER BY position DESC LIMIT 1
"""

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


class LedgerApplicationRecorder(PostgresApplicationRecorder):
    """Records the events of a library application in one ledger, which must be open (`ledger.open`)."""

    def __init__(self, datastore: PostgresDatastore, tenant_id: UUID) -> None:
        PostgresRecorder.__init__(self, datastore)  # not its subclasses: they make statements for tables of their own
        self.tenant_id = tenant_id
        self.channel_name = CHANNEL

    def create_table(self) -> None:
        """Nothing: the migrations own all tables."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """The positions of the events. Raises IntegrityError where a stream is not at the version before the first event."""
        if not stored_events:
            return []
        # One id for all attempts: if a commit's answer is lost, the next attempt finds its own events and not a conflict.
        positions: Sequence[int] = self._append(new_id(), stored_events)
        return positions

    @reconnecting
    def _append(self, command_id: UUID, stored_events: Sequence[StoredEvent]) -> Sequence[int]:
        firsts = first_versions(stored_events)
        with self.datastore.get_connection() as conn:
            zero_based = self._zero_based(conn, firsts)
            row = _one(
                conn,
                APPEND,
                {
                    "tenant": self.tenant_id,
                    "command": command_id,
                    "meta": envelope(zero_based),
                    "streams": list(firsts),
                    "versions": [first if stream in zero_based else first - 1 for stream, first in firsts.items()],
                    "originators": [event.originator_id for event in stored_events],
                    "topics": [event.topic for event in stored_events],
                    "states": [event.state for event in stored_events],
                },
            )
            last = appended_at(row)
            conn.execute(HINT, {"channel": CHANNEL, "tenant": str(self.tenant_id)})
        return list(range(last - len(stored_events) + 1, last + 1))

    def _zero_based(self, conn: Connection[DictRow], firsts: dict[UUID | str, int]) -> set[UUID | str]:
        """Which of these streams count from 0: those that begin so now, and those that once did."""
        begun = [stream for stream, first in firsts.items() if first > 0]
        known = conn.execute(SELECT_ZERO_BASED, {"tenant": self.tenant_id, "streams": begun}).fetchall() if begun else []
        return {stream for stream, first in firsts.items() if first == 0} | {row["stream_id"] for row in known}

    @reconnecting
    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        wanted = {
            "tenant": self.tenant_id,
            "stream": originator_id,
            "gt": -1 if gt is None else gt,
            "lte": LAST if lte is None else lte,
            "limit": limit,
        }
        statement: LiteralString = SELECT_EVENTS_DESCENDING if desc else SELECT_EVENTS_ASCENDING
        with self.datastore.get_connection() as conn, conn.cursor(binary=True) as cursor:
            rows = cursor.execute(statement, wanted, prepare=True).fetchall()
        return [StoredEvent(row["stream_id"], row["version"], row["topic"], row["data"]) for row in rows]

    @reconnecting
    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        first = 0 if start is None else start if inclusive_of_start else start + 1
        wanted = {
            "tenant": self.tenant_id,
            "start": first,
            "stop": LAST if stop is None else stop,
            "topics": list(topics) or None,
            "limit": limit,
        }
        with self.datastore.get_connection() as conn, conn.cursor(binary=True) as cursor:
            rows = cursor.execute(SELECT_NOTIFICATIONS, wanted, prepare=True).fetchall()
        return [
            Notification(
                row["stream_id"],
                row["version"] - counts_from_zero(row["meta"], row["stream_id"]),
                row["topic"],
                row["data"],
                id=row["position"],
            )
            for row in rows
        ]

    @reconnecting
    def max_notification_id(self) -> int | None:
        with self.datastore.get_connection() as conn:
            row = conn.execute(SELECT_LAST_POSITION, {"tenant": self.tenant_id}).fetchone()
        return None if row is None else int(row["position"])

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        return LedgerSubscription(self, gt=gt, topics=topics)


class LedgerAggregateRecorder(LedgerApplicationRecorder):
    """The same for who wants a recorder of aggregates alone: it answers no notification ids."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> None:
        super().insert_events(stored_events)


class LedgerSubscription(PostgresSubscription):
    """Wakes at hints that name its ledger."""

    _has_been_notified: Event

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


class LedgerFactory(PostgresFactory):
    """For the library's Application: `PERSISTENCE_MODULE=store.recorder:LedgerFactory`, the library's `POSTGRES_…` and:"""

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


def first_versions(stored_events: Sequence[StoredEvent]) -> dict[UUID | str, int]:
    """Each stream's first version. Raises IntegrityError where the versions of a stream do not follow one another."""
    firsts: dict[UUID | str, int] = {}
    nexts: dict[UUID | str, int] = {}
    for event in stored_events:
        stream, version = event.originator_id, event.originator_version
        if nexts.setdefault(stream, version) != version:
            raise IntegrityError(f"version {version} of {stream} does not follow {nexts[stream] - 1}")
        firsts.setdefault(stream, version)
        nexts[stream] = version + 1
    return firsts


def appended_at(row: DictRow) -> int:
    """The position of a command's last event, from the answer of `ledger.append`."""
    match row["outcome"]:
        case "appended" | "done":
            return int(row["pos"])
        case "conflict":
            raise IntegrityError("a stream is not at the version before the first event")
        case outcome:
            raise ProgrammingError(f"{outcome}: {row['reason']}")


def envelope(zero_based: set[UUID | str]) -> bytes:
    plain = encode_envelope(LIBRARY)
    return json.dumps({**json.loads(plain), "zero_based": sorted(map(str, zero_based))}).encode() if zero_based else plain


def counts_from_zero(meta: bytes, stream_id: UUID) -> bool:
    return b'"zero_based"' in meta and str(stream_id) in json.loads(meta).get("zero_based", ())


def _one(conn: Connection[DictRow], sql: LiteralString, params: dict[str, Any]) -> DictRow:
    row = conn.execute(sql, params).fetchone()
    if row is None:
        raise ProgrammingError("no answer")
    return row

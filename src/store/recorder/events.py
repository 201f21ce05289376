"""Library events in one ledger: appended by `ledger.append_rows_2`, selected from `ledger.events`."""

import json
from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    InterfaceError,
    Notification,
    OperationalError,
    ProgrammingError,
    StoredEvent,
    Subscription,
)
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore, PostgresRecorder
from eventsourcing.utils import retry
from psycopg import Connection
from psycopg.rows import DictRow

from domain.envelope import Envelope
from runtime.ids import new_id
from store.codec import encode_envelope
from store.reading import LAST
from store.recorder.subscription import CHANNEL, LedgerSubscription

LIBRARY = Envelope("system", actor_id="eventsourcing")

reconnecting = retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)

APPEND = """
SELECT outcome, reason, pos
  FROM ledger.append_rows_2(
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
       claims => '{}', releases => '{}')
"""

# A hint after commit, on a connection that is in autocommit: NOTIFY inside append would serialise all commits.
HINT = "SELECT pg_notify(runtime.secret_channel(%(channel)s), %(tenant)s)"

SELECT_ZERO_BASED = """
SELECT e.stream_id
  FROM ledger.events e
 WHERE e.tenant_id = %(tenant)s AND e.stream_id = ANY(%(streams)s) AND e.version = 1
   AND convert_from(e.meta, 'UTF8')::jsonb -> 'zero_based' ? e.stream_id::text
"""

SELECT_EVENTS = """
WITH origin AS (
     SELECT count(*) AS shift
       FROM ledger.events e
      WHERE e.tenant_id = %(tenant)s AND e.stream_id = %(stream)s AND e.version = 1
        AND convert_from(e.meta, 'UTF8')::jsonb -> 'zero_based' ? e.stream_id::text)
SELECT e.stream_id, e.version - origin.shift AS version, e.topic, e.data
  FROM origin, ledger.events e
 WHERE e.tenant_id = %(tenant)s AND e.stream_id = %(stream)s
   AND e.version > %(gt)s + origin.shift AND e.version - origin.shift <= %(lte)s
"""
SELECT_EVENTS_ASCENDING = SELECT_EVENTS + " ORDER BY e.version\n LIMIT %(limit)s"
SELECT_EVENTS_DESCENDING = SELECT_EVENTS + " ORDER BY e.version DESC\n LIMIT %(limit)s"

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
    """The position of a command's last event, from the answer of `ledger.append_rows_2`."""
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

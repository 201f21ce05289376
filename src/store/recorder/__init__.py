"""The `eventsourcing` library on our ledger: its Application, notification log, subscriptions and projections.

A recorder is bound to one ledger. It appends through the same `ledger.append_rows_2` as everybody else, so that a notification's
id is the event's position: without gaps, in commit order. Topics and states are the library's own affair: any text, any bytes.

Streams of the ledger count their versions from 1; the library's may count from 0. The envelope of such events names the streams
it holds that are "zero_based", and their versions are one less for the library than they are in the ledger.
"""

from store.recorder.events import LedgerAggregateRecorder, LedgerApplicationRecorder
from store.recorder.factory import LedgerFactory, datastore
from store.recorder.mapper import Folded, LedgerEvent, LedgerMapper, folding, pending
from store.recorder.subscription import LedgerSubscription
from store.recorder.tracking import LedgerTrackingRecorder

__all__ = [
    "Folded",
    "LedgerAggregateRecorder",
    "LedgerApplicationRecorder",
    "LedgerEvent",
    "LedgerFactory",
    "LedgerMapper",
    "LedgerSubscription",
    "LedgerTrackingRecorder",
    "datastore",
    "folding",
    "pending",
]

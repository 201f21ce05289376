"""What the routes work with: made once for a process, handed to every request."""

from collections.abc import Callable
from dataclasses import dataclass

from api.event_feed import EventFeed
from api.health import Doctor
from api.job_dispatcher import JobDispatcher
from api.metrics import Metrics
from api.querying.connections import AnalystConnections
from api.reads import Reads
from api.session import Sessions
from api.tries import Tries
from api.waiter import Waiter
from engine.engine import Engine
from runtime.clock import Clock
from runtime.master_keys import MasterKeys
from runtime.pools import Pool
from store.handler import Handler


@dataclass(frozen=True)
class Services:
    """`reads` asks as gesta_api, one tenant a transaction; `handler` decides and appends as gesta_system, as is `system_pool`."""

    clock: Clock
    engine: Engine
    handler: Handler
    system_pool: Pool
    reads: Reads
    queries: AnalystConnections
    sessions: Sessions
    link_tries: Tries
    waiter: Waiter
    dispatcher: JobDispatcher
    feed: EventFeed
    metrics: Metrics
    doctor: Doctor
    master_keys: MasterKeys | None
    process: str
    """What this process is called where processes tell of themselves."""
    public_url: str | None = None
    """Where people reach the API; None: that is not known here."""
    database_trouble: Callable[[], str] | None = None
    """Says why our own server does not serve; None: it is not ours."""

    def release(self) -> None:
        """Let everybody who waits for something go: the process is about to stop."""
        self.waiter.release()
        self.dispatcher.release()
        self.feed.release()

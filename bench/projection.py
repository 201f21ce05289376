"""The peer's projection: the library's runner, one table of executions, as its documentation has it written."""

import threading
import time
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import EnvType
from psycopg.sql import SQL

from bench.figures import Lost
from bench.library import Execution, Executions, a_log, environment
from bench.stage import NO_SYNC_ROLE, Stage

TABLE = SQL(
    "CREATE TABLE IF NOT EXISTS public.projected "
    "(id uuid PRIMARY KEY, workflow_id uuid, status text, results jsonb NOT NULL DEFAULT '{{}}')"
).format()
STARTED = "INSERT INTO public.projected (id, workflow_id, status) VALUES (%s, %s, 'running')"
BEGUN = "UPDATE public.projected SET status = %s WHERE id = %s"
COMPLETED = "UPDATE public.projected SET results = results || %s::jsonb WHERE id = %s"
PATIENCE = 60.0


class View(PostgresTrackingRecorder):
    """Rows and the position they stand at, in one transaction."""

    def __init__(self, datastore: PostgresDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        self.sql_create_statements.append(TABLE)

    def apply(self, statement: Any, values: tuple[Any, ...], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(statement, values, prepare=True)


class Projected(Projection[View]):
    name = "projected"
    wanted = 0
    reached = threading.Event()

    def process_event(self, domain_event: DomainEventProtocol[UUID], tracking: Tracking) -> None:
        match domain_event:
            case Execution.Started():
                self.view.apply(STARTED, (domain_event.originator_id, domain_event.workflow_id), tracking)
            case Execution.ActivationStarted():
                self.view.apply(BEGUN, (domain_event.node_id, domain_event.originator_id), tracking)
            case Execution.ActivationCompleted():
                output = orjson.dumps({domain_event.node_id: domain_event.output}).decode()
                self.view.apply(COMPLETED, (output, domain_event.originator_id), tracking)
        if tracking.notification_id >= self.wanted:
            self.reached.set()


def projected_a_second(on: Stage, application: Executions, events: int) -> float:
    """Append that many events, then have the runner project them. Raises Lost."""
    settings: EnvType = {**environment(on), "PROJECTED_POSTGRES_USER": NO_SYNC_ROLE}
    before = a_log(application, events // 5)
    last = application.recorder.max_notification_id() or 0
    Projected.wanted = last
    Projected.reached.clear()
    begun = time.perf_counter()
    with ProjectionRunner(application_class=Executions, projection_class=Projected, view_class=View, env=settings) as runner:
        # Looked at now and then, too: a runner of the round before may have taken the last event while it was closing.
        while not Projected.reached.wait(1) and runner.view.max_tracking_id(Executions.name) != last:
            if time.perf_counter() - begun > PATIENCE:
                break
        seconds = time.perf_counter() - begun
        stands = runner.view.max_tracking_id(Executions.name)
    if stands != last:
        raise Lost(f"the library's projection stands at {stands}, not at {last}")
    return (last - before) / seconds

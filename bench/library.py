"""The peer: the `eventsourcing` library with its own PostgreSQL recorder, as its documentation has it used.

The same five events of about the same size, each saved in one transaction on the same server. Its optional database functions
stay off: with them its notification log can skip events (see "Order" in docs/architecture.md), which ours may not.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.utils import EnvType

from bench.figures import Lost
from bench.stage import LIBRARY, Stage

WORKFLOW = uuid4()
OUTPUT = {"approved": True, "by": "Ada Lovelace", "amount": 1250.5}
POOL = 40


class Execution(Aggregate):
    class Started(Aggregate.Created):
        workflow_id: UUID
        workflow_key: str
        input: dict[str, Any]

    class ActivationStarted(Aggregate.Event):
        node_id: str
        node_type: str
        input: dict[str, Any]

    class ActivationCompleted(Aggregate.Event):
        node_id: str
        handle: str
        output: dict[str, Any]

    @event(Started)
    def __init__(self, workflow_id: UUID, workflow_key: str, input: dict[str, Any]) -> None:
        self.workflow_id = workflow_id
        self.workflow_key = workflow_key
        self.input = input
        self.running: dict[str, Any] = {}
        self.results: dict[str, Any] = {}

    @event(ActivationStarted)
    def begin(self, node_id: str, node_type: str, input: dict[str, Any]) -> None:
        self.running[node_id] = {"type": node_type, "input": input}

    @event(ActivationCompleted)
    def complete(self, node_id: str, handle: str, output: dict[str, Any]) -> None:
        del self.running[node_id]
        self.results[node_id] = {"handle": handle, "output": output}


class Executions(Application[UUID]):
    """The application: its default mapper, transcoder and recorder."""

    name = "executions"


def an_execution() -> Execution:
    made = Execution(workflow_id=WORKFLOW, workflow_key="expense", input={"amount": 1250.5, "who": "Ada Lovelace"})
    made.begin(node_id="start", node_type="start", input={"amount": 1250.5})
    made.complete(node_id="start", handle="out", output=OUTPUT)
    made.begin(node_id="manager", node_type="approval", input={"amount": 1250.5})
    made.complete(node_id="manager", handle="approved", output=OUTPUT)
    return made


def environment(on: Stage) -> EnvType:
    """A connection for every thread. No pre-ping, which is its default and its fastest."""
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": LIBRARY,
        "POSTGRES_HOST": str(on.server.socket_directory),
        "POSTGRES_PORT": "5432",
        "POSTGRES_USER": "postgres",
        "POSTGRES_PASSWORD": "unused",
        "POSTGRES_POOL_SIZE": str(POOL),
    }


@contextmanager
def executions(on: Stage) -> Iterator[Executions]:
    application = Executions(environment(on))
    try:
        yield application
    finally:
        application.close()


def saves_a_second(application: Executions, threads: int, count: int) -> float:
    """Some `count` saves by `threads` at once. Raises Lost."""
    each = max(count // threads, 1)
    before = application.recorder.max_notification_id() or 0
    begin = threading.Barrier(threads + 1)

    def caller() -> None:
        begin.wait()
        for _ in range(each):
            application.save(an_execution())

    callers = [threading.Thread(target=caller) for _ in range(threads)]
    for thread in callers:
        thread.start()
    begin.wait()
    begun = time.perf_counter()
    for thread in callers:
        thread.join()
    seconds = time.perf_counter() - begun
    saved = (application.recorder.max_notification_id() or 0) - before
    if saved != each * threads * 5:
        raise Lost(f"the library has {saved} notifications, not {each * threads * 5}")
    return each * threads / seconds


def a_log(application: Executions, saves: int) -> int:
    """That many further saves, many in one transaction; returns the last notification's id before them."""
    before = application.recorder.max_notification_id() or 0
    for first in range(0, saves, 100):
        application.save(*[an_execution() for _ in range(min(100, saves - first))])
    return before


def bytes_an_event(application: Executions) -> float:
    """Of payload; average."""
    stored = [application.mapper.to_stored_event(each) for each in an_execution().collect_events()]
    return sum(len(each.state) for each in stored) / len(stored)

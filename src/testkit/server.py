"""The same scenario on a server: published under a key of its own, its doubles served by the SDK's worker.

What a double stands for becomes a task of that worker in the copy that is published: so models, services and other workflows can
be doubled on any platform. Time is real there, and people act by keys of their own.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

import httpx2

from client import Client, NonRetryable, Worker
from client import Job as LeasedJob
from client.errors import ApiError, from_answer
from client.protocol import Flow, command, get
from domain.facts import Json
from domain.retry import Failure
from domain.trigger import tool_of
from engine.durations import duration
from engine.triggers.publishing import key_of
from testkit.doubles import Answer, Asked, Doubles, Fails, Kind, Lost, Never
from testkit.stage import Deciding, Delegating, Happening, Person, Refused
from testkit.staging import Staged, answered, staged

T = TypeVar("T")
LONGEST = 60.0
"""Seconds of real time that a test may let pass."""
POLL = 0.02
GRACE = 0.5
"""Seconds that doubles have left when a test is over."""
THEIR_OWN = "On a server people are who they are there: this test cannot change them. Play it without a server."
HELD = "execution.held"
PAUSES = ("execution.paused", "execution.resumed")
ENDS = frozenset({"execution.completed", "execution.failed", "execution.cancelled"})


@dataclass(frozen=True)
class Server:
    """A platform. The client's key starts, decides, publishes and works; `people` are clients of those who act by name.

    `patience`: seconds for what happens by itself there.
    """

    client: Client
    people: Mapping[str, Client] = field(default_factory=dict)
    patience: float = 15.0

    @contextmanager
    def staging(self, definitions: Sequence[Json], doubles: Doubles) -> Iterator["OnServer"]:
        stage = OnServer(self, definitions, doubles)
        try:
            stage.publish()
            with stage.working():
                try:
                    yield stage
                finally:
                    stage.end_executions()
        finally:
            stage.archive()
        stage.check()


class OnServer:
    """A `testkit.stage.Stage`."""

    def __init__(self, server: Server, definitions: Sequence[Json], doubles: Doubles) -> None:
        self._server, self._client = server, server.client
        self._doubles = doubles
        self._prefix = f"kit-{uuid4().hex[:8]}"
        self._staged: Staged = staged(definitions, doubles, self._prefix)
        self._hands: dict[str, Future[Answer]] = {}
        """Jobs that wait for the test's own hand, by id."""
        self._why: dict[str, str] = {}
        self._faults: list[BaseException] = []
        self._lock = threading.Lock()
        self._addresses: dict[str, str] = {}
        """Of webhooks, by the trigger's id."""
        self._workflows: list[str] = []
        self._ids: dict[str, str] = {}
        """Of users, by the name of the person."""
        self._delegations: dict[str, str] = {}
        """By whom they were given."""

    def publish(self) -> None:
        for each in self._staged.definitions:
            self._workflows.append(self._ask(partial(self._client.apply, each, publish=True)).id)

    # The worker

    @contextmanager
    def working(self) -> Iterator[None]:
        if not self._staged.jobs:
            yield
            return
        worker, loop = Worker(self._client, concurrency=50, grace_seconds=GRACE), asyncio.new_event_loop()
        for type, (kind, name) in self._staged.jobs.items():
            worker.task(type)(self._handler(kind, name))
        thread = threading.Thread(target=self._serve, args=(loop, worker), name="gesta-testkit")
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(worker.stop)
            for hand in self._hands.values():
                hand.cancel()
            thread.join()

    def _serve(self, loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            try:
                runner.run(worker.serve())
            except Exception as error:
                self._faults.append(error)

    def _handler(self, kind: Kind, name: str) -> Callable[[Json, LeasedJob], Any]:
        async def work(input: Json, job: LeasedJob) -> Json:
            given = self._staged.question(name, kind, input)
            answer = Answer(Never())
            if self._doubles.has(kind, name):
                answer = await asyncio.to_thread(self._answer, Asked(name, kind, given, job.attempt, self.now))
            await asyncio.sleep(answer.after.total_seconds())
            if isinstance(answer.says, Never):
                answer = await asyncio.wrap_future(self._by_hand(job.id, name, known=self._doubles.has(kind, name)))
            return self._said(kind, name, input, answer)

        return work

    def _answer(self, question: Asked) -> Answer:
        try:
            with self._lock:
                answer = self._doubles.ask(question)
        except AssertionError as fault:
            self._faults.append(fault)
            return Answer(Never())
        if isinstance(answer.says, Lost):
            self._faults.append(AssertionError(f"{question.of}: lost() is for scenarios without a server."))
            return Answer(Never())
        return answer

    def _by_hand(self, job_id: str, name: str, *, known: bool) -> "Future[Answer]":
        self._why[job_id] = f"{name}, which its double never answers" if known else f"{name}, no double answers it"
        return self._hands.setdefault(job_id, Future())

    def _said(self, kind: Kind, name: str, input: Json, answer: Answer) -> Json:
        says = answered(self._staged.nodes.get(name), input, answer.says) if kind == "http" else answer.says
        if isinstance(says, Fails):
            raise _exception(says.failure)
        return says

    # What a test does

    def start(self, input: Json, business_key: str | None, priority: int, who: Person) -> str:
        client = self._person(who)
        begin = partial(client.start, self._staged.key, input, business_key=business_key, priority=priority)
        return self._ask(begin).id

    def decide(self, request_id: str, who: Person, said: Deciding) -> None:
        client, about = self._person(who), vars(said) | {}
        if said.on_behalf_of is not None:
            about["on_behalf_of"] = self.id_of(said.on_behalf_of)
        self._ask(partial(client.decide, request_id, about.pop("outcome"), **about))

    def asked(self, request_id: str) -> Json:
        found = self._ask(partial(self._client.approval, request_id)).data["assigned_to"]
        names = {self.id_of(name): name for name in self._server.people}
        return {"users": [names.get(id, id) for id in found["users"]], "roles": found["roles"]}

    def id_of(self, name: str) -> str:
        """Of the user whose key it is."""
        if name not in self._ids:
            client, me = self._person(Person(name)), get("/me")
            self._ids[name] = str(self._ask(lambda: client.run(me))["user_id"])
        return self._ids[name]

    def change(self, name: str, changes: Mapping[str, Json]) -> None:
        raise NotImplementedError(THEIR_OWN)

    def member(self, name: str, what: str) -> None:
        raise NotImplementedError(THEIR_OWN)

    def delegate(self, giver: str, to: str, terms: Delegating) -> str:
        moments = {"starts_at": terms.starts_at, "ends_at": terms.ends_at}
        told = {name: None if moment is None else moment.isoformat() for name, moment in moments.items()}
        about = {name: value for name, value in (vars(terms) | told).items() if value is not None}
        flow: Flow[Json] = command("/delegations", {**about, "to_user_id": self.id_of(to), "workflows": list(terms.workflows)})
        client = self._person(Person(giver))
        id = str(self._ask(lambda: client.run(flow))["id"])
        self._delegations[id] = giver
        return id

    def end_delegation(self, giver: str, id: str, by: str) -> None:  # noqa: ARG002
        flow: Flow[Json] = command(f"/delegations/{id}", {}, method="DELETE")
        client = self._person(Person(by))
        self._ask(lambda: client.run(flow))
        self._delegations.pop(id, None)

    def do(self, execution_id: str, what: str, body: Mapping[str, Json]) -> None:
        self._send(f"/executions/{execution_id}/{what}", dict(body))

    def event(self, type: str, data: Json, id: str, source: str, subject: str | None) -> None:
        event = {"specversion": "1.0", "id": id, "source": source, "type": type, "data": data}
        self._send("/events", event if subject is None else {**event, "subject": subject})

    def request(self, trigger: str, body: Json, headers: Mapping[str, str], query: Mapping[str, str], id: str | None) -> str:
        found = self._ask(lambda: self._client.run(get("/triggers", {"workflow_key": self._staged.key})))["items"]
        (trigger_id,) = [each["id"] for each in found if each["key"] == trigger]
        if trigger_id not in self._addresses:
            self._addresses[trigger_id] = self._send(f"/triggers/{trigger_id}/rotate", {})["address"]
        about = {**headers, **({} if id is None else {"webhook-id": id})}
        url = self._client.options.url.rstrip("/") + self._addresses[trigger_id]
        answer = httpx2.post(url, json=body, headers=about, params=dict(query), timeout=self._server.patience)
        if answer.status_code != 202:
            error = from_answer(answer.status_code, answer.content)
            raise Refused(error.code, error.detail)
        return str(answer.json()["outcome"])

    def call(self, trigger: str, arguments: Json, who: Person) -> str:
        """By the protocol itself, as a client of one of its earlier revisions."""
        client, definition = self._person(who), self._staged.definitions[-1]
        (tool,) = [tool_of(each, self._staged.key) for each in definition["triggers"] if key_of(each) == trigger]
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        url, who_asks = f"{client.options.url.rstrip('/')}/mcp", client.options.of_httpx()["headers"]
        answer = httpx2.post(url, json=asked, headers=who_asks, timeout=self._server.patience)
        if answer.status_code != 200:
            error = from_answer(answer.status_code, answer.content)
            raise Refused(error.code, error.detail)
        told = answer.json()["result"]["structuredContent"]
        if "execution_id" not in told:
            raise Refused(told["code"], told["message"])
        return str(told["execution_id"])

    def report(self, job_id: str, output: Json, error: tuple[str, str, bool] | None) -> None:
        self.until(lambda: job_id in self._hands)
        if job_id not in self._hands:
            raise AssertionError("This job is answered by a double.")
        hand = self._hands.pop(job_id)
        self._why.pop(job_id, None)
        hand.set_result(Answer(output if error is None else Fails(Failure(*error))))

    def pass_time(self, span: str) -> None:
        seconds = duration(span).total_seconds()
        if seconds > LONGEST:
            raise ValueError(f"On a server time is real: {span} is longer than a test may take. Play this without a server.")
        time.sleep(seconds)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    # What happened

    def history(self, execution_id: str) -> Sequence[Happening]:
        """Once it has come to rest, as far as doubles go."""
        until = time.monotonic() + self._server.patience
        while True:
            self.check()
            found = self._history(execution_id)
            if not self._moves(found) or time.monotonic() >= until:
                return found
            time.sleep(POLL)

    def until(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + self._server.patience
        while not holds() and time.monotonic() < until:
            self.check()
            time.sleep(POLL)

    @property
    def executions(self) -> Sequence[str]:
        page = self._ask(partial(self._client.executions, workflow_key=self._staged.key))
        return [each.id for each in reversed(page.items)]

    def items(self, execution_id: str, node: str) -> Sequence[str]:
        raise NotImplementedError("A server tells nothing of single items. Play this without one.")

    def due(self, request_id: str) -> datetime | None:
        due = self._ask(partial(self._client.approval, request_id)).data["due_at"]
        return None if due is None else datetime.fromisoformat(due)

    def outcomes(self, request_id: str) -> Sequence[tuple[str, str]]:
        found = self._ask(partial(self._client.approval, request_id)).data["request_data"]["outcomes"]
        return list(dict.fromkeys((each["name"], each["kind"]) for each in found))

    def unserved(self, execution_id: str) -> Mapping[str, str]:  # noqa: ARG002
        return dict(self._why)

    def check(self) -> None:
        """Raises what a double raised that was no answer."""
        if self._faults:
            raise self._faults.pop(0)

    def end_executions(self) -> None:
        """What still runs, whatever else went wrong."""
        with suppress(ApiError, Refused):
            for id in self.executions:
                if self._client.execution(id).status in ("running", "paused"):
                    self._send(f"/executions/{id}/terminate", {"reason": "The test is over."})

    def archive(self) -> None:
        """What was published; and what was delegated is taken back."""
        for id, giver in list(self._delegations.items()):
            with suppress(Refused):
                self.end_delegation(giver, id, giver)
        for id in self._workflows:
            with suppress(Refused):
                self._send(f"/workflows/{id}/archive", {"reason": "The test is over."})

    def _history(self, execution_id: str) -> list[Happening]:
        found: list[Happening] = []
        cursor: str | None = None
        while True:
            page = self._client.history(execution_id, limit=200, cursor=cursor)
            for each in page.items:
                topic = str(each["topic"]).rpartition(".")[0]
                about = {name: each[name] for name in ("node_id", "activation_id") if name in each}
                found.append(Happening(topic, {**each["data"], **about}, datetime.fromisoformat(each["recorded_at"])))
            cursor = page.next_cursor
            if cursor is None:
                return found

    def _moves(self, history: Sequence[Happening]) -> bool:
        """Whether something goes on by itself, without a person, an event or a moment."""
        if not history or any(each.topic in ENDS for each in history):
            return not history
        if [each.topic for each in history if each.topic in PAUSES][-1:] == ["execution.paused"]:
            return False
        if history[-1].topic == HELD and history[-1].data.get("job_id"):
            return True
        return any(self._is_done_by_itself(wait) for wait in _waits(history).values())

    def _is_done_by_itself(self, wait: Mapping[str, Json]) -> bool:
        match wait["kind"]:
            case "job":
                return str(wait["id"]) not in self._why
            case "ai_task":
                return True
            case "execution":
                return self._moves(self._history(str(wait["id"])))
            case _:
                return False

    # Asking

    def _person(self, who: Person) -> Client:
        if who.name is None:
            return self._client
        if who.name not in self._server.people:
            known = ", ".join(self._server.people) or "nobody"
            raise ValueError(f"Server(people=…) has no client of {who.name}, but of: {known}.")
        return self._server.people[who.name]

    def _send(self, path: str, body: Json) -> Json:
        flow: Flow[Json] = command(path, body)
        return self._ask(lambda: self._client.run(flow))

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except ApiError as error:
            faults = [f"{fault.path}: {fault.message}" for fault in error.errors]
            raise Refused(error.code, " ".join([error.detail, *faults])) from error


def _waits(history: Sequence[Happening]) -> dict[str, Mapping[str, Json]]:
    """What its visits wait for now, by id."""
    found: dict[str, dict[str, Mapping[str, Json]]] = {}
    for each in history:
        id = each.data.get("activation_id", "")
        match each.topic:
            case "activation.started":
                found[id] = {str(wait["id"]): wait for wait in each.data.get("waits") or ()}
            case "activation.waiting":
                gone = {str(one) for one in each.data.get("ended") or ()}
                kept = {wait_id: wait for wait_id, wait in found[id].items() if wait_id not in gone}
                found[id] = kept | {str(wait["id"]): wait for wait in each.data.get("added") or ()}
            case "activation.completed" | "activation.failed" | "activation.cancelled":
                found.pop(id, None)
            case _:
                pass
    return {wait_id: wait for waits in found.values() for wait_id, wait in waits.items()}


def _exception(failure: Failure) -> Exception:
    """As a worker's function would raise it."""
    if not failure.retryable:
        return NonRetryable(failure.message, type=failure.type)
    kind: type[Exception] = type(failure.type, (Exception,), {})
    return kind(failure.message)

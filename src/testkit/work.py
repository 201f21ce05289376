"""Jobs done by doubles in a world in memory: taken up, answered at once or later, reported as the runners report them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.ai_task import AI_TASK
from domain.bulk_operation import JOB as BULK_OPERATION
from domain.event import EVENT, EventReceived
from domain.execution import EXECUTION
from domain.facts import Decided, Job, Json, Refusal, View
from domain.notification_preferences import DIGEST
from domain.retry import Failure
from domain.trigger import scope_of as of_triggers
from engine.ai_job import AI
from engine.ai_tasks import fail_attempt, start_attempt, succeed_attempt
from engine.children import settle_child
from engine.context import Engine
from engine.deliveries import DELIVER, scope_of
from engine.events import EventSubscription, deliver, delivered
from engine.expired_leases import expire_lease
from engine.family import CHILD
from engine.fan_out import MOVE_ITEMS
from engine.foreaches import move_items
from engine.jobs import JobRef, complete_job, complete_own, continue_run, fail_job, fail_own, stream_of
from engine.nodes.http import JOB as HTTP
from engine.nodes.wait_event import LOOK_BACK
from engine.triggers.arriving import start_by_event
from engine.work import CONTINUE
from testkit.doubles import Asked, Doubles, Fails, Kind, Lost, Never, Response
from testkit.publishing import STUB
from testkit.room import Room
from testkit.world import JobRow, World

OWN_JOBS = frozenset({AI, HTTP, CONTINUE, CHILD, DELIVER, LOOK_BACK, MOVE_ITEMS, BULK_OPERATION, DIGEST})
"""Types of jobs that the platform's own worker does: the kit does them, or has doubles for them."""
JITTER = 0.5
"""Pauses are as long as the policy says."""
NO_ATTEMPT = UUID(int=0)
MAY_HAVE_BEEN_SENT = frozenset({"request_timeout", "protocol", "too_large"})
"""Failures after which a request that is not idempotent is not sent again."""


@dataclass(frozen=True)
class Pending:
    """An answer that comes later."""

    at: datetime
    order: int
    row: JobRow
    says: Json


class Work:
    def __init__(self, world: World, engine: Engine, doubles: Doubles) -> None:
        self._world = world
        self._engine = engine
        self._doubles = doubles
        self._room = Room()
        self._pending: list[Pending] = []
        self._attempts: dict[UUID, UUID] = {}
        """Of AI tasks that run: by job."""

    def moments(self) -> Iterator[datetime]:
        """When something is to be done."""
        yield from (at for _, at in self._ready())
        yield from (each.at for each in self._pending)

    def _ready(self) -> Iterator[tuple[JobRow, datetime]]:
        """Jobs that are to be handed out, and from when on they may."""
        rows = self._world.jobs.values()
        for row in rows:
            since = None if row.asked or row.held else self._room.since(row.job, rows)
            if since is not None:
                yield row, max(row.ready_at, since)

    def do_one(self) -> bool:
        """Whether there was anything to do at this moment."""
        now = self._world.now
        due = [each for each in self._pending if each.at <= now]
        if due:
            first = min(due, key=lambda each: (each.at, each.order))
            self._pending.remove(first)
            if self._world.jobs.get(first.row.job.id) is first.row:
                self._report(first.row, first.says)
            return True
        ready = [row for row, at in self._ready() if at <= now]
        if not ready:
            return False
        self._take(min(ready, key=lambda row: (row.ready_at, -row.job.priority, row.order)))
        return True

    def unserved(self, execution_id: UUID) -> Mapping[str, str]:
        pending = {each.row.job.id: each.at for each in self._pending}
        rows = [row for row in self._world.jobs.values() if row.asked and execution_id in whose_is(row.job)]
        return {str(row.job.id): self._why(row, pending.get(row.job.id)) for row in rows}

    def report_by_hand(self, job_id: UUID, output: Json, error: tuple[str, str, bool] | None) -> None:
        row = self._world.jobs[job_id]
        self._report(row, output if error is None else Fails(Failure(*error)), strictly=True)

    # Jobs of our own

    def _take(self, row: JobRow) -> None:
        job, held, world, engine = row.job, ref(row.job), self._world, self._engine
        row.asked = True
        self._room.take(job, world.now)
        match job.type:
            case _ if job.type == CONTINUE:
                world.do(lambda view: continue_run(view, engine, held))
            case _ if job.type == CHILD:
                child, ends = UUID(job.input["execution"]), job.input.get("terminate", False)
                world.do(lambda view: settle_child(view, engine, held, child, terminate=ends))
            case _ if job.type == DELIVER:
                self._deliver(held, UUID(job.input["event"]), job.input.get("to", ()))
            case _ if job.type == LOOK_BACK:
                self._look_back(job, held)
            case _ if job.type == MOVE_ITEMS:
                foreach, turn, chunk = UUID(job.input["foreach"]), job.input.get("turn"), job.input.get("chunk")
                chunk_id = None if chunk is None else UUID(chunk)
                world.do(lambda view: move_items(view, engine, held, foreach, chunk_id=chunk_id, turn=turn))
            case _ if job.type.startswith("gesta.") and job.type not in (AI, HTTP):
                raise NotImplementedError(f"The test kit does not know jobs of the type {job.type}.")
            case _:
                self._ask(row)

    def _deliver(self, held: JobRef, event_id: UUID, at_once: Iterable[tuple[str, str]]) -> None:
        world, engine = self._world, self._engine
        event = world.read(EVENT, event_id).event
        assert event is not None
        came = world.of(event_id)[0].position
        before = [EventSubscription(UUID(claim.name), claim.owner) for claim in world.waiting(scope_of(event.type), came)]
        since = [EventSubscription(UUID(wait), UUID(stream)) for wait, stream in at_once]
        woken = sum(self._told(event_id, each) for each in (*since, *before))
        started = 0
        for claim in world.waiting(of_triggers(event.type), came):
            done = world.do(lambda view, id=claim.owner: start_by_event(view, engine, event_id, id))  # type: ignore[misc]
            started += done.result is not None and done.result["execution"] is not None
        world.do(lambda view: delivered(view, held, event_id, woken, started))

    def _told(self, event_id: UUID, to: EventSubscription) -> bool:
        done = self._world.do(lambda view: deliver(view, self._engine, event_id, to))
        return done.result is not None and done.result["execution"] is not None

    def _look_back(self, job: Job, held: JobRef) -> None:
        stream_id = stream_of(held)
        assert stream_id is not None
        world, wait, type = self._world, UUID(job.input["wait"]), job.input["type"]
        began = world.taken_at(scope_of(type), str(wait))
        if began is None:
            world.jobs.pop(job.id, None)
            return
        oldest = world.records[began - 1].at - timedelta(seconds=job.input["seconds"])
        for record in reversed(world.records[: began - 1]):
            wanted = isinstance(record.event, EventReceived) and record.event.type == type and record.at >= oldest
            if wanted and self._told(record.stream_id, EventSubscription(wait, stream_id)):
                return
        world.do(lambda view: complete_own(view, self._engine, held, None))

    # Jobs that doubles do

    def _ask(self, row: JobRow) -> None:
        row.asks += 1
        kind, name, input = self._question(row.job)
        if not self._doubles.has(kind, name):
            return
        if kind == "ai":
            self._start_attempt(row)
        answer = self._doubles.ask(Asked(name, kind, input, row.asks, self._world.now))
        if isinstance(answer.says, Never):
            return
        if answer.after:
            self._pending.append(Pending(self._world.now + answer.after, row.order, row, answer.says))
        else:
            self._report(row, answer.says)

    def _question(self, job: Job) -> tuple[Kind, str, Json]:
        match job.type:
            case _ if job.type == AI:
                assert job.task_id is not None
                asked = self._world.read(AI_TASK, job.task_id).requested
                assert asked is not None
                input = {"model": asked.model, "prompt": asked.prompt, "system": asked.system_prompt, "input": asked.input}
                return "ai", asked.node_id or asked.task_name, {**input, "context": asked.context}
            case _ if job.type == HTTP:
                given = {name: job.input[name] for name in ("method", "url", "headers")}
                return "http", self._node_of(job), {**given, "body": body_of(job.input["body"])}
            case _ if job.type.startswith(STUB):
                return "workflow", job.type.removeprefix(STUB), job.input
            case _:
                return "worker", job.type, job.input

    def _node_of(self, job: Job) -> str:
        stream_id = stream_of(ref(job))
        assert job.activation_id is not None
        assert stream_id is not None
        return self._world.read(EXECUTION, stream_id).activations[job.activation_id].node_id

    def _start_attempt(self, row: JobRow) -> None:
        job, attempt_id = ref(row.job), self._world.new_id()
        self._world.do(
            lambda view: start_attempt(view, self._engine, job, attempt_id, provider="double", model="double", worker_id="kit")
        )
        self._attempts[row.job.id] = attempt_id

    def _report(self, row: JobRow, says: Json, *, strictly: bool = False) -> None:
        """`strictly`: it is the test's own, and what refuses it is the test's to know."""
        if row.job.type == AI and row.job.id not in self._attempts:
            self._start_attempt(row)
        decide = self._decision(row, says)
        try:
            done = self._world.do(decide)
        except Refusal:
            if strictly:
                raise
            return  # whoever reports too late is told so, and nothing else comes of it
        if any(fence.then == "keep" for fence in done.fences):
            self._ask(row)

    def _decision(self, row: JobRow, says: Json) -> Callable[[View], Decided]:
        held, engine = ref(row.job), self._engine
        attempt = self._attempts.pop(row.job.id, NO_ATTEMPT)
        match says, row.job.type:
            case Lost(), _:
                return lambda view: expire_lease(view, engine, held, jitter=JITTER)
            case Fails(failure=failure, retry_after=after), _ if row.job.type == AI:
                return lambda view: fail_attempt(
                    view, engine, held, attempt, failure, jitter=JITTER, retry_after=after, latency_ms=0
                )
            case _, _ if row.job.type == AI:
                return lambda view: succeed_attempt(
                    view, engine, held, attempt, says, jitter=JITTER, latency_ms=0, provider="double", model="double"
                )
            case Fails(failure=failure), _ if row.job.type == HTTP:
                again = failure.retryable and (row.job.input["idempotent"] or failure.type not in MAY_HAVE_BEEN_SENT)
                told = Failure(failure.type, failure.message, again)
                return lambda view: fail_own(view, engine, held, told, jitter=JITTER)
            case _, _ if row.job.type == HTTP:
                exchange = exchange_of(says if isinstance(says, Response) else Response(200, says), row.job.input["response_as"])
                return lambda view: complete_own(view, engine, held, exchange)
            case Fails(failure=failure), _:
                return lambda view: fail_job(view, engine, held, failure, jitter=JITTER)
            case _:
                return lambda view: complete_job(view, engine, held, says)

    def _why(self, row: JobRow, at: datetime | None) -> str:
        kind, name, _ = self._question(row.job)
        what = {"worker": "job type", "ai": "AI task of node", "http": "request of node", "workflow": "workflow"}[kind]
        if at is not None:
            return f"{what} {name}, answered at {at.isoformat()}"
        return (
            f"{what} {name}, which its double never answers"
            if self._doubles.has(kind, name)
            else f"{what} {name}, no double answers it"
        )


def whose_is(job: Job) -> tuple[UUID | None, UUID | None]:
    """The execution that a job is for, and the item in it."""
    return job.execution_id, stream_of(ref(job))


def ref(job: Job) -> JobRef:
    return JobRef(job.id, 1, job.execution_id, job.activation_id, job.task_id, job.type)


def body_of(sent: Json) -> Json:
    """What a request carries, without how."""
    if not isinstance(sent, dict):
        return sent
    if "form" in sent:
        return dict(sent["form"])
    return sent["json"] if "json" in sent else sent.get("text")


def exchange_of(answer: Response, wanted: str) -> Json:
    """As the runner tells it: {response, retry_after, jitter}."""
    headers = {name.lower(): str(value) for name, value in answer.headers.items()}
    body, encoding = answer.body, "json"
    if body is None or wanted == "none":
        body, encoding = None, "none"
    elif isinstance(body, str) and wanted != "json":
        encoding = "base64" if wanted == "base64" else "text"
    after = headers.get("retry-after", "")
    return {
        "response": {"status": answer.status, "headers": headers, "body": body, "encoding": encoding},
        "retry_after": float(after) if after.isdecimal() else None,
        "jitter": JITTER,
    }

"""Plays a definition in the engine, which is killed after every step, and in the simulation of the contract, and compares."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any
from uuid import UUID

import pytest

from domain.ai_task import AiTaskAttemptFailed, AiTaskAttemptSucceeded, AiTaskRequested
from domain.event import EventReceived
from domain.execution import (
    TIMEOUT,
    Activation,
    ActivationCancelled,
    ActivationStarted,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ItemCancelled,
    ItemCompleted,
    ItemFailed,
)
from domain.facts import Decided, Json, Refusal, Timer, View
from domain.retry import Failure
from engine.ai_tasks import fail_attempt, start_attempt, succeed_attempt
from engine.deliveries import DELIVER
from engine.engine import (
    Decider,
    Engine,
    EngineLimits,
    cancel,
    complete_job,
    decide_approval,
    fail_job,
    fire,
    pause,
    resume,
    signal,
    start,
    terminate,
)
from engine.events import EventSubscription, deliver, delivered, receive
from engine.expired_leases import expire_lease
from engine.jobs import JobRef, complete_own, continue_run, fail_own
from engine.nodes.http import JOB as HTTP
from store.topics import topic_of
from tests.engine.drawing import EXECUTION_ID, WORKFLOW_ID
from tests.engine.restarting import Ledger
from tests.engine.simulator import Place, Token
from tests.engine.working import found
from tests.engine.working_nets import MESSAGE, WorkingDrawer, drawn_working
from tests.engine.working_simulator import WORKS, Message, WorkingSimulation

ANN = UUID(int=0xA1)
LATE = {"lease_lost", "activation_closed"}
STEPS = 40


class Player:
    """Does the same in the engine and in the simulation, and compares them after every step."""

    def __init__(self, seed: int) -> None:
        self.seed, self.random, self.seen = seed, Random(seed), Counter[str]()
        self.simulation, self.limits = self.drawn()
        self.ledger = Ledger(drawn_working(self.simulation.net), self.limits)
        self.serial = 0
        self.log: list[str] = []
        self.handed_out: list[tuple[JobRef, UUID | None]] = []
        self.found: list[tuple[Timer, int]] = []
        self.telling: dict[UUID, tuple[Message, list[UUID]]] = {}
        """Events that came, and to whom each is still to be told."""
        self.waits_at: dict[UUID, UUID] = {}
        """Where those who wait for events are recorded."""
        self.attempts: dict[Token, UUID] = {}
        """Of agents: what is under way."""

    def drawn(self) -> tuple[WorkingSimulation, EngineLimits]:
        share = self.random.choice([1, 2, 3, 10_000])
        limits = EngineLimits(steps_per_command=share, steps_per_execution=60)
        return WorkingSimulation(WorkingDrawer(self.seed).net(), limits.steps_per_execution, share=share), limits

    def play(self) -> Counter[str]:
        self.simulation.start()
        self.do("start", lambda view, engine: start(view, engine, workflow_id=WORKFLOW_ID, execution_id=EXECUTION_ID, input={}))
        for _ in range(STEPS):
            if self.over:
                break
            self.step()
        self.finish()
        for job, attempt_id in self.handed_out:
            if attempt_id is not None and self.under_way(job, attempt_id):
                self.answer_late(job, attempt_id)
        return self.seen + Counter({"played": 1, self.simulation.end: 1, "not undone": self.simulation.not_undone})

    @property
    def over(self) -> bool:
        return bool(self.simulation.end)

    def finish(self) -> None:
        """Everybody does what there is to do, and some time it is cancelled."""
        for turn in range(300):
            if self.simulation.end:
                return
            if turn == 60 and not self.simulation.undoing:
                self.cancel()
            elif self.simulation.paused:
                self.resume()
            elif self.simulation.left_off:
                self.go_on()
            else:
                self.answer(0)
        raise AssertionError(f"it does not end: {self.told}")

    def step(self) -> None:
        draw, simulation = self.random.random(), self.simulation
        if draw < 0.05:
            (self.resume if simulation.paused else self.pause)()
        elif draw < 0.10:
            self.signal()
        elif draw < 0.15:
            self.event()
        elif draw < 0.22:
            self.tell()
        elif draw < 0.26:
            self.late()
        elif draw < 0.28:
            self.found = list(self.ledger.timers.values())
        elif draw < 0.32:
            self.fire_what_is_not_due()
        elif draw < 0.34:
            self.random.choice([self.cancel, self.cancel, self.time_is_up, self.terminate])()
        elif simulation.left_off and (draw < 0.8 or not simulation.held):
            self.go_on()
        elif simulation.held:
            self.answer(self.random.random())
        elif simulation.paused:
            self.resume()

    # --- What both do -------------------------------------------------------------------------------------------------

    def do(self, what: str, decision: Callable[[View, Engine], Decided]) -> Decided:
        self.log.append(what)
        self.settle()
        before = self.waiting
        decided = self.ledger.do(decision)
        self.waits_at |= {UUID(each.name): each.owner for each in decided.claims}
        self.see(decided)
        self.hear_what_is_said(decided, before)
        self.compare()
        return decided

    # Others, that are played together with it, there are in tests/engine/playing_families.py.

    @property
    def simulations(self) -> list[WorkingSimulation]:
        return [self.simulation]

    def of(self, token: Token) -> WorkingSimulation:  # noqa: ARG002
        """Where it is held."""
        return self.simulation

    def stream(self, simulation: WorkingSimulation) -> UUID:  # noqa: ARG002
        return EXECUTION_ID

    def settle(self) -> None:
        """What follows for the others."""

    def see(self, decided: Decided) -> None:
        """Who has begun."""

    @property
    def held(self) -> list[Token]:
        return [token for each in self.simulations for token in each.held]

    def wanted(self, token: Token) -> bool:  # noqa: ARG002
        """Whether anything follows from what happens to it."""
        return True

    @property
    def answerable(self) -> list[Token]:
        return self.held

    @property
    def waiting(self) -> list[UUID]:
        """Who is found by a name, waiting for messages."""
        return [UUID(name) for scope, name in self.ledger.claims if scope == f"event.wait:{MESSAGE}"]

    def hear_what_is_said(self, decided: Decided, before: list[UUID]) -> None:
        """Those are told who waited before the command in which it is said, and those whom its job names."""
        jobs = {job.input["event"]: job for job in decided.jobs if job.type == DELIVER}
        messages = [each for each in self.simulation.clock.messages if not each.name]
        said = [fact for fact in decided.facts if isinstance(fact.event, EventReceived)]
        assert len(said) == len(messages), self.told
        for fact, message in zip(said, messages, strict=True):
            job = jobs[str(fact.stream_id)]
            message.name = str(fact.stream_id)
            at_once = {UUID(wait): UUID(stream) for wait, stream in job.input.get("to", ())}
            self.waits_at |= at_once
            waiting = [*before, *at_once]
            tokens = [token for each in self.simulations for token in each.told(message)]
            held = [wait for token in tokens for wait in self.visit(token).waits_for("event")]
            assert set(held) == self.open_waits & set(waiting), f"{held} are to be told: {self.told}"
            self.random.shuffle(waiting)
            self.telling[fact.stream_id] = (message, waiting)
            assert isinstance(fact.event, EventReceived)
            self.seen["said"] += fact.event.emitted_by is not None

    @property
    def open_waits(self) -> set[UUID]:
        return {wait for token in self.held for wait in self.visit(token).waits_for("event")}

    def refused(self, what: str, codes: set[str], decision: Callable[[View, Engine], Decided]) -> None:
        with pytest.raises(Refusal) as refused:
            self.ledger.do(decision)
        assert refused.value.code in codes, f"{what}: {self.told}"
        self.seen["refused"] += 1

    def nothing(self, what: str, decision: Callable[[View, Engine], Decided]) -> None:
        assert self.do(what, decision).facts == (), self.told
        self.seen["nothing"] += 1

    @property
    def told(self) -> str:
        simulation, history = self.simulation, self.ledger.history
        begun = [event.node_id for event in history if isinstance(event, ActivationStarted)]
        ends: Any = (simulation.end, simulation.undoing, ended_as(history[-1]))
        return f"definition {self.seed}, {self.limits}, after {self.log}: {begun}, expected {simulation.visited}; {ends}"

    def compare(self) -> None:
        for each in self.simulations:
            self.compare_with(each)

    def compare_with(self, simulation: WorkingSimulation) -> None:
        history = self.ledger.history_of(self.stream(simulation))
        begun = [event for event in history if isinstance(event, ActivationStarted)]
        assert [event.node_id for event in begun] == simulation.visited, self.told
        assert [each.node_id for each in self.visits(simulation)] == simulation.open, self.told
        cancelled = [event.node_id for event in history if isinstance(event, ActivationCancelled)]
        assert cancelled == simulation.cancelled, self.told
        assert ended_as(history[-1]) == simulation.end, self.told
        for number, seen in simulation.seen.items():
            assert self.shown(begun[number - 1]) == seen, f"{number} {self.told}"
        last = history[-1]
        if isinstance(last, ExecutionFailed | ExecutionCancelled) and last.compensation is not None:
            result = last.compensation
            counted = (simulation.undone, simulation.not_undone)
            assert (result.undone, result.failed) == counted, self.told
            assert result.left == len(simulation.done) + len(self.undoing_given_up(simulation)), self.told
            self.seen["undone"] += result.undone

    def undoing_given_up(self, simulation: WorkingSimulation) -> list[str]:
        """A visit that undoes is given up where it is terminated meanwhile."""
        history = self.ledger.history_of(self.stream(simulation))
        gone = [event for event in history if isinstance(event, ActivationCancelled)]
        return [event.node_id for event in gone if event.node_id.startswith("undo_")]

    def visits(self, simulation: WorkingSimulation) -> list[Activation]:
        state = self.ledger.state_of(self.stream(simulation))
        return sorted(state.activations.values(), key=lambda each: each.order)

    def visit(self, token: Token) -> Activation:
        simulation = self.of(token)
        return self.visits(simulation)[simulation.held.index(token)]

    def job(self, token: Token) -> JobRef:
        (job_id,) = self.visit(token).waits_for("job")
        job = self.ledger.jobs[job_id]
        return JobRef(job_id, 1, job.execution_id, job.activation_id, job.task_id, job.type)

    def shown(self, begun: ActivationStarted) -> Json:
        """What a visit was told, in the words of the simulation."""
        told = begun.input
        if begun.node_type == "http":
            told = begun.input["body"]["json"]
        elif begun.node_type == "ai_agent":
            tasks = (each.event for each in self.ledger.events if each.topic == topic_of(AiTaskRequested))
            (told,) = (each.input for each in tasks if each.activation_id == begun.activation_id)  # type: ignore[attr-defined]
        if begun.compensates is not None:
            return told
        return {name: in_short(some[0]) for name, some in told.items() if some}

    def next_serial(self) -> Json:
        self.serial += 1
        return {"serial": self.serial}

    # --- Answering what is open ---------------------------------------------------------------------------------------

    def answer(self, draw: float) -> None:
        """Something happens to a visit that waits. `draw`: from 0, where it goes well, to 1."""
        token = self.random.choice(self.answerable) if draw else self.answerable[0]
        place = self.place(token)
        if place.timed and draw > 0.8:
            self.time_out(token)
        elif place.kind == "ask":
            self.decide(token, "again" if draw > 0.7 else "ok")
        elif place.kind in WORKS:
            self.work(token, draw)
        elif place.kind == "wait":
            self.wait(token)
        elif place.kind in ("child", "each"):
            return
        elif place.looks_back and draw < 0.8 and self.visit(token).waits_for("job"):
            self.look_back(token)
        elif draw == 0:
            self.signal(wanted=True)
        else:
            (self.signal if draw < 0.2 else self.event)()

    def place(self, token: Token) -> Place:
        return self.of(token).net.places[token.at]

    def decide(self, token: Token, outcome: str) -> None:
        (request_id,) = self.visit(token).waits_for("approval")

        def decision(view: View, engine: Engine) -> Decided:
            return decide_approval(view, engine, request_id, Decider(ANN, frozenset()), outcome=outcome)

        if self.of(token).paused:
            self.refused(f"decide {token.at}", {"execution_paused"}, decision)
            return
        simulation, stopped = self.of(token), outcome == "again" and self.place(token).stops
        before = len(simulation.cancelled)
        simulation.choose(token, outcome)
        self.do(f"{token.at} {outcome}", decision)
        self.seen["interrupted"] += len(simulation.cancelled) - before if stopped else 0

    def work(self, token: Token, draw: float) -> None:
        job, standing = self.job(token), self.of(token).standing[token.visit]
        kind = self.place(token).kind
        if not standing.handed_out:
            if kind == "agent" and self.random.random() < 0.2:
                self.lose_before_it_is_called(job)
                return
            if not self.of(token).paused:
                assert not self.ledger.jobs[job.id].held, self.told
                self.hand_out(token, job)
            elif kind == "agent":
                self.refused("a call", {"execution_paused"}, lambda view, engine: call_model(view, engine, job, UUID(int=1)))
            if self.of(token).paused or self.random.random() < 0.4:
                return
        if draw < 0.4:
            output = self.next_serial()
            report = self.reports(token, job, output)
            self.of(token).report(token, output)
            self.do(f"{token.at} done", report)
            return
        lapses, final = draw > 0.65, draw < 0.45
        type = "lease_lost" if lapses else "broken"
        if kind == "call" and not lapses:
            type = self.random.choice(["unreachable", "http_404", "http_429", "http_503"])
        may_be_again = not final or (kind == "call" and type != "unreachable")
        report = self.reports_failure(token, job, Failure(type, "It broke.", may_be_again))
        again = self.of(token).report_failure(token, type, again=may_be_again)
        self.seen["tried again"] += again

        def lapse(view: View, engine: Engine) -> Decided:
            return expire_lease(view, engine, job, jitter=0.5)

        decided = self.do(f"{token.at} {type}", lapse if lapses else report)
        assert [fence.then for fence in decided.fences] == ["retry" if again else "done"], self.told

    def hand_out(self, token: Token, job: JobRef) -> None:
        self.of(token).hand_out(token)
        attempt_id = None
        if self.place(token).kind == "agent":
            attempt_id = self.attempts[token] = UUID(int=0xA000 + len(self.handed_out))
            self.do(f"call {token.at}", lambda view, engine: call_model(view, engine, job, attempt_id))
        self.handed_out.append((job, attempt_id))

    def lose_before_it_is_called(self, job: JobRef) -> None:
        """No attempt is used up by it."""
        decided = self.do("a lease", lambda view, engine: expire_lease(view, engine, job, jitter=0.5))
        assert [fence.then for fence in decided.fences] == ["retry"], self.told

    def reports(self, token: Token, job: JobRef, output: Json) -> Callable[[View, Engine], Decided]:
        match self.place(token).kind:
            case "agent":
                return lambda view, engine: answer_of_model(view, engine, job, self.attempts[token], output)
            case "call":
                return lambda view, engine: complete_own(view, engine, job, exchange(200, output))
            case _:
                return lambda view, engine: complete_job(view, engine, job, output)

    def reports_failure(self, token: Token, job: JobRef, failure: Failure) -> Callable[[View, Engine], Decided]:
        match self.place(token).kind:
            case "agent":
                attempt_id = self.attempts[token]
                return lambda view, engine: fail_attempt(view, engine, job, attempt_id, failure, jitter=0.5)
            case "call" if failure.type.startswith("http_"):
                status = int(failure.type.removeprefix("http_"))
                return lambda view, engine: complete_own(view, engine, job, exchange(status, None))
            case "call":
                return lambda view, engine: fail_own(view, engine, job, failure, jitter=0.5)
            case _:
                return lambda view, engine: fail_job(view, engine, job, failure, jitter=0.5)

    def wait(self, token: Token) -> None:
        self.fire(token, "wait", self.of(token).wait_is_over)

    def time_out(self, token: Token) -> None:
        self.seen["timed out"] += 1
        self.fire(token, TIMEOUT, self.of(token).run_out_of_time)

    def fire(self, token: Token, purpose: str, happens: Callable[[Token], None]) -> None:
        visit = self.visit(token)
        (due,) = [each for each in self.ledger.timers.values() if (each[0].activation_id, each[0].purpose) == (visit.id, purpose)]
        standing = self.of(token).standing.get(token.visit)
        nobody = standing is not None and not standing.handed_out
        timer = found(*due, between_attempts=nobody)
        what = f"{token.at} {purpose}"
        if self.of(token).paused:
            self.nothing(what, lambda view, engine: fire(view, engine, timer))
        else:
            happens(token)
            self.do(what, lambda view, engine: fire(view, engine, timer))

    # --- Who comes too late -------------------------------------------------------------------------------------------

    def late(self) -> None:
        """A worker reports whose job has been taken back, or done with. What a model answers is on record all the same."""
        gone = [each for each in self.handed_out if each[0].id not in self.ledger.jobs]
        if not gone:
            return
        job, attempt_id = self.random.choice(gone)
        if attempt_id is None:
            report = complete_own if job.type == HTTP else complete_job
            output = exchange(200, None) if job.type == HTTP else None
            self.refused("a late report", LATE, lambda view, engine: report(view, engine, job, output))
        elif self.under_way(job, attempt_id):
            self.answer_late(job, attempt_id)

    def answer_late(self, job: JobRef, attempt_id: UUID) -> None:
        answer = self.next_serial()
        self.do("a late answer", lambda view, engine: answer_of_model(view, engine, job, attempt_id, answer))
        self.seen["late answers"] += 1

    def under_way(self, job: JobRef, attempt_id: UUID) -> bool:
        """Whether nobody has said what became of an attempt."""
        assert job.task_id is not None
        events = [each.event for each in self.ledger.events if each.stream_id == job.task_id]
        ended = [each for each in events if isinstance(each, AiTaskAttemptFailed | AiTaskAttemptSucceeded)]
        return all(each.attempt_id != attempt_id for each in ended)

    def fire_what_is_not_due(self) -> None:
        """Timers that were found before something else happened to them."""
        for timer, moved in self.found:
            if self.ledger.timers.get(timer.id) != (timer, moved):
                self.nothing("a timer found before", lambda view, engine: fire(view, engine, found(timer, moved)))  # noqa: B023

    # --- Messages -----------------------------------------------------------------------------------------------------

    def signal(self, *, wanted: bool | None = None, to: tuple[WorkingSimulation, UUID] | None = None) -> None:
        wanted = self.random.random() < 0.7 if wanted is None else wanted
        value, (subject, stream_id) = self.next_serial(), to or self.subject()
        subject.signal(value, wanted)
        payload = {"wanted": wanted, **value}
        self.do(f"signal {wanted}", lambda view, engine: signal(view, engine, stream_id, MESSAGE, payload))

    def event(self, *, wanted: bool | None = None) -> None:
        """Who waits before it comes is told, one after the other, and between other things."""
        wanted = self.random.random() < 0.7 if wanted is None else wanted
        value = self.next_serial()
        name, data = str(self.serial), {"wanted": wanted, **value}
        self.simulation.message(value, wanted)
        self.do("event", lambda view, _: receive(view, source="shop", id=name, type=MESSAGE, data=data))

    def tell(self) -> None:
        if not self.telling:
            return
        event_id = self.random.choice(list(self.telling))
        message, waiting = self.telling[event_id]
        if not waiting:
            del self.telling[event_id]
            (job,) = [job for job in self.ledger.jobs.values() if job.type == DELIVER and job.input["event"] == str(event_id)]
            self.do("told", lambda view, _: delivered(view, JobRef(job.id, 1), event_id, 0))
            return
        wait_id = waiting[0] if self.random.random() < 0.3 else waiting.pop()  # told twice, where somebody was killed
        self.tell_one(message, wait_id)

    def tell_one(self, message: Message, wait_id: UUID) -> bool:
        """Whether it was wanted."""
        event_id, stream_id = UUID(message.name), self.waits_at[wait_id]
        held = [each for each in self.held if wait_id in self.visit(each).waits_for("event") and self.wanted(each)]
        for token in held if message.wanted else ():
            self.seen["heard"] += 1
            self.of(token).hear(token, message.value)
        to = EventSubscription(wait_id, stream_id)
        self.do("tell", lambda view, engine: deliver(view, engine, event_id, to))
        return bool(held) and message.wanted

    def look_back(self, token: Token) -> None:
        """Who looks is lost half-way, or finds one that is wanted, or nothing."""
        (wait_id,), job = self.visit(token).waits_for("event"), self.job(token)
        for message in self.of(token).before(token):
            if self.random.random() < 0.1:
                return
            if self.tell_one(message, wait_id):
                self.seen["found by looking back"] += 1
                return
        if self.of(token).left_off:
            self.of(token).go_on()
        self.do(f"{token.at} looked back", lambda view, engine: complete_own(view, engine, job, None))

    # --- Steering -----------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        self.seen["paused"] += 1
        subject, stream_id = self.subject()
        subject.pause()
        self.do("pause", lambda view, engine: pause(view, engine, stream_id))

    def resume(self) -> None:
        subject, stream_id = self.subject(paused=True)
        subject.resume()
        self.do("resume", lambda view, engine: resume(view, engine, stream_id))

    def subject(self, *, paused: bool = False) -> tuple[WorkingSimulation, UUID]:  # noqa: ARG002
        """Whom a command is to."""
        return self.simulation, EXECUTION_ID

    def go_on(self) -> None:
        self.seen["left off"] += 1
        job_id = self.ledger.state.continuation
        assert job_id is not None, self.told
        self.simulation.go_on()
        self.do("go on", lambda view, engine: continue_run(view, engine, JobRef(job_id, 1, EXECUTION_ID)))

    def cancel(self) -> None:
        subject, stream_id = self.subject()
        if subject.undoing:
            self.refused("cancel", {"execution_compensating"}, lambda view, engine: cancel(view, engine, stream_id))
            return
        subject.fail_for("cancelled")
        self.do("cancel", lambda view, engine: cancel(view, engine, stream_id))

    def time_is_up(self) -> None:
        subject, stream_id = self.subject()
        timers = [(timer, moved) for timer, moved in self.ledger.timers.values() if timer.activation_id is None]
        for timer, moved in [each for each in timers if each[0].owner_id == stream_id]:
            if subject.paused:
                self.nothing("its time", lambda view, engine: fire(view, engine, found(timer, moved)))  # noqa: B023
            else:
                subject.fail_for("timeout")
                self.do("its time", lambda view, engine: fire(view, engine, found(timer, moved)))  # noqa: B023

    def terminate(self) -> None:
        subject, stream_id = self.subject()
        subject.terminate()
        self.do("terminate", lambda view, engine: terminate(view, engine, stream_id))


def call_model(view: View, engine: Engine, job: JobRef, attempt_id: UUID) -> Decided:
    return start_attempt(view, engine, job, attempt_id, provider="offline", model="echo", worker_id="w")


def answer_of_model(view: View, engine: Engine, job: JobRef, attempt_id: UUID, output: Json) -> Decided:
    about: Any = {"latency_ms": 7, "provider": "offline", "model": "echo"}
    return succeed_attempt(view, engine, job, attempt_id, output, jitter=0.5, **about)


def exchange(status: int, body: Json) -> Json:
    """As the runner of calls tells it."""
    response = {"status": status, "headers": {}, "body": body, "encoding": "none" if body is None else "json"}
    return {"response": response, "retry_after": None, "jitter": 0.5}


def ended_as(last: Any) -> str:
    match last:
        case ExecutionFailed() | ItemFailed():
            return last.code
        case ExecutionCompleted() | ItemCompleted():
            return "completed"
        case ExecutionCancelled() | ItemCancelled():
            return "cancelled"
        case _:
            return ""


def in_short(node: Json) -> Json:
    if "error" in node:
        assert "output" not in node
        return {"type": node["error"]["type"], "attempts": node["error"]["attempts"]}
    output = node["output"]
    return {"serial": output["data"]["serial"] if "data" in output else output["serial"]}

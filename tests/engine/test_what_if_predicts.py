"""What would have been is what comes: random definitions in a world where each visit comes to the same after the same time.

Each is played, changed, and the record played through what it was changed to; then that is played itself, in the same world. As
far as the record reaches, both are the same.

GESTA_TEST_NETS says how many definitions are played.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from domain.envelope import RecordedEvent
from domain.execution import ActivationStarted
from domain.facts import Json, View
from domain.retry import Failure
from engine.context import EngineLimits
from engine.engine import Decider, Engine, complete_job, decide_approval, fail_job, fire, start
from engine.jobs import JobRef
from engine.validate import errors, validate
from engine.what_if.comparing import Compared, Way
from engine.what_if.record import Key, PastExecution
from tests.engine.drawing import EVALUATOR, EXECUTION_ID, WORKFLOW_ID
from tests.engine.nets import Drawer, drawn
from tests.engine.past import past, recorded, through
from tests.engine.restarting import Ledger, Process
from tests.engine.test_restarts import SEEDS
from tests.engine.test_what_if_nets import ends
from tests.engine.working import found as due
from tests.given import MOMENT

ANN, BEN = UUID(int=0xA1), UUID(int=0xA2)
RULES: list[Json] = [{"type": "single"}, {"type": "multiple", "count": 2}, {"type": "multiple", "count": 2, "rejections": 2}]
LIMITS = EngineLimits(steps_per_execution=60)


class World:
    """`seed`: by which each visit comes to what it comes to."""

    def __init__(self, definition: Json, seed: int) -> None:
        self.seed = seed
        self.ledger = Ledger(definition, LIMITS)
        self.times = [MOMENT] * len(self.ledger.events)
        self.done: Counter[Key] = Counter()
        self.begun: dict[UUID, tuple[Key, datetime]] = {}

    def play(self) -> "World":
        self.do(MOMENT, lambda view, engine: start(view, engine, workflow_id=WORKFLOW_ID, execution_id=EXECUTION_ID, input={}))
        while (coming := min(self.coming(), key=lambda each: each[:3], default=None)) is not None:
            at, key, _, decide = coming
            self.done[key] += 1
            self.do(at, decide)
        return self

    def do(self, at: datetime, decide: Callable[[View, Engine], Any]) -> None:
        before = len(self.ledger.events)
        self.ledger.do(decide)
        self.times += [at] * (len(self.ledger.events) - before)
        for each in self.ledger.events[before:]:
            event = each.event
            if isinstance(event, ActivationStarted):
                self.begun[event.activation_id] = (event.node_id, event.visit), at

    def coming(self) -> Iterator[tuple[datetime, Key, int, Callable[[View, Engine], Any]]]:
        """Each visit asks two people or more, one after the other, or has a job with some attempts."""
        for activation in self.ledger.state.in_order:
            key, begun = self.begun[activation.id]
            number = self.done[key]
            at = begun + sum((self.span(key, turn) for turn in range(number + 1)), timedelta())
            for wait in activation.waits:
                if wait.kind == "approval":
                    yield at, key, number, self.decides(wait.id, UUID(int=0xA1 + number), self.outcome(key, number))
                elif wait.kind == "timer" and wait.due is not None and wait.due.after is not None:
                    yield begun + wait.due.after, key, number, self.fires(wait.id)
                elif wait.kind == "job":
                    yield at, key, number, self.works(activation.id, self.chance(key, number, "outcome").random() < 0.4)

    def span(self, key: Key, number: int) -> timedelta:
        return timedelta(microseconds=self.chance(key, number).randint(1_000_000, 100_000_000))

    def outcome(self, key: Key, number: int) -> str:
        return self.chance(key, number, "outcome").choice(["ok", "ok", "again"])

    def chance(self, *about: Any) -> Random:
        return Random(f"{self.seed} {about}")

    def decides(self, request_id: UUID, who: UUID, outcome: str) -> Callable[[View, Engine], Any]:
        return lambda view, engine: decide_approval(view, engine, request_id, Decider(who), outcome=outcome)

    def fires(self, timer_id: UUID) -> Callable[[View, Engine], Any]:
        timer, moved = self.ledger.timers[timer_id]
        return lambda view, engine: fire(view, engine, due(timer, moved))

    def works(self, job_id: UUID, fails: bool) -> Callable[[View, Engine], Any]:
        held = self.ledger.jobs[job_id]
        job = JobRef(held.id, 1, held.execution_id, held.activation_id, held.task_id, held.type)
        if fails:
            return lambda view, engine: fail_job(view, engine, job, Failure("broken", "It broke."), jitter=0.5)
        return lambda view, engine: complete_job(view, engine, job, {"done": True})

    # Its record

    @property
    def past(self) -> PastExecution:
        versions, found, commands = Counter[UUID](), list[RecordedEvent](), dict[datetime, int]()
        for position, (each, at) in enumerate(zip(self.ledger.events, self.times, strict=True), 1):
            versions[each.stream_id] += 1
            command = commands.setdefault(at, len(commands))
            found.append(recorded(position, each.stream_id, versions[each.stream_id], each.event, command, at))
        return past(found)

    def view_at(self, position: int, now: datetime) -> View:
        process = Process(self.ledger.events[:position], self.ledger.claims, 0)
        process.now = now
        return process


def some_time(random: Random) -> str:
    """No two things come at once."""
    return f"PT{random.choice([20, 50, 120])}.{random.randint(1, 999_999):06}S"


def definition_of(seed: int) -> Json:
    """Some of what people are asked is work, or a pause; some of it has a time."""
    definition, random = drawn(Drawer(seed).net()), Random(seed)
    for node in definition["nodes"]:
        if node["type"] == "approval" and random.random() < 0.4:
            node |= {"type": "task", "config": {"job_type": "work"}, "retry": {"max_attempts": random.choice([1, 2])}}
            for edge in leaving(definition, node):
                edge["source_handle"] = "success" if edge["source_handle"] == "ok" else "error"
            if random.random() < 0.3:
                node |= {"timeout": some_time(random)}
        elif node["type"] == "approval" and random.random() < 0.2:
            node |= {"type": "wait", "config": {"duration": some_time(random)}}
            for edge in leaving(definition, node):
                edge["source_handle"] = "success"
        elif node["type"] == "approval":
            node["config"]["rule"] = random.choice(RULES)
            node["config"]["outcomes"][1]["kind"] = "reject"
            if random.random() < 0.3:
                node |= {"timeout": some_time(random)}
    return definition


def leaving(definition: Json, node: Json) -> list[Json]:
    return [edge for edge in definition["edges"] if edge["source"] == node["id"]]


def changed(definition: Json, random: Random) -> Json:
    definition = deepcopy(definition)
    for _ in range(random.choice([1, 2, 3])):
        node, edge = random.choice(definition["nodes"]), random.choice(definition["edges"])
        match node["type"]:
            case "approval":
                node["config"]["rule"] = random.choice(RULES)
                node |= {"timeout": some_time(random)} if random.random() < 0.4 else {}
            case "wait":
                node["config"] = {"duration": some_time(random)}
            case "task" if random.random() < 0.5:
                node |= {"timeout": some_time(random)}
            case "task":
                node["retry"] = {"max_attempts": random.choice([1, 2, 3])}
            case "join":
                node["config"] = {"mode": random.choice(["any", "all"])}
            case _:
                edge["when"] = random.choice(["true", "false"])
        if random.random() < 0.5:
            edge["target"] = random.choice([each["id"] for each in definition["nodes"] if each["type"] != "start"])
    return definition


def still_waits(found: Compared) -> bool:
    """Where it then goes is not said: perhaps the same way, later."""
    return found.difference is not None and found.difference.would["what"] == "waits"


def test_what_would_have_been_is_what_comes() -> None:
    seen = Counter[str]()
    for seed in range(max(30, SEEDS // 4)):
        definition, random = definition_of(seed), Random(f"changes {seed}")
        if errors(validate(definition, EVALUATOR)):
            continue
        world = World(definition, seed).play()
        found = world.past
        for turn in range(4):
            other = changed(definition, random)
            if errors(validate(other, EVALUATOR)):
                continue
            played, compared = through(found, world.view_at, other, LIMITS)
            comes = Way.of(each.event for each in World(other, seed).play().past.events)
            told = f"definition {seed}, change {turn}: {compared}, {played.unknown}"
            seen[compared.verdict] += 1
            real = ends(comes)
            known = Way.of(played.events[: played.certain])
            would = {key: end for key, end in ends(known).items() if end[1] is not None}
            assert {key: real.get(key) for key in would} == would, told
            if compared.would_end["status"] in ("waiting", "unknown"):
                seen["up to where the record reaches"] += 1
            else:
                assert ends(Way.of(played.events)) == real, told
                assert comes.status == compared.would_end["status"], told
                seen["to the end"] += 1
            if compared.verdict == "same" or (compared.verdict == "elsewhere" and not still_waits(compared)):
                assert (compared.verdict == "same") == (ends(Way.of(each.event for each in found.events)) == real), told
    ways = ("same", "elsewhere", "undecided", "to the end", "up to where the record reaches")
    assert [each for each in ways if not seen[each]] == []

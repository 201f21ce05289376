"""Plays definitions with children and lists: who belongs together is compared stream by stream."""

from collections import Counter
from collections.abc import Callable
from uuid import UUID

from domain.execution import ActivationCompleted, ActivationStarted, ExecutionStarted, ItemStarted
from domain.facts import Decided, Job
from domain.foreach import ForeachStarted
from engine.engine import Decider, EngineLimits, complete_job, decide_approval, fire
from engine.fan_out import MOVE_ITEMS
from engine.foreaches import move_items
from engine.jobs import JobRef
from tests.engine.drawing import EXECUTION_ID
from tests.engine.family_nets import FamilyDrawer, within
from tests.engine.family_simulator import Each, Family, FamilySimulation
from tests.engine.playing import Player
from tests.engine.simulator import Token
from tests.engine.working import found
from tests.engine.working_nets import drawn_working, key_of
from tests.engine.working_simulator import WorkingSimulation


class FamilyPlayer(Player):
    """A command is large enough for all that follows from it: whose turn it is where one stops is not the contract's business."""

    def __init__(self, seed: int) -> None:
        self.family = Family()
        self.streams: dict[WorkingSimulation, UUID] = {}
        self.lists: dict[UUID, Each] = {}
        super().__init__(seed)
        for number, (name, net) in enumerate(within(self.simulation.net)):
            self.ledger.publish(UUID(int=0xF00 + number), {**drawn_working(net), "key": key_of(name)})

    def drawn(self) -> tuple[WorkingSimulation, EngineLimits]:
        limits = EngineLimits(steps_per_execution=60)
        simulation = FamilySimulation(FamilyDrawer(self.seed).net(), 60, family=self.family)
        simulation.entered = True
        self.family.members.append(simulation)
        self.streams[simulation] = EXECUTION_ID
        return simulation, limits

    # --- Who there is -------------------------------------------------------------------------------------------------

    @property
    def members(self) -> list[FamilySimulation]:
        return self.family.members

    @property
    def simulations(self) -> list[WorkingSimulation]:
        return [*self.members]

    def of(self, token: Token) -> FamilySimulation:
        return next(each for each in self.members if token in each.held)

    def stream(self, simulation: WorkingSimulation) -> UUID:
        return self.streams[simulation]

    def settle(self) -> None:
        self.family.settle()

    def see(self, decided: Decided) -> None:
        """Each that has begun in the engine has begun in the simulation, and the other way round."""
        begun = {fact.stream_id: fact.event for fact in decided.facts if isinstance(fact.event, ExecutionStarted | ItemStarted)}
        begun.pop(EXECUTION_ID, None)
        for each in [each for each in self.members if each not in self.streams]:
            assert each.made_by is not None
            parent, token = each.made_by
            visit = str(self.begun(parent, token))
            found = [id for id, event in begun.items() if of_visit(event) == (visit, each.index if each.each else None)]
            assert len(found) == 1, f"{token.at} {each.index}: {self.told}"
            self.streams[each] = found[0]
            del begun[found[0]]
        assert begun == {}, self.told
        for fact in decided.facts:
            if isinstance(fact.event, ForeachStarted):
                (self.lists[fact.stream_id],) = (
                    each for each in self.family.lists if self.begun(each.parent, each.token) == fact.event.activation_id
                )

    def begun(self, simulation: FamilySimulation, token: Token) -> UUID:
        """The visit that a token stands for, as the engine calls it."""
        history = self.ledger.history_of(self.streams[simulation])
        started = [event for event in history if isinstance(event, ActivationStarted)]
        return started[token.visit - 1].activation_id

    def wanted(self, token: Token) -> bool:
        return self.of(token).wanted

    @property
    def answerable(self) -> list[Token]:
        tokens = [token for each in self.members if each.wanted for token in each.held]
        return [each for each in tokens if self.place(each).kind not in ("child", "each") or self.place(each).timed]

    @property
    def executions(self) -> list[FamilySimulation]:
        return [each for each in self.members if each.each is None and not each.over]

    def subject(self, *, paused: bool = False) -> tuple[WorkingSimulation, UUID]:
        some = [each for each in self.executions if each.paused == paused] or self.executions
        chosen = self.random.choice(some)
        return chosen, self.streams[chosen]

    # --- What happens -------------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        return all(each.over for each in self.members) and not self.moving

    @property
    def moving(self) -> list[Job]:
        return [job for job in self.ledger.jobs.values() if job.type == MOVE_ITEMS]

    def step(self) -> None:
        if self.moving and self.random.random() < 0.5:
            self.move(self.random.choice(self.moving))
            return
        draw = self.random.random()
        if draw < 0.04:
            self.steer(self.pause, paused=False)
        elif draw < 0.09:
            self.steer(self.resume, paused=True)
        elif draw < 0.13 and self.executions:
            self.signal()
        elif draw < 0.17:
            self.event()
        elif draw < 0.24:
            self.tell()
        elif draw < 0.28:
            self.late()
        elif draw < 0.30:
            self.found = list(self.ledger.timers.values())
        elif draw < 0.33:
            self.fire_what_is_not_due()
        elif draw < 0.36 and self.executions:
            self.random.choice([self.cancel, self.time_is_up, self.terminate])()
        elif self.answerable:
            self.answer(self.random.random())

    def late(self) -> None:
        """Or there is nobody any more to whom it is of use: what is around it was given up, and it is not ended yet."""
        idle = [token for each in self.members if not each.over and not each.wanted for token in each.held]
        some = [token for token in idle if self.place(token).kind in ("work", "ask", "wait")]
        if not some:
            super().late()
            return
        token = self.random.choice(some)
        match self.place(token).kind:
            case "work":
                job = self.job(token)
                self.refused("work in vain", {"activation_closed"}, lambda view, engine: complete_job(view, engine, job, None))
            case "ask":
                (request_id,) = self.visit(token).waits_for("approval")
                decider = Decider(UUID(int=0xA1), frozenset())
                self.refused(
                    "a decision in vain",
                    {"item_closed", "execution_closed", "execution_paused"},
                    lambda view, engine: decide_approval(view, engine, request_id, decider, outcome="ok"),
                )
            case _:
                timers = [each for each in self.ledger.timers.values() if each[0].activation_id == self.visit(token).id]
                timer, moved = self.random.choice(timers)
                self.nothing("time in vain", lambda view, engine: fire(view, engine, found(timer, moved)))

    def steer(self, how: Callable[[], None], *, paused: bool) -> None:
        if any(each.paused == paused for each in self.executions):
            how()

    def terminate(self) -> None:
        self.family.terminating = True
        super().terminate()

    def move(self, job: Job) -> None:
        """The job of a list: it begins, goes on after a pause, or is closed."""
        each, turn = self.lists[UUID(job.input["foreach"])], job.input.get("turn")
        self.seen[f"list {each.status}"] += 1
        if turn is None or each.status != "running":
            each.move()
        else:
            each.go_on()
        held, foreach_id = JobRef(job.id, 1, job.execution_id, type=job.type), UUID(job.input["foreach"])
        self.do(f"move {each.token.at}", lambda view, engine: move_items(view, engine, held, foreach_id, turn=turn))

    def finish(self) -> None:
        for turn in range(600):
            if self.over:
                break
            self.finish_one(turn)
        assert self.over, f"it does not end: {self.told}"
        self.check_outputs()

    def finish_one(self, turn: int) -> None:
        waiting = [each for each in self.answerable if self.place(each).kind not in ("child", "each")]
        if self.moving and turn % 2:
            self.move(self.random.choice(self.moving))
        elif any(each.paused for each in self.executions):
            self.resume()
        elif turn in (80, 160, 240) and self.executions:
            self.cancel()
        elif waiting and self.place(waiting[0]).kind == "hear":
            self.event(wanted=True)
            while self.telling:
                self.tell()
        elif waiting:
            self.answer_in_turn(waiting[0])
        elif self.moving:
            self.move(self.random.choice(self.moving))

    def answer_in_turn(self, token: Token) -> None:
        kind = self.place(token).kind
        if kind == "ask":
            self.decide(token, "ok")
        elif kind == "wait":
            self.wait(token)
        else:
            self.work(token, 0)

    def check_outputs(self) -> None:
        """Results in the order of the items, and who failed."""
        for each in self.family.lists:
            if each.status == "completed":
                visit = self.begun(each.parent, each.token)
                history = self.ledger.history_of(self.streams[each.parent])
                outputs = [
                    event.output for event in history if isinstance(event, ActivationCompleted) and event.activation_id == visit
                ]  # none where no edge leads on
                failed = sorted((index, code) for index, code in each.ended.items() if code)
                for output in outputs:
                    assert len(output["results"]) == each.place.count
                    assert [(error["index"], error["type"]) for error in output["errors"]] == failed, self.told
        self.seen += Counter(f"list {each.status}" for each in self.family.lists)
        self.seen += Counter(f"child {each.end}" for each in self.members if each.each is None)


def of_visit(event: ExecutionStarted | ItemStarted) -> tuple[str, int | None]:
    if isinstance(event, ItemStarted):
        return str(event.activation_id), event.index
    return event.trigger_data["activation_id"], None

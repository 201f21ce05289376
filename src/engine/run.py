"""Moving an execution on, within one decision: every fact is applied as it is recorded, until nothing moves any more."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from domain.changes import changed
from domain.event import EventReceived
from domain.execution import (
    TIMEOUT,
    Activation,
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    ActivationWaiting,
    CompletedVisit,
    Execution,
    ExecutionCancelled,
    ExecutionCompensating,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionFailed,
    ExecutionHeld,
    ExecutionResumed,
    ExecutionStarted,
    ItemCancelled,
    ItemCompleted,
    ItemFailed,
    ItemHeld,
    Move,
    NodeError,
    Result,
    Wait,
    evolve,
    problem_json,
)
from domain.facts import Claim, Decided, Due, Fact, Fence, Job, Json, View
from domain.foreach import ForeachStarted
from domain.retry import Failure
from domain.tokens import Lineage, Token
from engine.ai_over import leave_task
from engine.ai_tools_ended import tell_tasks
from engine.compensation import end_after, end_of, result_of, variables_of
from engine.context import Engine
from engine.definition import Definition, Node
from engine.deliveries import DELIVER, scope_of, told_to
from engine.enclosing import execution_of, variables_around
from engine.escalation import timers_after
from engine.expressions import Budgeted, ExpressionError
from engine.family import Family
from engine.happenings import ChildEnded, Happening, JobDone, JobFailed, MessageArrived, TimerFired
from engine.interrupts import interrupted_by
from engine.joins import Round, close_round, regrouped
from engine.limits import limited
from engine.nodes.kind import (
    Again,
    Done,
    Ended,
    Failed,
    InvalidValue,
    NodeType,
    Passed,
    RunResult,
    Visit,
    Waiting,
    Woken,
    visit_timer,
)
from engine.plan import Plan
from engine.schema import faults
from engine.size_limit import TooLarge, weight
from engine.time_limit import execution_timer
from engine.triggers.changing import joined
from engine.triggers.freeing import freed_by
from engine.variables import Nodes, base_variables, problem_of
from engine.work import CONTINUE, Work

LEAVES = (ActivationCompleted, ActivationFailed, ActivationCancelled)
ENDS = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled, ExecutionCompensating)
"""After which the time limit of an execution is nothing any more."""
ITEM_ENDS = (ItemCompleted, ItemFailed)
Outcome = TypeVar("Outcome", bound=RunResult | Woken)


@dataclass
class Run:
    """A decision in the making.

    `pending`: tokens that were sent on and have not arrived yet, those held from before included, and those at joins that are
    to be looked at again.
    """

    view: View
    engine: Engine
    plan: Plan
    execution_id: UUID
    state: Execution
    facts: list[Fact] = field(default_factory=list)
    pending: deque[int] = field(init=False)
    evaluator: Budgeted = field(init=False)
    work: Work = field(default_factory=Work)
    family: Family = field(default_factory=Family)
    new: bool = False
    """Begun by this very command: no name is held yet that its end would release."""
    tells_trigger: bool = True
    """Whether the schedule that started it is told that it is over."""

    def __post_init__(self) -> None:
        self.pending = deque(self.state.held)
        self.evaluator = Budgeted(self.engine.evaluator, self.view.effort)
        self._continuation = self.state.continuation
        self._holds_names = self.state.live and not self.new
        self._own_variables: tuple[ExecutionStarted, dict[str, Json]] | None = None
        self.family.runs[self.execution_id] = self
        if self.new and self.state.timeout is not None:
            self.work.set_timer(execution_timer(self.execution_id, self.state.timeout))

    def relative(self, execution_id: UUID, state: Execution, *, new: bool = False) -> "Run":
        """Another execution that the same command moves."""
        plan = plan_of(self.view, self.engine, state)
        return Run(self.view, self.engine, plan, execution_id, state, self.facts, family=self.family, new=new)

    @property
    def _may_move(self) -> bool:
        return self.state.status == "running" and execution_of(self).state.status == "running"

    # --- What happens to activations ----------------------------------------------------------------------------------

    def advance(self) -> None:
        """Move on, and with it those that wait for it or that it gives up."""
        self.move()
        self.family.settle(self)

    def move(self) -> None:
        """Let every token arrive, then see whether the execution is over.

        Tokens do not arrive while it is paused, nor beyond a command's share of steps, of bytes and of work: those are held.
        """
        while self.pending and self._may_move:
            token = self.state.tokens.get(self.pending[0])
            taken = None if token is None else self._taken_by(token)
            if token is not None and taken is not None:
                if self.has_done_enough:
                    break
                self.family.steps += 1
                if self.state.steps < self.engine.limits.steps_per_execution:
                    self._visit(token.target, taken)
                else:
                    self._stop_before(token.target)
            self.pending.popleft()
        self._hold()
        if self.state.live and self.state.compensation is None and not self.state.activations and not self.state.held:
            self._settle()
        self._compensate()

    def resume(self, resumed: ExecutionResumed) -> None:
        """The ledger lets jobs and timers go on. What an older release paused has lost its timers: they are set again."""
        paused_at = self.state.paused_at
        for activation in self.state.activations.values():
            for wait in activation.waits:
                if paused_at is not None and wait.due is not None and wait.due.at is not None:
                    left = Due(max(wait.due.at - paused_at, timedelta(0)))
                    self.work.set_timer(visit_timer(self.execution_id, activation.id, wait.about, left, id=wait.id))
        self._record(resumed)
        self.advance()

    def migrate(self, migrated: ExecutionEvent) -> None:
        """To the version whose plan this is: rounds of joins that are complete by its rules are closed."""
        self._record(migrated)
        waiting = (token for _, token in sorted(self.state.tokens.items()) if token.id not in self.state.held)
        self.pending.extend(token.id for token in waiting if self._taken_by(token) is not None)
        self.advance()

    def complete(self, activation_id: UUID, handle: str, output: Json, interrupts: tuple[str, ...] = ()) -> None:
        activation = self.state.activations[activation_id]
        if activation.compensates is not None:
            self._record(ActivationCompleted(activation_id, activation.node_id, handle, output))
            return
        try:
            moves = self._moves(activation, handle, {"output": output})
        except ExpressionError as error:
            self._fail_unhandled(activation, problem_of(error))
            return
        if not moves and not (self.plan.is_body and (activation.node_id, handle) not in self.plan.leaving):
            message = f"No edge leaves {activation.node_id} by {handle} whose condition holds."
            self._fail_unhandled(activation, NodeError("no_route", message))
            return
        tokens, siblings = interrupted_by(self.plan, self.state, activation, interrupts)
        self._record(ActivationCompleted(activation_id, activation.node_id, handle, output, moves, tokens))
        self._cancel_activations(siblings, f"interrupted_by_{activation.node_id}")
        self.pending.extend(move.token for move in moves)

    def fail(self, activation_id: UUID, problem: NodeError, handle: str = "error") -> None:
        """A node's error: it leaves by its handle, or stays unhandled and fails the execution."""
        activation = self.state.activations[activation_id]
        try:
            moves = self._moves(activation, handle, {"error": problem_json(problem)})
        except ExpressionError as error:
            self._fail_unhandled(activation, problem_of(error))
            return
        if not moves:
            self._fail_unhandled(activation, problem, problem.attempts if handle == TIMEOUT else activation.attempt)
            return
        self._record(ActivationFailed(activation_id, activation.node_id, problem, handle, moves))
        self.pending.extend(move.token for move in moves)

    def wake(self, activation_id: UUID, happening: Happening) -> Woken:
        """Something came to a visit that waits: its type of node says what becomes of it."""
        activation = self.state.activations[activation_id]
        node_type, node = self.plan.types[activation.node_id], self.plan.nodes[activation.node_id]
        visit = self._seen(node, activation.lineage, activation)
        try:
            woken = self._limited(node_type, visit, _hook(node_type, happening)(visit))
        except ExpressionError as error:
            woken = Failed(problem_of(error))
        except (InvalidValue, TooLarge) as error:
            woken = Failed(NodeError("invalid_value", str(error), activation.attempt))
        if isinstance(woken, Failed):
            self.facts.extend(woken.facts)
        match woken:
            case Waiting():
                self._wait_on(activation, woken, happening)
            case Again():
                if not isinstance(happening, JobDone | JobFailed):
                    self._wait_on(activation, Waiting(), happening)
                self.retry(activation_id, woken.failure, woken.delay)
            case Done():
                self._hand_out(woken)
                self.complete(activation_id, woken.handle, woken.output, woken.interrupts)
            case Failed(may_be_handled=True):
                self.fail(activation_id, woken.problem)
            case Failed():
                self._fail_unhandled(activation, woken.problem)
            case Passed():
                pass
        return woken

    def _wait_on(self, activation: Activation, woken: Waiting, happening: Happening) -> None:
        """What came is no longer waited for, nor what the node gives up; the ledger has a report's job done with by its fence."""
        ended = (happening.id, *(id for id in woken.ended if id != happening.id))
        for wait in activation.waits:
            if wait.id in ended:
                self._drop(wait)
        self._hand_out(woken)
        self._record(ActivationWaiting(activation.id, activation.node_id, self._noted(woken.waits), ended))

    def stop_timeout(self, activation_id: UUID) -> None:
        """The visit's time stands still."""
        activation = self.state.activations[activation_id]
        stopped = [wait for wait in activation.waits if (wait.kind, wait.about) == ("timer", TIMEOUT)]
        for wait in stopped:
            self._drop(wait)
        if stopped:
            self._record(ActivationWaiting(activation_id, activation.node_id, (), tuple(wait.id for wait in stopped)))

    def start_timeout(self, activation_id: UUID) -> None:
        """The visit has all its time again."""
        visit = self.visit(activation_id)
        if visit.node.timeout is None:
            return
        about = visit.execution_id, visit.activation_id, TIMEOUT, Due(visit.node.timeout), visit.turn
        timer = visit_timer(*about, item_id=visit.item_id)
        self.work.set_timer(timer)
        wait = Wait("timer", timer.id, TIMEOUT, timer.due)
        self._record(ActivationWaiting(activation_id, visit.node.id, self._noted((wait,))))

    def _noted(self, waits: tuple[Wait, ...]) -> tuple[Wait, ...]:
        """Timers of an item are moved by the pauses of its execution, of which its own stream knows nothing."""
        if self.state.item is None:
            return waits
        resumes = execution_of(self).state.resumes
        return tuple(replace(wait, resumes=resumes) if wait.kind == "timer" else wait for wait in waits)

    def retry(self, activation_id: UUID, failure: Failure, delay: timedelta) -> None:
        """An attempt failed, and another one will follow."""
        activation = self.state.activations[activation_id]
        problem, milliseconds = NodeError(failure.type, failure.message, activation.attempt), delay // timedelta(milliseconds=1)
        self._record(ActivationRetried(activation_id, activation.node_id, problem, activation.attempt, milliseconds))

    def time_out(self, activation_id: UUID, attempts: int) -> None:
        """The visit has taken too long: whatever it waits for is given up. `attempts`: how many have begun."""
        activation = self.state.activations[activation_id]
        self.family.timed.update(activation.timed_approvals)
        self.facts.extend(self.plan.types[activation.node_id].expire(activation))
        message = f"{activation.node_id} timed out."
        self.fail(activation_id, NodeError(TIMEOUT, message, attempts), TIMEOUT)

    def cancel(self, reason: str | None, by: UUID | None) -> None:
        """What runs is given up, and what is done is undone."""
        self._cancel_activations(tuple(self.state.activations.values()), "execution_cancelled")
        self._record(end_of(self.state, ExecutionCancelled(reason, by)))

    def terminate(self, reason: str | None, by: UUID | None) -> None:
        """It is over at once, also while it is compensated, and so are the children that it waits for."""
        self.family.terminating = True
        self._cancel_activations(tuple(self.state.activations.values()), "execution_cancelled")
        self._record(ExecutionCancelled(reason, by, result_of(self.state)))

    def give_up(self, reason: str) -> None:
        """Its parent waits for it no longer. One that is being compensated already ends by itself."""
        if self.family.terminating:
            self.terminate(reason, None)
        elif self.state.compensation is None:
            self.cancel(reason, None)
            self.move()

    def run_out_of_time(self) -> None:
        self._fail_execution(TIMEOUT, "The execution was not done in time.", None)

    @property
    def has_done_enough(self) -> bool:
        """Whether the command has done its share, of steps, of bytes or of work."""
        limits, done = self.engine.limits, self.family
        return done.steps > 0 and (
            done.steps >= limits.steps_per_command or done.weight >= limits.bytes_per_command or self.view.effort.spent
        )

    def _taken_by(self, token: Token) -> Round | None:
        join_rule, node = self.plan.types[token.target].join_rule, self.plan.nodes[token.target]
        if join_rule is None or token.edge is None:  # a fork begins behind what its join has waited for
            return Round((token.id,))
        return close_round(self.plan, self.state, token, join_rule(node, len(self.plan.queues[node.id])))

    def _visit(self, node_id: str, taken: Round) -> None:
        node_type, node = self.plan.types[node_id], self.plan.nodes[node_id]
        visit = self._seen(node, self.state.tokens[taken.tokens[0]].lineage)
        activation_id, outcome, before = visit.activation_id, self._outcome(node_type, visit), self.state
        self._record(
            ActivationStarted(
                activation_id,
                node_id,
                node_type.name,
                self.state.visits.get(node_id, 0) + 1,
                taken.tokens,
                outcome.input if isinstance(outcome, Waiting) else None,
                swallowed=taken.swallowed,
                scope=taken.scope,
                waits=self._noted(outcome.waits) if isinstance(outcome, Waiting) else (),
                compensate=node.compensate,
            )
        )
        waiting = regrouped(self.plan, before, self.state)
        self.pending.extend(token for token in waiting if token not in self.pending)
        self._cancel_activations(taken.cancelled, f"{node_id}_closed")
        self._follow(activation_id, outcome)

    def _follow(self, activation_id: UUID, outcome: RunResult) -> None:
        """A visit has begun: what becomes of it."""
        activation = self.state.activations[activation_id]
        match outcome:
            case Waiting():
                self._hand_out(outcome)
            case Done():
                self._hand_out(outcome)
                self.complete(activation_id, outcome.handle, outcome.output)
            case Ended():
                self._record(ActivationCompleted(activation_id, activation.node_id, None, outcome.output))
            case Failed(may_be_handled=True):
                self.fail(activation_id, outcome.problem)
            case Failed():
                self._fail_unhandled(activation, outcome.problem)

    def _compensate(self) -> None:
        """Undo one visit after another, as far as nothing waits, and within a command's share; then it is over."""
        while self.state.compensation is not None and self.state.status == "running" and not self.state.activations:
            completed = self.state.to_undo
            if completed is None:
                self._record(end_after(self.state))
            elif self.has_done_enough:
                job_id = self._continuation or self.view.new_id()
                if self.state.continuation != job_id:
                    self._record(ExecutionHeld((), job_id))
                return
            else:
                self._undo(completed)

    def _undo(self, completed: CompletedVisit) -> None:
        """By a visit that has no token. It counts towards the command's steps, not towards those of the execution."""
        self.family.steps += 1
        node, node_type = self.plan.nodes[completed.compensate], self.plan.types[completed.compensate]
        visit = self._seen(node, completed.lineage, compensates=completed)
        outcome = self._outcome(node_type, visit)
        waits = outcome.waits if isinstance(outcome, Waiting) else ()
        given = outcome.input if isinstance(outcome, Waiting) else None
        number, undone = self.state.visits.get(node.id, 0) + 1, completed.activation_id
        self._record(
            ActivationStarted(visit.activation_id, node.id, node_type.name, number, (), given, waits=waits, compensates=undone)
        )
        self._follow(visit.activation_id, outcome)

    def _hand_out(self, outcome: Waiting | Done) -> None:
        """What a visit adds while the execution is paused waits until that is resumed, like all that it had before."""
        paused = execution_of(self).state.status == "paused"
        for fact in outcome.facts:
            if isinstance(fact.event, ExecutionStarted):
                self.family.begin(self, fact.stream_id, fact.event)
            elif isinstance(fact.event, ForeachStarted):
                self.family.fan_out.begin(self, fact.stream_id, fact.event)
            else:
                self.facts.append(fact)
        for given in outcome.jobs:
            job = self._told_at_once(given, outcome.facts) if given.type == DELIVER else given
            self.work.add_job(replace(job, held=True) if paused and job.execution_id is not None else job)
        if isinstance(outcome, Waiting):
            for timer in outcome.timers:
                self.work.set_timer(replace(timer, held=True) if paused else timer)
            for wait in outcome.children:
                if wait.kind == "event":
                    self.work.subscribe(wait)

    def _told_at_once(self, job: Job, facts: tuple[Fact, ...]) -> Job:
        """An event that comes in is also told to those who began to wait before it in this very command."""
        scopes = {scope_of(fact.event.type) for fact in facts if isinstance(fact.event, EventReceived)}
        runs = self.family.runs.values()
        waits = [(id, run.execution_id) for run in runs for id, scope in run.work.subscriptions.items() if scope in scopes]
        self.family.weight += 80 * len(waits)
        return told_to(job, waits)

    def visit(self, activation_id: UUID) -> Visit:
        """A visit that waits, as its node sees it."""
        activation = self.state.activations[activation_id]
        return self._seen(self.plan.nodes[activation.node_id], activation.lineage, activation)

    def _seen(
        self, node: Node, lineage: Lineage, activation: Activation | None = None, compensates: CompletedVisit | None = None
    ) -> Visit:
        """A visit as its node sees it: a new one, or one that waits. `compensates`: of a new one."""
        compensates = compensates if activation is None else activation.compensates
        variables = self._variables(Nodes(self.state.results, lineage))
        if compensates is not None:
            variables |= variables_of(compensates, self.state)
        return Visit(
            self.view,
            self.evaluator,
            node,
            execution_of(self).execution_id,
            self.state,
            self.view.new_id() if activation is None else activation.id,
            variables,
            1 if activation is None else activation.attempt,
            0 if activation is None else activation.turns + 1,
            self.engine.limits.output_bytes,
            self._definition_of,
            None if self.state.item is None else self.execution_id,
        )

    def _outcome(self, node_type: NodeType, visit: Visit) -> RunResult:
        try:
            outcome = self._limited(node_type, visit, node_type.run(visit))
            if isinstance(outcome, Waiting) and visit.node.timeout is not None:
                about = visit.execution_id, visit.activation_id, TIMEOUT, Due(visit.node.timeout)
                timeout = visit_timer(*about, item_id=visit.item_id)
                outcome = replace(outcome, timers=(*outcome.timers, timeout))
            self.family.weight += weight_of(outcome)
        except ExpressionError as error:
            return Failed(problem_of(error))
        except (InvalidValue, TooLarge) as error:
            return Failed(NodeError("invalid_value", str(error)))
        return outcome

    def _limited(self, node_type: NodeType, visit: Visit, outcome: Outcome) -> Outcome:
        """What limits go by is stored with the jobs. Raises ExpressionError and InvalidValue."""
        if not node_type.works or not isinstance(outcome, Waiting | Done) or not outcome.jobs:
            return outcome
        node, key = visit.node, self.plan.definition.key
        return changed(outcome, jobs=limited(outcome.jobs, node.limits, key, node.id, self.evaluator, visit.variables))

    def _definition_of(self, workflow_id: UUID, number: int) -> Definition:
        return self.engine.plan(self.view, workflow_id, number).definition

    # --- Where tokens go ----------------------------------------------------------------------------------------------

    def _moves(self, activation: Activation, handle: str, value: Json) -> tuple[Move, ...]:
        """Tokens for all edges of a handle whose `when` holds. Raises ExpressionError."""
        edges = self.plan.leaving.get((activation.node_id, handle), ())
        if any(edge.when is not None for edge in edges):
            lineage = activation.lineage.insert(activation.node_id, activation.id)
            results = self.state.results.insert(activation.id, Result(activation.order, value))
            variables = self._variables(Nodes(results, lineage))
            holds = self.evaluator.evaluate_bool
            edges = tuple(edge for edge in edges if edge.when is None or holds(edge.when, variables))
        return tuple(Move(token, edge.index, edge.target) for token, edge in enumerate(edges, self.state.next_token))

    def _variables(self, nodes: Nodes) -> dict[str, Json]:
        return variables_around(self, nodes)

    @property
    def own_variables(self) -> dict[str, Json]:
        """Those of the execution itself, which stay as they are from visit to visit. They are copied, never changed."""
        started = self.state.started
        assert started is not None
        if self._own_variables is None or self._own_variables[0] is not started:
            self._own_variables = started, base_variables(self.view, self.execution_id, started)
        return self._own_variables[1]

    def _hold(self) -> None:
        """Record which tokens have not arrived, and the job that takes them up, where that has changed."""
        if not self.pending and not self.state.held:
            return
        held = tuple(token for token in self.pending if token in self.state.tokens)
        job_id = None
        if held and self._may_move:
            job_id = self._continuation or self.view.new_id()
        if (held, job_id) != (self.state.held, self.state.continuation):
            self._record(ExecutionHeld(held, job_id))

    # --- How it ends --------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        if self.state.tokens:
            waiting = sorted({token.target for token in self.state.tokens.values()})
            joins = ", ".join(waiting)
            self._fail_execution("stuck", f"No token is left that could complete the joins: {joins}.", waiting[0])
            return
        schema, output = self.plan.definition.output_schema, self.state.output
        found = () if schema is None else faults(schema, output, "/output", self.view.effort)
        if found:
            message = f"The output does not fit the output schema: {found[0].path}: {found[0].message}"
            self._fail_execution("invalid_output", message, self.state.last_end)
        else:
            self._record(ExecutionCompleted(output))

    def _stop_before(self, node_id: str) -> None:
        self._fail_execution("step_limit", f"Too many steps: the execution was stopped before {node_id}.", node_id)

    def _fail_unhandled(self, activation: Activation, problem: NodeError, attempts: int | None = None) -> None:
        counted = replace(problem, attempts=activation.attempt if attempts is None else attempts)
        self._record(ActivationFailed(activation.id, activation.node_id, counted))
        if activation.compensates is None:
            self._fail_execution(problem.type, problem.message, activation.node_id)

    def _fail_execution(self, code: str, message: str, node_id: str | None) -> None:
        self._cancel_activations(tuple(self.state.activations.values()), "execution_failed")
        self._record(end_of(self.state, ExecutionFailed(code, message, node_id)))

    def _cancel_activations(self, activations: tuple[Activation, ...], reason: str) -> None:
        for activation in sorted(activations, key=lambda each: each.order):
            self._record(ActivationCancelled(activation.id, activation.node_id, reason))
            self.family.timed.update(activation.timed_approvals)
            self.facts.extend(self.plan.types[activation.node_id].cancel(activation, reason))

    def _record(self, event: ExecutionEvent) -> None:
        if isinstance(event, LEAVES):
            for wait in self.state.activations[event.activation_id].waits:
                self._drop(wait)
        elif isinstance(event, ENDS) and self.state.timeout is not None:
            self.work.drop(self.state.timeout)
        if self.state.item is not None:
            event = _of_item(event)
        self.facts.append(Fact(self.execution_id, event))
        self.state = evolve(self.state, event)
        if isinstance(event, ExecutionCompensating):
            self.family.compensates(self)
        elif isinstance(event, ENDS):
            self.family.ended(self, event)
        elif isinstance(event, ITEM_ENDS):
            self.family.fan_out.item_ended(self, event)

    def _drop(self, wait: Wait) -> None:
        """It is waited for no longer: what waits only for this is given up."""
        self.work.drop(wait)
        if wait.kind == "execution":
            self.family.give_up(wait.id)
        elif wait.kind == "foreach":
            self.family.fan_out.give_up(self, wait.id)
        elif wait.kind == "ai_task":
            leave_task(self, wait.id)

    # --- What it comes to ---------------------------------------------------------------------------------------------

    def decided(self, result: Json, claims: tuple[Claim, ...] | None = None, fence: Fence | None = None) -> Decided:
        """Everything that was decided. `claims`: given at the start, when there is nothing yet that the end would release.

        `fence`: by which the job that led here is held; it says what becomes of that job.
        """
        self.family.settle(self)
        tell_tasks(self)
        if self.family.fans_out:
            self.family.fan_out.taken = None if fence is None or fence.then != "done" else fence.job_id
            self.facts.extend(self.family.fan_out.conclude(self))
        taken, released, left, freeing = list(claims or ()), list[Claim](), dict[UUID, Execution](), list[Decided]()
        work = Work()
        for run in tuple(self.family.runs.values()):
            run.rows().added_to(work)
            taken += run.names(run.work.subscriptions)
            released += (*run.releases, *run.names(run.work.dropped_subscriptions))
            left[run.execution_id] = run.state
            if run.tells_trigger and not run.state.live and (freed := freed_by(run.view, run.execution_id, run.state)):
                freeing.append(freed)
        self.family.work.added_to(work)
        moments, past = timers_after(self.view, self.facts, self.family.timed.__contains__)
        work.timers |= moments
        work.dropped_timers |= dict.fromkeys(past)
        for job_id in (*self.family.left_to_leases, *(() if fence is None else (fence.job_id,))):
            work.dropped_jobs.pop(job_id, None)
        decided = Decided(
            tuple(self.facts),
            tuple(taken),
            tuple(released),
            result,
            tuple(work.jobs.values()),
            () if fence is None else (fence,),
            tuple(work.dropped_jobs),
            tuple(work.timers.values()),
            tuple(work.dropped_timers),
            None if self.state.started is None else self.state.started.correlation_id,
            left,
        )
        self.family.runs.clear()  # which hold the family, too: what refers to itself waits for the garbage collector
        return joined(decided, *freeing)

    def rows(self) -> Work:
        """Its jobs and timers, with the job that takes up what it holds."""
        before, after = self._continuation, self.state.continuation
        if after != before:
            if before is not None:
                self.work.drop_job(before)
            if after is not None:
                assert self.state.started is not None
                execution_id = execution_of(self).execution_id
                item_id = None if self.state.item is None else self.execution_id
                priority = self.state.started.priority
                self.work.add_job(Job(after, CONTINUE, None, execution_id, task_id=item_id, priority=priority))
        return self.work

    def names(self, subscriptions: Mapping[UUID, str]) -> tuple[Claim, ...]:
        if not subscriptions:
            return ()
        return tuple(Claim(scope, str(wait_id), self.execution_id) for wait_id, scope in subscriptions.items())

    @property
    def releases(self) -> tuple[Claim, ...]:
        """The names that the execution holds no longer, once it is over."""
        claim = None if self.state.live or not self._holds_names else business_claim(self.execution_id, self.state)
        return () if claim is None else (claim,)


def _hook(node_type: NodeType, happening: Happening) -> Callable[[Visit], Woken]:
    match happening:
        case JobDone() | JobFailed():
            return lambda visit: node_type.on_job(visit, happening)
        case ChildEnded():
            return lambda visit: node_type.on_child(visit, happening)
        case TimerFired():
            return lambda visit: node_type.on_timer(visit, happening)
        case MessageArrived():
            return lambda visit: node_type.on_message(visit, happening)


def plan_of(view: View, engine: Engine, state: Execution) -> Plan:
    """What an execution runs, or the item of a foreach in it."""
    assert state.started is not None
    plan = engine.plan(view, state.started.workflow_id, state.started.workflow_version)
    for node_id in () if state.item is None else state.item.path:
        plan = plan.bodies[node_id]
    return plan


def _of_item(event: ExecutionEvent) -> ExecutionEvent:
    """What would happen to an execution, as it happens to an item."""
    match event:
        case ExecutionCompleted():
            return ItemCompleted(event.output)
        case ExecutionFailed():
            return ItemFailed(event.code, event.message, event.node_id)
        case ExecutionCancelled():
            return ItemCancelled(event.reason)
        case ExecutionHeld():
            return ItemHeld(event.tokens, event.job_id)
        case _:
            return event


def weight_of(outcome: RunResult) -> int:
    """Of what a visit made. Raises TooLarge."""
    match outcome:
        case Done():
            return weight(outcome.output) + sum(weight(fact.event) for fact in outcome.facts)
        case Ended():
            return weight(outcome.output)
        case Waiting():
            return weight(outcome.input) + sum(weight(fact.event) for fact in outcome.facts)
        case Failed():
            return 0


def business_claim(execution_id: UUID, state: Execution) -> Claim | None:
    """A business key is unique among the executions of a workflow that are not over."""
    started = state.started
    if started is None or started.business_key is None:
        return None
    return Claim(business_scope(started.workflow_id), started.business_key, execution_id, "/business_key")


def business_scope(workflow_id: UUID) -> str:
    return f"execution.business_key:{workflow_id}"

"""Moving an execution on, within one decision: every fact is applied as it is recorded, until nothing moves any more."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from domain.execution import (
    Activation,
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationStarted,
    Execution,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionFailed,
    ExecutionStarted,
    Move,
    Problem,
    Result,
    evolve,
    problem_json,
)
from domain.facts import Claim, Fact, Json, View
from domain.tokens import Lineage, Token
from engine.expressions import ExpressionError
from engine.joins import Round, close_round
from engine.nodes.kind import Done, Ended, Failed, InvalidValue, NodeType, Outcome, Visit, Waiting
from engine.plan import Plan
from engine.plans import Engine
from engine.schema import faults


class Nodes(Mapping[str, Json]):
    """`nodes` as expressions see it: what each node's last visit in a lineage came to. Built as it is read."""

    def __init__(self, results: Mapping[UUID, Result], lineage: Lineage) -> None:
        self._results, self._lineage = results, lineage

    def __getitem__(self, node_id: str) -> Json:
        return self._results[self._lineage[node_id]].value

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._lineage))

    def __len__(self) -> int:
        return len(self._lineage)


@dataclass
class Run:
    """A decision in the making. `pending`: tokens that were sent on and have not arrived yet."""

    view: View
    engine: Engine
    plan: Plan
    execution_id: UUID
    state: Execution
    facts: list[Fact] = field(default_factory=list)
    pending: deque[int] = field(default_factory=deque)
    steps: int = 0

    # --- What happens to activations ----------------------------------------------------------------------------------

    def advance(self) -> None:
        """Let every token arrive, then see whether the execution is over.

        Tokens that a command leaves pending are in the state: once there are jobs, a `continue` job can take them up from
        there instead of `step_limit` when `steps_per_command` is reached.
        """
        while self.pending and self.state.live:
            token = self.state.tokens.get(self.pending.popleft())
            if token is None:
                continue  # a join has taken it meanwhile
            taken = self._taken_by(token)
            if taken is not None and self._within_limits(token.target):
                self._visit(token.target, taken)
        if self.state.live and not self.state.activations:
            self._settle()

    def complete(self, activation_id: UUID, handle: str, output: Json) -> None:
        activation = self.state.activations[activation_id]
        try:
            moves = self._moves(activation, handle, {"output": output})
        except ExpressionError as error:
            self._fail_unhandled(activation, _problem(error))
            return
        if not moves:
            message = f"No edge leaves {activation.node_id} by {handle} whose condition holds."
            self._fail_unhandled(activation, Problem("no_route", message))
            return
        self._record(ActivationCompleted(activation_id, activation.node_id, handle, output, moves))
        self.pending.extend(move.token for move in moves)

    def fail(self, activation_id: UUID, problem: Problem, handle: str = "error") -> None:
        """A node's error: it leaves by its handle, or stays unhandled and fails the execution."""
        activation = self.state.activations[activation_id]
        try:
            moves = self._moves(activation, handle, {"error": problem_json(problem)})
        except ExpressionError as error:
            self._fail_unhandled(activation, _problem(error))
            return
        if not moves:
            self._fail_unhandled(activation, problem)
            return
        self._record(ActivationFailed(activation_id, activation.node_id, problem, handle, moves))
        self.pending.extend(move.token for move in moves)

    def cancel(self, reason: str | None, by: UUID | None) -> None:
        self._cancel_activations(tuple(self.state.activations.values()), "execution_cancelled")
        self._record(ExecutionCancelled(reason, by))

    def _taken_by(self, token: Token) -> Round | None:
        gather, node = self.plan.types[token.target].gather, self.plan.nodes[token.target]
        if gather is None:
            return Round((token.id,))
        return close_round(self.plan, self.state, token, gather(node, len(self.plan.queues[node.id])))

    def _within_limits(self, node_id: str) -> bool:
        limits = self.engine.limits
        if self.steps < limits.steps_per_command and self.state.steps < limits.steps_per_execution:
            self.steps += 1
            return True
        self._fail_execution("step_limit", f"Too many steps: the execution was stopped before {node_id}.", node_id)
        return False

    def _visit(self, node_id: str, taken: Round) -> None:
        activation_id, node_type = self.view.new_id(), self.plan.types[node_id]
        lineage = self.state.tokens[taken.tokens[0]].lineage
        outcome = self._outcome(activation_id, node_id, node_type, lineage)
        child = outcome.child if isinstance(outcome, Waiting) else None
        visit = self.state.visits.get(node_id, 0) + 1
        self._record(
            ActivationStarted(
                activation_id,
                node_id,
                node_type.name,
                visit,
                taken.tokens,
                swallowed=taken.swallowed,
                scope=taken.scope,
                child=child,
            )
        )
        self._cancel_activations(taken.cancelled, f"{node_id}_closed")
        match outcome:
            case Waiting():
                self.facts.extend(outcome.facts)
            case Done():
                self.complete(activation_id, outcome.handle, outcome.output)
            case Ended():
                self._record(ActivationCompleted(activation_id, node_id, None, outcome.output))
            case Failed(may_be_handled=True):
                self.fail(activation_id, outcome.problem)
            case Failed():
                self._fail_unhandled(self.state.activations[activation_id], outcome.problem)

    def _outcome(self, activation_id: UUID, node_id: str, node_type: NodeType, lineage: Lineage) -> Outcome:
        variables = self._variables(Nodes(self.state.results, lineage))
        node = self.plan.nodes[node_id]
        visit = Visit(self.view, self.engine.evaluator, node, self.execution_id, self.state, activation_id, variables)
        try:
            return node_type.run(visit)
        except ExpressionError as error:
            return Failed(_problem(error))
        except InvalidValue as error:
            return Failed(Problem("invalid_value", str(error)))

    # --- Where tokens go ----------------------------------------------------------------------------------------------

    def _moves(self, activation: Activation, handle: str, value: Json) -> tuple[Move, ...]:
        """Tokens for all edges of a handle whose `when` holds. Raises ExpressionError."""
        edges = self.plan.leaving.get((activation.node_id, handle), ())
        if any(edge.when is not None for edge in edges):
            lineage = activation.lineage.insert(activation.node_id, activation.id)
            results = self.state.results.insert(activation.id, Result(activation.order, value))
            variables = self._variables(Nodes(results, lineage))
            holds = self.engine.evaluator.evaluate_bool
            edges = tuple(edge for edge in edges if edge.when is None or holds(edge.when, variables))
        return tuple(Move(token, edge.index, edge.target) for token, edge in enumerate(edges, self.state.next_token))

    def _variables(self, nodes: Nodes) -> dict[str, Json]:
        assert self.state.started is not None
        return {**base_variables(self.view, self.execution_id, self.state.started), "nodes": nodes}

    # --- How it ends --------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        if self.state.tokens:
            waiting = sorted({token.target for token in self.state.tokens.values()})
            joins = ", ".join(waiting)
            self._fail_execution("stuck", f"Nothing is alive that could complete the joins: {joins}.", waiting[0])
            return
        schema, output = self.plan.definition.output_schema, self.state.output
        found = () if schema is None else faults(schema, output, "/output")
        if found:
            message = f"The output does not fit the output schema: {found[0].path}: {found[0].message}"
            self._fail_execution("invalid_output", message, self.state.last_end)
        else:
            self._record(ExecutionCompleted(output))

    def _fail_unhandled(self, activation: Activation, problem: Problem) -> None:
        self._record(ActivationFailed(activation.id, activation.node_id, problem))
        self._fail_execution(problem.type, problem.message, activation.node_id)

    def _fail_execution(self, code: str, message: str, node_id: str | None) -> None:
        self._cancel_activations(tuple(self.state.activations.values()), "execution_failed")
        self._record(ExecutionFailed(code, message, node_id))

    def _cancel_activations(self, activations: tuple[Activation, ...], reason: str) -> None:
        for activation in sorted(activations, key=lambda each: each.order):
            self._record(ActivationCancelled(activation.id, activation.node_id, reason))
            self.facts.extend(self.plan.types[activation.node_id].cancel(activation, reason))

    def _record(self, event: ExecutionEvent) -> None:
        self.facts.append(Fact(self.execution_id, event))
        self.state = evolve(self.state, event)

    @property
    def releases(self) -> tuple[Claim, ...]:
        """The names that the execution holds no longer, once it is over."""
        claim = None if self.state.live else business_claim(self.execution_id, self.state)
        return () if claim is None else (claim,)


def business_claim(execution_id: UUID, state: Execution) -> Claim | None:
    """A business key is unique among the executions of a workflow that are not over."""
    started = state.started
    if started is None or started.business_key is None:
        return None
    return Claim(f"execution.business_key:{started.workflow_id}", started.business_key, execution_id)


def base_variables(view: View, execution_id: UUID, started: ExecutionStarted) -> dict[str, Json]:
    """`input`, `execution`, `tenant`, and `event` where an event started the execution."""
    execution = {
        "id": str(execution_id),
        "workflow_id": str(started.workflow_id),
        "workflow_key": started.workflow_key,
        "workflow_version": started.workflow_version,
        "business_key": started.business_key,
        "priority": started.priority,
        "trigger_type": started.trigger_type,
        "created_by": None if started.created_by is None else str(started.created_by),
    }
    variables = {"input": started.input, "execution": execution, "tenant": {"id": str(view.tenant_id)}}
    return variables if started.trigger_type != "event" else {**variables, "event": started.trigger_data}


def _problem(error: ExpressionError) -> Problem:
    return Problem(error.code, f"{error} in {error.source}" if error.source else str(error))

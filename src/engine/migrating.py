"""Migration: a running execution goes on by another version of its workflow.

What is under way interferes as little as it may: what a visit waits for stays as it was asked for (an open request with its
people and outcomes, a leased job, a timer, a child), and what comes of it is taken by the node's counterpart. Tokens stand where
they stood. Whatever follows goes by the other version. Where that cannot be, nothing is changed and it is said why.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal
from uuid import UUID

from domain.execution import (
    Activation,
    Execution,
    ExecutionMigrated,
    MigratedEdge,
    MigratedVisit,
    Wait,
)
from domain.facts import Decided, FieldError, Invalid, Json, RuleViolation, View
from domain.tokens import Path, Token
from domain.workflow import WORKFLOW
from engine.context import Engine
from engine.counterparts import Counterparts, TooMuchChanged
from engine.executions import NoSuchExecution, answer, open_items, read_live
from engine.plan import Plan
from engine.run import Run
from engine.schema import faults
from engine.starting import UnknownVersion

MOST_MOVED = 1_000
"""Tokens that wait and visits that run, of an execution that is migrated."""
MOST_TRANSLATED = 1_000_000
"""Lineages, times nodes that are called otherwise."""
MOST_TOLD = 200


class MigrationRefused(RuleViolation):
    """The execution cannot go on by that version."""

    code = "migration_refused"


class RunsThatVersion(MigrationRefused):
    """The execution runs that version already."""


@dataclass
class Moved:
    """A token that waits, or a visit that runs, and what becomes of it. `kept`: what the visit waits for."""

    kind: Literal["token", "visit"]
    node_id: str
    to: str | None
    id: int | UUID
    kept: tuple[Wait, ...] = ()
    obstacles: list[FieldError] = field(default_factory=list)

    def in_words(self) -> Json:
        return {
            "kind": self.kind,
            "activation_id": str(self.id) if self.kind == "visit" else None,
            "token": self.id if self.kind == "token" else None,
            "node_id": self.node_id,
            "to": self.to,
            "kept": [{"kind": wait.kind, "id": str(wait.id), "about": wait.about} for wait in self.kept],
            "obstacles": [_told(each) for each in self.obstacles],
        }


@dataclass
class Migration:
    """What it would come to. `obstacles`: why it cannot be; those of what moves are among them."""

    event: ExecutionMigrated
    moved: list[Moved]
    obstacles: list[FieldError]


def migrate(
    view: View,
    engine: Engine,
    execution_id: UUID,
    to_version: int,
    mapping: Mapping[str, str],
    *,
    dry_run: bool = False,
    reason: str | None = None,
) -> Decided:
    """`mapping`: nodes of the present version to nodes of the other one. Those that are not in it are called the same there.

    result {id, status, version, open}; of a dry run, which writes nothing, what would come of it.
    """
    state = read_live(view, execution_id)
    if state.item is not None or state.started is None:
        raise NoSuchExecution
    before, workflow_id = state.started.workflow_version, state.started.workflow_id
    if to_version not in view.read(WORKFLOW, workflow_id).versions:
        detail = f"The workflow has no version {to_version}."
        raise UnknownVersion(detail, "/to_version", (FieldError("/to_version", "unknown_version", detail),))
    old, new = engine.plan(view, workflow_id, before), engine.plan(view, workflow_id, to_version)
    _require_known(old, new, mapping)
    migration = Planner(view, state, old, new, mapping, to_version, reason).plan()
    run = Run(view, engine, new, execution_id, state)
    obstacles = migration.obstacles
    if not obstacles:
        run.migrate(migration.event)
        obstacles = list(_stuck(run))
    if dry_run:
        return Decided(result=_preview(run, state, migration, obstacles, view.version(execution_id)))
    if obstacles:
        others = len(obstacles) - 1
        more = f" There are {others} more reasons." if others > 1 else " There is another reason." if others else ""
        refused = RunsThatVersion if before == to_version else MigrationRefused
        raise refused(f"{obstacles[0].message}{more}", obstacles[0].path, tuple(obstacles))
    return run.decided(answer(run))


def _require_known(old: Plan, new: Plan, mapping: Mapping[str, str]) -> None:
    found: list[FieldError] = []
    for node_id, to in mapping.items():
        for known, wanted, which in ((old, node_id, "present"), (new, to, "other")):
            if wanted not in known.nodes:
                message = f"The {which} version of the workflow has no node {wanted}."
                found.append(FieldError(f"/mapping/{node_id}", "unknown_node", message))
    if found:
        raise Invalid(found[0].message, found[0].path, tuple(found))


class Planner:
    """Finds the counterparts of all that an execution's state names, and why something has none."""

    def __init__(
        self, view: View, state: Execution, old: Plan, new: Plan, mapping: Mapping[str, str], to_version: int, reason: str | None
    ) -> None:
        self._view, self._state, self._new = view, state, new
        self._old, self._mapping, self._to_version, self._reason = old, mapping, to_version, reason
        self._counterparts = Counterparts(old, new, mapping)
        self._branches: dict[int, int | None] = {}
        self._arrivals: dict[int, int | None] = {}
        self._too_much = False

    def plan(self) -> Migration:
        state, started = self._state, self._state.started
        assert started is not None
        nodes = self._nodes()
        whole = list(self._of_the_whole(nodes))
        moved = [] if whole else list(self._moved())
        running = sorted(state.activations.values(), key=lambda each: each.order)
        event = ExecutionMigrated(
            started.workflow_version,
            self._to_version,
            dict(self._mapping),
            nodes,
            tuple(MigratedEdge(edge, to) for edge, to in sorted(self._branches.items()) if edge != to),
            tuple(MigratedEdge(edge, to) for edge, to in sorted(self._arrivals.items()) if edge != to),
            tuple(MigratedVisit(each.id, each.node_id, to) for each in running if (to := nodes.get(each.node_id)) is not None),
            self._reason,
        )
        obstacles = whole + [each for one in moved for each in one.obstacles]
        if not whole:
            obstacles += self._of_undoing()
        if self._too_much:
            message = "The versions differ too much for all counterparts of edges to be looked for: map the nodes they lead from."
            obstacles.append(FieldError("/mapping", "too_much_changed", message))
        return Migration(event, moved, obstacles)

    def _nodes(self) -> dict[str, str | None]:
        """By nodes of the present version that the execution knows: what becomes of their names, where that is another one."""
        started, visits = self._state.started, self._state.visits
        knows_all = started is not None and started.trigger_type == "fork"
        at = {token.target for token in self._state.tokens.values()}
        known = [node for node in self._old.nodes if knows_all or node in visits or node in at]
        undoing = {visit.compensate for visit in self._state.compensable}
        undoing |= {each.compensate for each in self._state.activations.values() if each.compensate is not None}
        known += sorted(undoing - {*known})
        return {node: to for node in known if (to := self._counterparts.node(node)) != node}

    def _of_the_whole(self, nodes: Mapping[str, str | None]) -> Iterator[FieldError]:
        state, started = self._state, self._state.started
        assert started is not None
        if started.workflow_version == self._to_version:
            yield FieldError("/to_version", "same_version", f"The execution runs version {self._to_version} already.")
        if state.compensation is not None:
            yield FieldError("/id", "execution_compensating", "What the execution has done is being undone.")
        if len(state.tokens) + len(state.activations) > MOST_MOVED:
            yield FieldError("/id", "too_large", f"More than {MOST_MOVED} tokens and visits are under way.")
        lineages = len(state.tokens) + len(state.activations) + len(state.compensable)
        if lineages * len(nodes) > MOST_TRANSLATED:
            yield FieldError("/mapping", "too_large", "Too many nodes are called otherwise for so long a history.")
        schema = self._new.definition.input_schema
        yield from () if schema is None else faults(schema, started.input, "/input", self._view.effort)

    # --- What moves ---------------------------------------------------------------------------------------------------

    def _moved(self) -> Iterator[Moved]:
        for activation in sorted(self._state.activations.values(), key=lambda each: each.order):
            to = self._counterparts.node(activation.node_id)
            kept = () if to is None else activation.waits
            moved = Moved("visit", activation.node_id, to, activation.id, kept)
            moved.obstacles.extend(self._of_visit(activation, to))
            if to is not None:
                moved.obstacles.extend(self._of_path(activation.path, f"The visit of {activation.node_id}"))
            yield moved
        for token in sorted(self._state.tokens.values(), key=lambda each: each.id):
            moved = Moved("token", token.target, self._counterparts.node(token.target), token.id)
            moved.obstacles.extend(self._of_token(token, moved.to))
            if moved.to is not None:
                moved.obstacles.extend(self._of_path(token.path, f"A token on its way to {token.target}"))
            yield moved

    def _of_visit(self, activation: Activation, to: str | None) -> Iterator[FieldError]:
        node_id, path = activation.node_id, f"/mapping/{activation.node_id}"
        if to is None:
            yield FieldError(path, "no_counterpart", f"{node_id} is being visited, and the other version has no such node.")
            return
        node_type = self._new.types[to]
        if node_type.name != activation.node_type:
            message = f"{node_id} is being visited: a node of type {activation.node_type}, and {to} is of type {node_type.name}."
            yield FieldError(path, "other_type", message)
            return
        why = node_type.obstacle(self._view, activation, self._new.nodes[to])
        if why is not None:
            yield FieldError(path, "incompatible", f"{node_id} cannot go on as {to}: {why}")

    def _of_token(self, token: Token, to: str | None) -> Iterator[FieldError]:
        """One that has not arrived at a node has begun nothing there, so that the node may be another; but a join is a queue."""
        node_id, path = token.target, f"/mapping/{token.target}"
        if to is None:
            yield FieldError(
                path, "no_counterpart", f"A token is on its way to {node_id}, and the other version has no such node."
            )
            return
        was, is_now = (plan.types[node] for plan, node in ((self._old, node_id), (self._new, to)))
        if (was.join_rule is None) != (is_now.join_rule is None):
            message = f"A token is on its way to {node_id}: a node of type {was.name}, and {to} is of type {is_now.name}."
            yield FieldError(path, "other_type", message)
        elif token.edge is not None and not self._arrives(token.edge, waits=is_now.join_rule is not None):
            source = self._old.definition.edges[token.edge].source
            message = f"A token that came from {source} waits at {node_id}, and no edge leads from there to {to} alone."
            yield FieldError(f"/mapping/{source}", "no_way", message)

    def _arrives(self, edge: int, *, waits: bool) -> bool:
        """Whether there is an edge by which it has come. `waits`: at a join, which asks for that; nobody else does."""
        if edge not in self._arrivals:
            try:
                self._arrivals[edge] = self._counterparts.arrival(edge) if waits else self._counterparts.same(edge)
            except TooMuchChanged:
                self._arrivals[edge], self._too_much = None, True
        return not waits or self._arrivals[edge] is not None

    def _of_path(self, path: Path, who: str) -> Iterator[FieldError]:
        """Each split that it is in must be there, with a branch by which it has come."""
        for branch in path:
            for edge in branch.taken:
                if edge not in self._branches:
                    self._branches[edge] = self._branch(edge)
            if all(self._branches[edge] is None for edge in branch.edges):
                was = self._old.definition.edges[branch.edges[0]]
                message = f"{who} came by the branch from {was.source} to {was.target}, which the other version does not have."
                yield FieldError(f"/mapping/{was.source}", "no_branch", message)
                return

    def _branch(self, edge: int) -> int | None:
        try:
            return self._counterparts.branch(edge, partial(self._places_of, edge))
        except TooMuchChanged:
            self._too_much = True
            return None

    def _places_of(self, edge: int) -> Iterator[str]:
        """Where those are who came down a branch."""
        at = [(each.node_id, each.path) for each in self._state.activations.values()]
        at += [(each.target, each.path) for each in self._state.tokens.values()]
        for node_id, path in at:
            to = self._counterparts.node(node_id)
            if to is not None and any(edge in branch.edges for branch in path):
                yield to

    def _of_undoing(self) -> Iterator[FieldError]:
        """What would undo completed visits must be there still, and nothing else than that."""
        named = {(visit.node_id, visit.compensate): None for visit in self._state.compensable}
        running = sorted(self._state.activations.values(), key=lambda each: each.order)
        named |= {(each.node_id, each.compensate): None for each in running if each.compensate is not None}
        for node_id, undoing in named:
            assert undoing is not None
            to, path = self._counterparts.node(undoing), f"/mapping/{undoing}"
            if to is None:
                message = f"{undoing} undoes what {node_id} has done, and the other version has no such node."
                yield FieldError(path, "no_counterpart", message)
            elif self._new.types[to] is not self._old.types[undoing]:
                message = f"{undoing} undoes what {node_id} has done, and {to} is of another type."
                yield FieldError(path, "other_type", message)
            elif self._new.graph.entering[self._new.graph.place[to]]:
                message = f"{undoing} undoes what {node_id} has done, and edges lead to {to}, which so does something else."
                yield FieldError(path, "incompatible", message)


def _stuck(run: Run) -> Iterator[FieldError]:
    """Where nothing is left but tokens at joins that nobody completes, it was not meant."""
    for event in (fact.event for fact in run.facts if fact.stream_id == run.execution_id):
        if getattr(event, "code", None) == "stuck":
            message = f"Nothing would be left in that version that could go on. {getattr(event, 'message', '')}"
            yield FieldError("/mapping", "stuck", message)


# --- What a dry run says ----------------------------------------------------------------------------------------------


def _preview(run: Run, before: Execution, migration: Migration, obstacles: list[FieldError], version: int) -> Json:
    event, possible = migration.event, not obstacles
    running = sorted(before.activations.values(), key=lambda each: each.order)
    gone = [each for each in running if each.id not in run.state.activations] if possible else []
    moved = sorted(migration.moved, key=lambda each: not each.obstacles)
    forgotten = [node for node, to in event.nodes.items() if to is None]
    return {
        "id": str(run.execution_id),
        "dry_run": True,
        "possible": possible,
        "from_version": event.from_version,
        "to_version": event.to_version,
        "version": version,
        "moved": [each.in_words() for each in moved[:MOST_TOLD]],
        "more_moved": max(0, len(moved) - MOST_TOLD),
        "forgotten": forgotten[:MOST_TOLD],
        "cancelled": [{"activation_id": str(each.id), "node_id": each.node_id} for each in gone[:MOST_TOLD]],
        "status": run.state.status if possible else None,
        "open": open_items(run.state) if possible else None,
        "obstacles": [_told(each) for each in obstacles[:MOST_TOLD]],
        "more_obstacles": max(0, len(obstacles) - MOST_TOLD),
    }


def _told(fault: FieldError) -> Json:
    return {"path": fault.path, "code": fault.code, "message": fault.message}

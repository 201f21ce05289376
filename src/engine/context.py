"""The engine as the processes hold it: an evaluator, limits, and the plans of the definitions in use."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from domain.facts import View
from domain.workflow import WORKFLOW
from engine.definition import parse
from engine.expressions import Evaluator
from engine.nodes import BY_NAME
from engine.nodes.kind import NodeType
from engine.plan import Plan, compile_plan

PLAN_BYTES = 2_048
PLAN_BYTES_OF_A_BYTE = 7
"""What a plan takes for each byte of its definition's JSON, as measured."""


@dataclass(frozen=True)
class EngineLimits:
    steps_per_command: int = 1_000
    """Activations started by one command. Where more would follow, a job goes on from there."""
    bytes_per_command: int = 8 << 20
    """Of what the nodes visited in one command made (`engine.size_limit`). Where that is reached, too, a job goes on."""
    steps_per_execution: int = 100_000
    """Activations started in all, so that a loop that waits for nothing comes to an end. A step costs the same at any number."""
    output_bytes: int = 1 << 20
    """Of a worker's output, as JSON."""
    plans_bytes: int = 64 << 20
    """About the memory that plans may take which are kept compiled."""


Key: TypeAlias = tuple[UUID, UUID, int]
"""(tenant, workflow, version)."""


class PlanCache:
    """Compiled plans, those used last, in about so many bytes of memory."""

    def __init__(self) -> None:
        self._plans: OrderedDict[Key, tuple[Plan, int]] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._plans)

    def find(self, key: Key) -> Plan | None:
        found = self._plans.get(key)
        if found is None:
            return None
        self._plans.move_to_end(key)
        return found[0]

    def keep(self, key: Key, plan: Plan, size: int, most: int) -> None:
        self._plans[key] = plan, size
        self.size += size
        while self.size > most and len(self._plans) > 1:
            _, (_, gone) = self._plans.popitem(last=False)
            self.size -= gone

    def clear(self) -> None:
        self._plans.clear()
        self.size = 0


@dataclass(frozen=True)
class Engine:
    evaluator: Evaluator
    limits: EngineLimits = field(default_factory=EngineLimits)
    node_types: Mapping[str, NodeType] = field(default_factory=lambda: BY_NAME, repr=False)
    """Those that definitions may use, by name."""
    _plans: PlanCache = field(default_factory=PlanCache, repr=False, compare=False)

    def plan(self, view: View, workflow_id: UUID, number: int) -> Plan:
        """A published version never changes: a plan that is known spares the decision from reading the workflow.

        One of a version whose publishing is under way is good for this decision only: it may become another one yet.
        """
        key = (view.tenant_id, workflow_id, number)
        plan = self._plans.find(key)
        if plan is None:
            definition = view.read(WORKFLOW, workflow_id).versions[number]
            plan = compile_plan(parse(definition), self.node_types)
            if view.committed(workflow_id):
                size = PLAN_BYTES + PLAN_BYTES_OF_A_BYTE * len(json.dumps(definition))
                self._plans.keep(key, plan, size, self.limits.plans_bytes)
        return plan

"""The engine as the processes hold it: an evaluator, limits, and the plans of the definitions in use."""

from collections import OrderedDict
from dataclasses import dataclass, field
from uuid import UUID

from domain.facts import View
from domain.workflow import WORKFLOW
from engine.definition import parse
from engine.expressions import Evaluator
from engine.plan import Plan, compile_plan


@dataclass(frozen=True)
class Limits:
    steps_per_command: int = 1_000
    """Activations started by one command. Where more would follow, a job goes on from there."""
    weight_per_command: int = 8 << 20
    """Of what the nodes visited in one command made (`engine.weight`). Where that is reached, too, a job goes on."""
    steps_per_execution: int = 10_000
    output_bytes: int = 1 << 20
    """Of a worker's output, as JSON."""
    plans: int = 1_000
    """How many plans are kept compiled."""


@dataclass(frozen=True)
class Engine:
    evaluator: Evaluator
    limits: Limits = field(default_factory=Limits)
    _plans: OrderedDict[tuple[UUID, UUID, int], Plan] = field(default_factory=OrderedDict, repr=False, compare=False)

    def plan(self, view: View, workflow_id: UUID, number: int) -> Plan:
        """A published version never changes: a plan that is known spares the decision from reading the workflow."""
        key = (view.tenant_id, workflow_id, number)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = compile_plan(parse(view.read(WORKFLOW, workflow_id).versions[number]))
            while len(self._plans) > self.limits.plans:
                self._plans.popitem(last=False)
        return plan

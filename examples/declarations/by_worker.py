"""The same log where payments are no decisions but the work of a worker: the node `paying` is a task.

A payment that the log says was handled is a job done; one that was rejected after it had been requested is a job that fails for
good, and sends the declaration back. The figures stay the same; where they come from differs.
"""

import copy
from collections import Counter
from typing import Any

from client import AsyncClient, NonRetryable, Worker
from examples.declarations.compare import DECISIONS, PLACES, STATES, VARIANTS, Figures, Question, expected, final_states
from examples.declarations.log import Case, Step
from examples.declarations.player import DEFINITION, Script

JOB = "handle-payment"


def _definition() -> dict[str, Any]:
    definition = copy.deepcopy(DEFINITION)
    for node in definition["nodes"]:
        if node["id"] == "paying":
            node["type"] = "task"
            node["config"] = {"job_type": JOB, "input": {"case": "=execution.business_key"}}
            node["retry"] = {"max_attempts": 10, "initial_interval": "PT0.5S", "max_interval": "PT5S"}
    edges = [edge for edge in definition["edges"] if edge["source"] != "paying"]
    edges.append({"source": "paying", "source_handle": "success", "target": "paid"})
    edges.append({"source": "paying", "source_handle": "error", "target": "returned"})
    return {**definition, "edges": edges}


SCRIPT = Script("declarations-by-worker", _definition(), lambda case: _split(case)[0], (*Script.permissions, "jobs:work"))

PAYMENTS = Question(
    "payments done and refused by the worker",
    "SELECT status, count(*) FROM projections.node_activations WHERE node_id = 'paying' GROUP BY 1",
)

PAID_STATES = final_states(
    """
    FROM projections.node_activations a
    WHERE (a.tenant_id, a.execution_id) = (e.tenant_id, e.id) AND a.node_id IN ('paid', 'paying') AND a.status = 'completed'
    """
)


def questions(plain: tuple[Question, ...]) -> tuple[Question, ...]:
    """The plain questions, asked where the answers are now, and one more."""
    return (*(PAID_STATES if question is STATES else question for question in plain), PAYMENTS)


def expected_by_worker(cases: list[Case]) -> dict[str, Figures]:
    """The log's answers: decisions and variants without the steps that are jobs now; all else as it is."""
    decided = [Case(case.id, case.amount, tuple(_split(case)[0])) for case in cases]
    jobs = Counter(_split(case)[1] for case in cases)
    plain, played = expected(cases), expected(decided)
    return {
        **plain,
        DECISIONS.title: played[DECISIONS.title],
        VARIANTS.title: played[VARIANTS.title],
        PLACES.title: {place: count for place, count in plain[PLACES.title].items() if place != "paying"},
        PAYMENTS.title: {status: count for status, count in jobs.items() if status},
    }


def worker(client: AsyncClient, cases: list[Case]) -> Worker:
    """The payment system: it handles what the log says was handled."""
    rejected = {case.id for case in cases if _split(case)[1] == "failed"}
    made = Worker(client, concurrency=16, lease_seconds=10)

    @made.task(JOB)
    async def handle(input: dict[str, str]) -> dict[str, str]:
        if input["case"] in rejected:
            raise NonRetryable(f"The payment of {input['case']} was rejected.", type="rejected")
        return {"paid": input["case"]}

    return made


def _split(case: Case) -> tuple[list[Step], str | None]:
    """The steps that stay decisions, and how the one that is a job ends: completed, failed, or None where there is none."""
    steps, job = [], None
    for before, step in zip((None, *case.steps), case.steps, strict=False):
        if before is not None and before.outcome == "payment_requested":
            job = "completed" if step.outcome == "payment_handled" else "failed"
        else:
            steps.append(step)
    return steps, job

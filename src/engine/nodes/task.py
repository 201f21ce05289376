"""task {job_type, input?, output_schema?}: hands a job to external workers and waits for its output.

`retry` says how often it is tried, `timeout` how long the visit may take in all.
"""

import re
from collections.abc import Iterator

from domain.execution import NodeError
from domain.facts import Job, Json
from engine.definition import Node
from engine.expressions import is_expression, resolve
from engine.happenings import JobDone, JobFailed, JobReport
from engine.invalid import InvalidValue
from engine.nodes import kind
from engine.nodes.kind import Done, Failed, Fault, Handles, NodeType, Visit, Waiting, object_schema, tried_again
from engine.outputs import unacceptable
from engine.schema import SchemaError, check_schema

OWN = "gesta."
"""Types of jobs that begin like this are Gesta's own."""
JOB_TYPE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}")
CONFIG = object_schema(
    {
        "job_type": {"type": "string", "minLength": 1},
        "input": True,
        "output_schema": {"type": ["object", "boolean"]},
    },
    ("job_type",),
)


def handles(_node: Node) -> Handles:
    return Handles(("success",), ("error", "timeout"))


def run(visit: Visit) -> kind.RunResult:
    config = {name: value for name, value in visit.node.config.items() if name not in TASK.raw}
    config = resolve(config, visit.evaluator, visit.variables)
    started = visit.execution.started
    assert started is not None
    job = Job(
        visit.activation_id,
        job_type(config["job_type"]),
        config.get("input"),
        visit.execution_id,
        visit.activation_id,
        visit.item_id,
        max_attempts=1 if visit.node.retry is None else visit.node.retry.max_attempts,
        priority=started.priority,
    )
    return Waiting(jobs=(job,), input=job.input)


def on_job(visit: Visit, report: JobReport) -> kind.Woken:
    """An output that does not fit is the error `invalid_output`, which is not tried again."""
    match report:
        case JobFailed():
            return tried_again(visit, report.failure, report.jitter)
        case JobDone():
            refused = unacceptable(report.output, visit.node.config.get("output_schema"), visit.output_bytes, visit.view.effort)
            if refused is None:
                return Done(report.output)
            return Failed(NodeError("invalid_output", refused, visit.attempt))


def job_type(value: Json) -> str:
    if not isinstance(value, str) or not JOB_TYPE.fullmatch(value):
        raise InvalidValue(f"{value!r} is not a job type: letters, digits and _ . : / -, at most 100 characters")
    if value.startswith(OWN):
        raise InvalidValue(f"Job types that begin with {OWN} are reserved for Gesta")
    return value


def output(node: Node) -> Json:
    return node.config.get("output_schema")


def lint(node: Node) -> Iterator[Fault]:
    if not is_expression(node.config["job_type"]):
        try:
            job_type(resolve_literal(node.config["job_type"]))
        except InvalidValue as error:
            yield Fault("/job_type", "invalid_value", str(error))
    yield from schema_faults(node)


def resolve_literal(text: str) -> str:
    """`==x` stands for `=x`."""
    return text.removeprefix("=")


def schema_faults(node: Node) -> Iterator[Fault]:
    try:
        check_schema(node.config.get("output_schema", True))
    except SchemaError as error:
        yield Fault(f"/output_schema{error.pointer}", "invalid_schema", str(error))


TASK = NodeType(
    "task",
    CONFIG,
    handles,
    run,
    output,
    lint,
    raw=frozenset({"output_schema"}),
    waits=True,
    works=True,
    on_job=on_job,
)

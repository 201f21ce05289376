"""Work that is too heavy for a process that serves, as a process of its own does it (`runtime.aside`): plain data in and out."""

from typing import Any

from domain.effort import Work
from domain.facts import Json
from engine.cel import CelEvaluator
from engine.expressions import ExpressionError
from engine.schema import SchemaError, faults_here
from engine.validate import validate

EVALUATOR = CelEvaluator()


def answer(work: Work) -> Any:
    match work:
        case ("evaluate", sources, variables):
            return _evaluated(sources, variables)
        case ("faults", schema, value, pointer, every):
            try:
                return [(fault.path, fault.code, fault.message) for fault in faults_here(schema, value, pointer, every=every)]
            except SchemaError as error:
                return [(pointer, "invalid_schema", str(error))]
        case ("check", definition):
            return [
                (found.severity, found.node_id, found.path, found.code, found.message)
                for found in validate(definition, EVALUATOR)
            ]
    raise ValueError(f"there is no work of this kind: {work[0]}")


def _evaluated(sources: list[str], variables: dict[str, Json]) -> tuple[bool, Any]:
    """Whether all went well, and the values; or what was said of the first that failed, and its source."""
    try:
        return True, EVALUATOR.evaluate_all(sources, variables)
    except ExpressionError as error:
        return False, (str(error), error.source)

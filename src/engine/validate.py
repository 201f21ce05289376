"""Everything that is said about a definition before it is published. Errors prevent it; warnings do not."""

from collections.abc import Iterator, Mapping

from domain.effort import Effort, TooCostly
from domain.facts import Json
from engine.definition import Finding, parse
from engine.expressions import Evaluator
from engine.lints.bodies import Bodies
from engine.lints.expressions import expressions, known_to, never_run
from engine.lints.inputs import no_input
from engine.lints.joins import Drawn, fire, stuck, tangled
from engine.lints.mentions import compensations, mentions
from engine.lints.nodes import nodes
from engine.lints.recursion import recursion
from engine.lints.shape import schemas, shape, too_many
from engine.lints.triggers import trigger_expressions, triggers
from engine.lints.wiring import edges, handles, reachable, repeated, spins
from engine.measure import json_size
from engine.nodes import BY_NAME
from engine.nodes.kind import NodeType

CHECKING = 100  # units for a byte of a definition
CHECK_SECONDS = 10.0


def findings(definition: Json, evaluator: Evaluator, effort: Effort) -> list[Finding]:
    """As `validate`, within what may be computed; a definition that takes more is not published."""
    try:
        if effort.is_light(CHECKING * json_size(definition, effort)):
            return validate(definition, evaluator)
        return [Finding(*each) for each in effort.elsewhere(("check", definition), CHECK_SECONDS, charged=False)]
    except TooCostly:
        return [Finding("error", None, "", "too_costly", "Checking this definition takes too long.")]


def validate(definition: Json, evaluator: Evaluator, node_types: Mapping[str, NodeType] = BY_NAME) -> list[Finding]:
    """Findings in the order of looking; none of severity "error": it can be published and run.

    What cannot be judged because of an earlier error is not judged: an author mends the shape first.
    """
    found = list(shape(definition)) or list(too_many(definition))
    if found:
        return found
    parsed = parse(definition)
    of_triggers = list(triggers(definition))
    found = [*schemas(definition), *of_triggers]
    of_nodes, sound = nodes(parsed, node_types)
    found += of_nodes
    found += edges(parsed, sound)
    found += mentions(parsed, sound)
    found += compensations(parsed, sound)
    found += handles(parsed, sound)
    found += repeated(parsed)
    drawn = Drawn(parsed, sound)
    if not errors(found):
        found += _of_the_whole(drawn)
    if not errors(of_nodes) and not any(finding.code == "invalid_schema" for finding in found):
        known = known_to(parsed, by_event=any(each["type"] == "event" for each in definition.get("triggers", ())))
        found += expressions(parsed, sound, evaluator, known, {})
        found += Bodies(evaluator, node_types).within(parsed, sound, known)
        if not errors(of_triggers):
            found += trigger_expressions(parsed, definition, evaluator)
    else:
        found += Bodies(None, node_types).within(parsed, sound, {})
    if not errors(found):
        found += never_run(parsed, sound, evaluator)
        found += stuck(drawn)
        found += no_input(parsed.input_schema)
    return found


def errors(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "error"]


def _of_the_whole(drawn: Drawn) -> Iterator[Finding]:
    yield from reachable(drawn.definition, drawn.sound)
    yield from tangled(drawn)
    yield from fire(drawn)
    yield from spins(drawn.definition, drawn.sound)
    yield from recursion(drawn.definition, drawn.sound)

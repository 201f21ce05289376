"""What an override may come to, and what goes with it."""

from collections.abc import Mapping
from typing import Any

from domain.approval import Approval, OutcomeKind
from domain.effort import Effort
from domain.facts import FieldError, Json
from engine.schema import faults
from engine.stepping import all_outcomes


def offered_by(approval: Approval, config: Mapping[str, Any]) -> Mapping[str, OutcomeKind]:
    """The outcomes of a request; of one in steps, those of all its steps. `config`: what it goes by."""
    if not approval.in_steps:
        return {outcome.name: outcome.kind for outcome in approval.outcomes}
    return {outcome["name"]: outcome["kind"] for outcome in all_outcomes(config)}


def faults_of_form(approval: Approval, outcome: str, form: Json, effort: Effort) -> tuple[FieldError, ...]:
    """Of form data that comes with an override, which need not: by the form of what is asked now, first of a step that offers the
    outcome."""
    if form is None:
        return ()
    steps = sorted(approval.open_steps, key=lambda step: all(each.name != outcome for each in step.outcomes))
    schema = next((step.form for step in steps if step.form is not None), None)
    if schema is None:
        return (FieldError("/form", "unknown_field", "This approval request has no form."),)
    return faults(schema, form, "/form", effort)

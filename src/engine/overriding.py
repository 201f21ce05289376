"""What an override may come to, and what goes with it."""

from collections.abc import Mapping
from typing import Any

from domain.approval import Approval, Outcome
from domain.effort import Effort
from domain.facts import FieldError, Json
from engine.schema import faults
from engine.stepping import all_outcomes, outcomes_in


def offered_by(approval: Approval, config: Mapping[str, Any]) -> Mapping[str, Outcome]:
    """The outcomes of a request; of one in steps, those of all its steps, without whom they ask. `config`: what it goes by.

    Where one is offered by several steps, it is as in the first that asks for proof.
    """
    if not approval.in_steps:
        return {outcome.name: outcome for outcome in approval.outcomes}
    written = [each for step in config.get("steps") or [{}] for each in outcomes_in(config, step)]
    found = {each["name"]: each for each in reversed([*(each for each in written if "proof" in each), *written])}
    return {
        name: Outcome(name, each["kind"], proof=each.get("proof"), means=each.get("means"))
        for name, each in ((each["name"], found[each["name"]]) for each in all_outcomes(config))
    }


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

"""``gesta eval``: a suite of cases against prompts, models or settings. A client of the API, with GESTA_URL and GESTA_API_KEY.

The server asks, judges and records; here is what takes one run after the other, and shows what they come to.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.by_http import TenantOption, connected, object_in
from runtime.errors import OperatorError

if TYPE_CHECKING:
    from client import ApiError, Client

WRONG = (404, 422)
"""What the API answers to a suite, or an evaluation, that cannot be."""


def evaluate(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A suite, as JSON.", exists=True, dir_okay=False, show_default=False)
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on with this evaluation: nothing is asked or paid twice.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="VARIANT", help="Show differences from this variant; else from the first.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the evaluation and its runs as JSON.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop after so long; it can be resumed.", min=1)
    ] = None,
    tenant: TenantOption = None,
) -> None:
    """Run every case of a suite against every variant, check what comes of it, and show the variants side by side.

    Exit code 0: every threshold holds. 1: a check or a threshold fails, or it did not come to its end. 2: wrong usage or suite.
    """
    from cli.evaluating import report, runs

    if (file is None) == (resume is None):
        raise typer.BadParameter("Give a FILE, or --resume ID.", param_hint="FILE")
    try:
        suite = None if file is None else object_in(file)
    except OperatorError as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from None
    with connected(tenant) as client:
        evaluation = _begun(client, suite, resume, baseline)
        why = runs.Evaluating(client, evaluation, timeout).run() if evaluation["status"] == "running" else None
        evaluation, results = runs.what_came_of_it(client, evaluation["id"])
    print(json.dumps({**evaluation, "results": results}, indent=2) if as_json else report.table(evaluation, results, baseline))
    if why is not None:
        print(f"gesta: {why}", file=sys.stderr)
    raise typer.Exit(0 if why is None and evaluation["passed"] else 1)


def _begun(client: "Client", suite: dict[str, Any] | None, resume: str | None, baseline: str | None) -> dict[str, Any]:
    """The evaluation, new or as it stands. Who is stopped from now on can go on with it."""
    from cli.evaluating import cases, runs
    from client import ApiError

    try:
        if suite is not None:
            _require(baseline, suite)  # before anything is on record
            resume = runs.start(client, cases.found(client, suite))
            print(f"Evaluation {resume}: `gesta eval --resume {resume}` goes on with it.", file=sys.stderr)
        assert resume is not None, "there is a suite, or an evaluation"
        evaluation: dict[str, Any] = runs.evaluation(client, resume)
    except ApiError as error:
        if error.status not in WRONG:
            raise
        raise typer.BadParameter(_said(error), param_hint="FILE" if suite is not None else "--resume") from None
    except cases.NoSuchCases as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from None
    _require(baseline, evaluation["suite"])
    return evaluation


def _require(baseline: str | None, suite: dict[str, Any]) -> None:
    """What is wrong with the suite itself, the API says."""
    variants = suite.get("variants")
    named = [each.get("name") for each in variants if isinstance(each, dict)] if isinstance(variants, list) else [baseline]
    if baseline is not None and baseline not in named:
        raise typer.BadParameter(f"The suite has no variant {baseline}.", param_hint="--baseline")


def _said(error: "ApiError") -> str:
    """What the detail says already is not said again."""
    if len(error.errors) == 1 and error.errors[0].message == error.detail:
        return f"{error.errors[0].path}: {error.detail}"
    return "\n".join([error.detail, *(f"  {fault.path}: {fault.message}" for fault in error.errors)])

"""Evaluations: prompts, models or settings on the same cases, side by side, with checks on what comes of each."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands
from api.documented import Calling, documented, paged
from api.listing import FRESHNESS
from api.models import NO_REASON, Body, Id, Name, Object, Reason, Text
from api.queries import evaluations as queries
from api.routes.own_ai_tasks import Model
from api.routing import router
from api.schemas import resources, results
from domain import evaluation
from domain.access import Rights
from domain.facts import Decided, View
from engine.ai_tools.double import MOST_ANSWERS
from engine.evaluation_runs import CALL
from engine.evaluations import MOST_CASES, MOST_CHECKS, MOST_REPEATS, MOST_VARIANTS, Asker, go_on, start
from engine.outputs import ERROR_TYPE

routes = router("evaluations")

MOST_CONCURRENT = 32
MOST_TOOLS = 200


class Case(Body):
    name: Annotated[Name | None, Field(description="Without it: its number, or the past task's id.")] = None
    input: Annotated[Any, Field(description="The data that the variants work on.")] = None
    context: Any = None
    prompt: Annotated[str | None, Field(min_length=1, description="For variants that have none.")] = None
    variables: Annotated[Object | None, Field(description="Of the prompt that the variant names.")] = None
    expected: Annotated[Any, Field(description="What checks and judges compare with.")] = None
    from_task: Annotated[
        Id | None,
        Field(description="A past AI task: what it was asked, with what its tools answered, stands where nothing else does."),
    ] = None


class Money(Body):
    amount: str | int | float
    currency: str


class Thresholds(Body):
    pass_rate: Annotated[float | int | None, Field(ge=0, le=1, description="1 unless given.")] = None
    mean_cost: Annotated[Money | None, Field(description="Of a run, without judges.")] = None
    p95_latency_ms: Annotated[int | None, Field(ge=0, le=10**12)] = None


class Variant(Body):
    """Beside these, the fields of `POST /v1/ai-tasks` by which it differs from the others."""

    name: Name
    thresholds: Thresholds | None = None

    model_config = ConfigDict(extra="allow")


class SchemaCheck(Body):
    type: Literal["schema"]
    name: Name | None = None
    schema_: Annotated[Object | bool, Field(alias="schema")]


class CelCheck(Body):
    type: Literal["cel"]
    name: Name | None = None
    expression: Annotated[
        str, Field(min_length=1, max_length=10_000, description="Over output, input, expected, usage and calls.")
    ]


class ForbiddenTools(Body):
    type: Literal["forbidden_tools"]
    name: Name | None = None
    tools: Annotated[list[Name] | None, Field(max_length=MOST_TOOLS, description="Without it: all.")] = None


class Judge(Body):
    type: Literal["judge"]
    name: Name | None = None
    model: Model
    prompt: Annotated[str | Object, Field(description="By which criteria it judges: a text, or {key, version, variables?}.")]
    min_score: Annotated[float | int | None, Field(ge=0, le=1)] = None
    max_output_tokens: int | None = None
    temperature: float | int | None = None
    top_p: float | int | None = None
    seed: int | None = None
    bounds: Object | None = None


Check = Annotated[SchemaCheck | CelCheck | ForbiddenTools | Judge, Field(discriminator="type")]


class DoubleError(Body):
    type: Annotated[str, Field(pattern=f"^{ERROR_TYPE.pattern}$")]
    message: Annotated[str, Field(max_length=10_000)] = ""


class Double(Body):
    """What a tool answers in its place."""

    answers: Annotated[list[Object] | None, Field(max_length=MOST_ANSWERS)] = None
    returns: Any = None
    error: DoubleError | None = None


class Suite(Body):
    name: Name
    description: Text | None = None
    cases: Annotated[list[Case], Field(min_length=1, max_length=MOST_CASES)]
    variants: Annotated[list[Variant], Field(min_length=1, max_length=MOST_VARIANTS)]
    checks: Annotated[list[Check], Field(max_length=MOST_CHECKS, default_factory=list)]
    thresholds: Annotated[Thresholds | None, Field(description="Of every variant that does not say otherwise.")] = None
    tools: Annotated[
        dict[Name, Double | Literal["call"]] | None,
        Field(max_length=MOST_TOOLS, description=f"By name: what it answers, or `{CALL}`: it really acts."),
    ] = None
    repeat: Annotated[int, Field(ge=1, le=MOST_REPEATS)] = 1
    concurrency: Annotated[int, Field(ge=1, le=MOST_CONCURRENT, description="Runs at a time, by whoever takes them.")] = 4
    budget: Annotated[Money | None, Field(description="No run is begun once so much is spent, judges too.")] = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "sorting",
                    "cases": [{"name": "taxi", "input": {"claim": "Taxi to the airport"}, "expected": {"kind": "travel"}}],
                    "variants": [
                        {"name": "now", "model": "openai:gpt-4o", "prompt": {"key": "classify-claim", "version": 3}},
                        {"name": "cheap", "model": "openai:gpt-4o-mini", "prompt": {"key": "classify-claim", "version": 3}},
                    ],
                    "checks": [{"type": "cel", "expression": "output.kind == expected.kind"}],
                }
            ]
        }
    )

    @property
    def suite(self) -> dict[str, Any]:
        """As the engine takes it: each thing with its name."""
        given = _known(self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"name", "description"}))
        numbered = enumerate(map(_known, given["cases"]), 1)
        cases = [{"name": case.get("from_task") or f"case {at}", **case} for at, case in numbered]
        checks = list[dict[str, Any]]()
        for check in map(_known, given.get("checks", ())):
            same = sum(each["type"] == check["type"] for each in checks)
            checks.append({"name": f"{check['type']} {same + 1}" if same else check["type"], **check})
        variants = [_with_thresholds(each) for each in map(_known, given["variants"])]
        tools = {} if "tools" not in given else {"tools": {name: _double(said) for name, said in given["tools"].items()}}
        about = {"repeat": self.repeat, "concurrency": self.concurrency}
        return {**_with_thresholds(given), "cases": cases, "variants": variants, "checks": checks, **about, **tools}


class RunWanted(Body):
    variant: Name
    case: Name
    repeat: Annotated[int, Field(ge=1, le=MOST_REPEATS)] = 1


def _known(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _with_thresholds(given: dict[str, Any]) -> dict[str, Any]:
    return {**given, "thresholds": _known(given["thresholds"])} if "thresholds" in given else given


def _double(said: Any) -> Any:
    """To return null is something, too."""
    return {name: value for name, value in said.items() if name == "returns" or value is not None} if said != CALL else said


def _asker(who: Rights) -> Asker:
    return Asker(who.user_id, tuple(sorted(who.behind)))


@routes.post(
    "/evaluations",
    status_code=201,
    **documented("Start an evaluation", "Started", results.EVALUATION_RESULT, creates=True),
)
async def begin(call: Calling, body: Suite) -> Response:
    """Nothing is asked of a model yet: whoever evaluates takes each run in turn, as `gesta eval` does."""
    engine, suite = call.services.engine, body.suite

    def decide(view: View, who: Rights) -> Decided:
        if any("from_task" in case for case in suite["cases"]):
            who.require("ai_tasks:read")
        return start(view, engine, body.name, suite, description=body.description, asker=_asker(who))

    return await call.command(commands.EVALUATION_START, decide, status=201, location="/v1/evaluations/{id}")


@routes.get("/evaluations", **paged("List evaluations", queries.EVALUATIONS, resources.EVALUATION_SUMMARY))
async def list_evaluations(call: Calling) -> Response:
    call.require("ai_tasks:read")
    return await call.page(queries.EVALUATIONS)


@routes.get(
    "/evaluations/{id}",
    **documented("Get an evaluation", "Its suite, and what it came to", resources.EVALUATION, parameters=FRESHNESS),
)
async def get(call: Calling, id: UUID) -> Response:
    call.require("ai_tasks:read")
    return await call.one(queries.EVALUATION, {"id": id})


@routes.get("/evaluations/{id}/results", **paged("List what came of each run", queries.RESULTS, resources.EVALUATION_RUN))
async def list_results(call: Calling, id: UUID) -> Response:
    call.require("ai_tasks:read")
    await call.row(queries.EVALUATION, {"id": id})
    return await call.page(queries.RESULTS, id=id)


@routes.post(
    "/evaluations/{id}/runs",
    **documented("Go on with a run", "What is to be waited for, or what came of it", results.EVALUATION_RUN_RESULT),
)
async def go_on_with(call: Calling, id: UUID, body: RunWanted) -> Response:
    """One case given to one variant, once. Its AI task is asked for; once that is over, its judges are; then it is recorded.

    Wait for the tasks in `waits_for`, and ask again. However often, and by whomever: nothing is asked for twice.
    """
    engine = call.services.engine
    return await call.command(
        commands.EVALUATION_RUN,
        lambda view, who: go_on(view, engine, id, body.variant, body.case, body.repeat, _asker(who)),
        id,
    )


@routes.post("/evaluations/{id}/cancel", **documented("Cancel an evaluation", "How it stands", results.EVALUATION_RESULT))
async def cancel(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """No further run is begun. The tasks that are under way end by themselves, and count no more."""
    return await call.command(commands.EVALUATION_CANCEL, lambda view, _who: evaluation.cancel(view, id, body.reason), id)

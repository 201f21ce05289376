"""AI tasks of their own: asked for without a workflow, and reported by agents elsewhere."""

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands, prompting
from api.documented import Calling, documented
from api.models import Body, Name, Object, Priority
from api.notifying import Callback, follow
from api.requests import MAX_BODY
from api.routes.enqueued_jobs import Retry
from api.routing import router
from api.schemas import results
from domain.access import Rights
from domain.ai_task import MAX_MODEL_NAME, Usage
from domain.facts import Decided, Invalid, Json, View
from domain.retry import Failure
from domain.usage_report import CURRENCY, MOST_PAID, MOST_TOKENS, UsageReport
from engine.ai_policies import LONGEST_ID, LONGEST_NAME, MOST_CALLS
from engine.external_ai_tasks import Finish, ReportedCall, ReportedTurn, report
from engine.outputs import ERROR_TYPE
from engine.own_ai_tasks import LONGEST_NAME as LONGEST_TITLE
from engine.own_ai_tasks import Wanted, request
from runtime.ids import new_id

routes = router("AI tasks")

SAME = "As of an `ai_agent` node; of expressions only those that are evaluated later."
MOST_TURNS = 100
"""In one report."""
LOCATION = "/v1/ai-tasks/{id}"
MOST_MS = 10**12

Model = Annotated[str, Field(min_length=1, max_length=MAX_MODEL_NAME)]
Tokens = Annotated[int, Field(ge=0, le=MOST_TOKENS)]
Milliseconds = Annotated[int, Field(ge=0, le=MOST_MS)]


class Request(Body):
    model: Annotated[Model | None, Field(description="Without it: the one that the prompt names.")] = None
    prompt: Annotated[str | Object, Field(description="A text, or {key, version?, variables?} of a published prompt.")]
    name: Annotated[str | None, Field(min_length=1, max_length=LONGEST_TITLE, description="For people.")] = None
    system: str | None = None
    input: Annotated[Any, Field(description="The data that it works on.")] = None
    context: Annotated[Any, Field(description="What it is told beside the prompt.")] = None
    output_schema: Annotated[Object | bool | None, Field(description="A JSON Schema that the output must fit.")] = None
    agent_type: str | None = None
    max_output_tokens: int | None = None
    temperature: float | int | None = None
    top_p: float | int | None = None
    seed: int | None = None
    tools: Annotated[list[Object] | None, Field(description=SAME)] = None
    bounds: Annotated[Object | None, Field(description=SAME)] = None
    guards: Annotated[Object | None, Field(description=SAME)] = None
    review: Annotated[Object | None, Field(description=SAME)] = None
    on_budget: Annotated[Literal["fail", "ask"] | None, Field(description=SAME)] = None
    budget_by: Annotated[Object | None, Field(description=SAME)] = None
    repetition_by: Annotated[Object | None, Field(description=SAME)] = None
    cache: Annotated[bool | None, Field(description=SAME)] = None
    stream: Annotated[bool | None, Field(description=SAME)] = None
    retry: Annotated[Retry | None, Field(description="As of a node. How long it may take in all: `bounds.time`.")] = None
    priority: Priority = 0
    callback: Annotated[
        Callback | None, Field(description="Where its end is told, once: at a `url`, or to a notification endpoint.")
    ] = None
    external: Annotated[
        bool, Field(description="Another agent does it, and reports its turns: nothing is called for it here.")
    ] = False

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "offline/echo",
                    "prompt": "Sort this claim.",
                    "input": {"claim": "Taxi to the airport"},
                    "bounds": {"time": "PT5M"},
                }
            ]
        }
    )

    @property
    def wanted(self) -> Wanted:
        given = {name: value for name, value in self.given().items() if value is not None}
        definition = {name: value for name, value in given.items() if name not in OF_ITS_OWN}
        retry = None if self.retry is None else {name: one for name, one in self.retry.given().items() if one is not None}
        return Wanted(definition, self.name, retry, self.priority, external=self.external)


OF_ITS_OWN = ("name", "retry", "priority", "callback", "external")


class Used(Body):
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cache_read_tokens: Tokens = 0
    cache_write_tokens: Tokens = 0
    reasoning_tokens: Annotated[Tokens | None, Field(description="Of the output.")] = None


class Error(Body):
    type: Annotated[str, Field(pattern=f"^{ERROR_TYPE.pattern}$")]
    message: Annotated[str, Field(max_length=10_000)] = ""
    retryable: bool = True

    @property
    def failure(self) -> Failure:
        return Failure(self.type, self.message, self.retryable)


class Call(Body):
    """Of a tool. One of `result`, `error`, `denied`."""

    tool: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    arguments: Object
    id: Annotated[str | None, Field(min_length=1, max_length=LONGEST_ID, description="By which the model knows it.")] = None
    result: Annotated[Any, Field(description="What the model was told that it came to.")] = None
    error: Error | None = None
    denied: Annotated[str | None, Field(min_length=1, max_length=2_000, description="Why it was not made.")] = None
    latency_ms: Milliseconds | None = None

    def reported(self, path: str) -> ReportedCall:
        if sum(one is not None for one in (self.result, self.error, self.denied)) > 1:
            raise Invalid("A call has one of result, error, denied.", path)
        error = None if self.error is None else self.error.failure
        return ReportedCall(self.tool, self.arguments, self.result, error, self.denied, self.latency_ms, self.id)


class Turn(Body):
    """One call of a model, as it was answered, or failed with an `error`."""

    model: Model
    provider: Name
    usage: Used | None = None
    cost: Annotated[str | None, Field(max_length=40, description="An amount, as text.")] = None
    currency: Annotated[str | None, Field(pattern=f"^{CURRENCY.pattern}$")] = None
    latency_ms: Milliseconds = 0
    finish_reason: Name | None = None
    text: Annotated[str | None, Field(max_length=1 << 16, description="What it said, beside its calls of tools.")] = None
    output: Annotated[Any, Field(description="What it answered, where it asked for no tools; without: the text.")] = None
    calls: Annotated[list[Call], Field(max_length=MOST_CALLS, default_factory=list)]
    error: Error | None = None

    def reported(self, path: str) -> ReportedTurn:
        if self.error is not None and (self.calls or self.output is not None or self.text is not None):
            raise Invalid("A turn that failed has no text, output or calls.", f"{path}/error")
        if self.calls and self.output is not None:
            raise Invalid("A turn has an output, or calls of tools.", f"{path}/output")
        calls = tuple(call.reported(f"{path}/calls/{place}") for place, call in enumerate(self.calls))
        if not calls and self.error is None and self.output is None and self.text is None:
            raise Invalid("A turn has a text, an output, calls of tools or an error.", path)
        error = None if self.error is None else self.error.failure
        return ReportedTurn(self.provider, self.model, self._report(path), self.latency_ms, self.text, self.output, calls, error)

    def _report(self, path: str) -> UsageReport:
        used = None if self.usage is None else Usage(**self.usage.model_dump())
        return UsageReport(used, _amount(self.cost, self.currency, path), self.currency, self.finish_reason)


class End(Body):
    """The task comes to `output`, without it to what the last turn did; or it failed with `error`."""

    output: Any = None
    error: Error | None = None

    @property
    def reported(self) -> Finish:
        if self.error is not None and "output" in self.model_fields_set:
            raise Invalid("The end is an output or an error.", "/finish")
        return Finish("output" in self.model_fields_set, self.output, None if self.error is None else self.error.failure)


class Turns(Body):
    MAX_BYTES: ClassVar[int] = 8 * MAX_BODY
    turns: Annotated[list[Turn], Field(max_length=MOST_TURNS, default_factory=list, description="In their order.")]
    finish: End | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "turns": [
                        {
                            "model": "large-1",
                            "provider": "ours",
                            "usage": {"input_tokens": 210, "output_tokens": 12},
                            "cost": "0.0031",
                            "currency": "EUR",
                            "latency_ms": 840,
                            "calls": [{"tool": "lookup", "arguments": {"id": 7}, "result": {"price": 12}}],
                        },
                        {"model": "large-1", "provider": "ours", "text": "It costs 12."},
                    ],
                    "finish": {},
                }
            ]
        }
    )


@routes.post(
    "/ai-tasks",
    status_code=201,
    **documented("Ask for an AI task without a workflow", "Asked", results.AI_TASK_RESULT, creates=True),
)
async def ask(call: Calling, body: Request) -> Response:
    """A worker does it; `GET /v1/ai-tasks/{id}?wait=` waits for its end. With `external` an agent elsewhere does it, and reports
    its turns."""
    if body.callback is not None:
        await follow(call)
    spec, engine, task_id, wanted = commands.AI_TASK_REQUEST, call.services.engine, new_id(), body.wanted
    apart = await prompting.apart(call, spec, body.prompt)
    if apart is not None:
        wanted = replace(wanted, definition={**wanted.definition, "prompt": apart.prompt}, sealed=apart.kept.withheld)

    def decide(view: View, who: Rights) -> Decided:
        told: Json = None if body.callback is None else body.callback.named(view, who, "ai_tasks:read")
        asked, behind, correlation_id = replace(wanted, callback=told), tuple(sorted(who.behind)), call.correlation_id
        return request(view, engine, asked, by=who.user_id, behind=behind, correlation_id=correlation_id, task_id=task_id)

    if apart is None:
        return await call.command(spec, decide, status=201, location=LOCATION)
    done = await prompting.handle(call, spec, task_id, apart, decide)
    return call.answer(done, call.tenant_id, status=201, location=LOCATION)


@routes.post("/ai-tasks/{id}/turns", **documented("Report an agent's turns", "Recorded", results.REPORTED_AI_TASK))
async def report_turns(call: Calling, id: UUID, body: Turns) -> Response:
    """What an agent elsewhere did of an `external` task: one or several turns, all of them or none.

    A task that goes beyond one of its bounds by them fails.
    """
    turns = [turn.reported(f"/turns/{place}") for place, turn in enumerate(body.turns)]
    finish = None if body.finish is None else body.finish.reported
    if not turns and finish is None:
        raise Invalid("A report has turns, or the end.", "/turns")
    engine = call.services.engine
    return await call.command(commands.AI_TASK_REPORT, lambda view, _who: report(view, engine, id, turns, finish), id)


def _amount(cost: str | None, currency: str | None, path: str) -> Decimal | None:
    if (cost is None) != (currency is None):
        raise Invalid("A cost goes with its currency.", f"{path}/{'currency' if currency is None else 'cost'}")
    if cost is None:
        return None
    try:
        amount = Decimal(cost)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount < MOST_PAID:
        raise Invalid(f"A cost is an amount as text, from 0 to less than {MOST_PAID}.", f"{path}/cost")
    return amount

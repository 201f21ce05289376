"""What happens to an AI task: it is asked for, models are called, tools are used, people are asked, and it ends.

An **attempt** is one call of a model. A **turn** is an attempt that was answered, with the calls of tools that it asks for.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from domain.ai_usage import Usage
from domain.facts import Due, Event, Json
from domain.retry import Failure, RetryPolicy


@dataclass(frozen=True)
class Configuration:
    """What the model is told beside the words. None: the provider's default."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Totals:
    """Over all attempts. `cost` adds up what is known, in one currency; `unpriced` counts the attempts that are not in it."""

    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = None
    currency: str | None = None
    unpriced: int = 0
    tool_calls: int | None = None
    """Those that were started. None: in events of before there were any."""


@dataclass(frozen=True)
class Bounds:
    """How far one task may go. It fails with the type named where it would go beyond. None: as far as it likes.

    `turns` (too_many_turns), `tool_calls` (too_many_tool_calls), `tokens` of input and output over all attempts (token_limit),
    `cost` in `currency` (cost_limit), `time` from the recorded moment of its request (time_limit), and `repeats`: how often the
    same call with the same arguments is made (repetition).
    """

    turns: int | None = None
    tool_calls: int | None = None
    tokens: int | None = None
    cost: Decimal | None = None
    currency: str | None = None
    time: timedelta | None = None
    repeats: int | None = None
    repairs: int | None = None
    """How often in a row the model is told what was wrong with its output, and asked again. None: never."""
    rejections: int | None = None
    """How often people may send an output back with a comment. None: never: the first rejection fails the task."""


@dataclass(frozen=True)
class PromptRef:
    """The published version of a prompt that a task is pinned to."""

    id: UUID
    key: str
    version: int


@dataclass(frozen=True)
class SensitivePart:
    """A part of a text as it is recorded, which stands in the place of a value that is not; the value is put there to be sent.

    `of`: which text; from character `start` to before `end`. `secret`: the name of the tenant's secret that is the value; None:
    the value is sealed beside the ledger, under the task's id (`store.sensitive`).
    """

    variable: str
    of: Literal["prompt", "system_prompt"]
    start: int
    end: int
    secret: str | None = None


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool, as the model asked for it. `id`: the task's own, a uuid5 of the task, turn and place.

    `provider_id`: by which the model knows it. `verdict`: what the tool's policy said, with `why` where it is no plain yes.
    `arguments` is None where what the model wrote is no JSON object; `malformed` then says why.
    """

    id: UUID
    tool: str
    arguments: Json
    provider_id: str
    verdict: Literal["allow", "deny", "ask"] = "allow"
    why: str | None = None
    malformed: str | None = None


@dataclass(frozen=True)
class Reservation:
    """What an attempt or call may take of a budget at most, put aside before. `period_id`: the stream of the budget's period."""

    budget_id: UUID
    period_id: UUID
    tokens: int = 0
    cost: Decimal = Decimal(0)
    calls: int = 0
    tool_calls: int = 0


@dataclass(frozen=True)
class AiTaskRequested(Event):
    """Opened by an ai_agent node's activation, or by itself: then `execution_id`, `activation_id` are None.

    `model` names the provider too, as `openai:gpt-4o` or `offline/echo`, or is a tenant's alias, as `careful`.
    `prompt`, `context` and `input` are sent as they stand here; `output_schema` is the JSON Schema that the output must fit
    (None: the output is the model's text). `cost_estimate` is in `currency`.
    """

    execution_id: UUID | None
    activation_id: UUID | None
    node_id: str | None
    task_name: str
    model: str
    prompt: str
    configuration: Configuration
    retry: RetryPolicy
    agent_type: str | None = None
    provider: str | None = None
    system_prompt: str | None = None
    context: Json = None
    input: Json = None
    output_schema: Json = None
    priority: int = 0
    requested_by: UUID | None = None
    cost_estimate: Decimal | None = None
    currency: str | None = None
    correlation_id: UUID | None = None
    item_id: UUID | None = None
    """The stream of the foreach's item that asks, where one does."""
    item_index: int | None = None
    tools: Json = None
    """A list of {name, type, description?, parameters, policy, …}, resolved: what the model may call. None: nothing."""
    bounds: Bounds | None = None
    guards: Json = None
    """{input, tool_arguments, tool_results, output}: lists of guards (`engine.ai_guards`)."""
    review: Json = None
    """{when: "always" | CEL, by, …}: who looks at the output before it counts."""
    on_budget: Literal["fail", "ask"] | None = None
    """What becomes of it where a budget is used up. None: it fails with `budget_exceeded`."""
    budget_by: Json = None
    """Who is asked, with `on_budget: ask`: {users, roles}."""
    repetition_by: Json = None
    """Who is asked whether to go on where the same call is made too often. None: nobody; the call is denied."""
    prompt_ref: PromptRef | None = None
    sensitive: tuple[SensitivePart, ...] | None = None
    """Where `prompt` and `system_prompt` have something else in the place of a value: a keyed hash, or the name of a secret."""
    continues: UUID | None = None
    """The task of the same execution whose conversation this one goes on with."""
    requesters: tuple[UUID, ...] | None = None
    """Who asks, and who does so on their behalf: they are kept from approving where a rule keeps the requester."""
    requester_roles: tuple[str, ...] | None = None
    """Keys of the roles of whoever asks, as they were: what policies of tools see as `caller.roles`."""
    workflow_key: str | None = None
    external: bool | None = None
    """Another agent does it, and reports its turns; no worker of ours calls a model for it."""
    cache: bool | None = None
    """Whether an answer to the very same request may be taken from the tenant's cache."""
    stream: bool | None = None
    """Whether the text of answers is kept for a while as it comes, for whoever follows the task."""
    callback: Json = None
    """Of one that was asked for by itself: where its end is told, once (`domain.callbacks`)."""


@dataclass(frozen=True)
class AiTaskAttemptStarted(Event):
    """On record before the provider is called. `number` counts from 1; `provider` and `model` are those that will be asked."""

    attempt_id: UUID
    number: int
    provider: str
    model: str
    worker_id: str
    turn: int | None = None
    """Of which turn, from 1. None: of the first and only one, in events of before there were several."""
    purpose: Literal["turn", "guard"] | None = None
    """guard: a model judges what goes in or out. None: turn."""
    reserved: tuple[Reservation, ...] | None = None
    guard: str | None = None
    """Of a guard's attempt: its place, as `output/0`."""


@dataclass(frozen=True)
class AiTaskAttemptSucceeded(Event):
    """`model`: the one that answered, by its own name. `usage` and `cost` are None where they are not known.

    With `calls` the answer asks for tools, `text` is what it says beside, and `output` is None. Without, `output` is what the
    task comes to, unless a guard or a reviewer says otherwise.
    """

    attempt_id: UUID
    number: int
    output: Json
    latency_ms: int
    provider: str
    model: str
    usage: Usage | None = None
    cost: Decimal | None = None
    currency: str | None = None
    finish_reason: str | None = None
    turn: int | None = None
    purpose: Literal["turn", "guard"] | None = None
    text: str | None = None
    calls: tuple[ToolCall, ...] | None = None
    stream_digest: str | None = None
    """SHA-256, in hex, of what was streamed of it, where it was."""
    cached_from: UUID | None = None
    """The attempt whose answer this is, from the tenant's cache: no provider was called."""
    guard: str | None = None
    """Of a guard's attempt: its place. `output` is what it says: {allowed, why}."""


@dataclass(frozen=True)
class AiTaskAttemptFailed(Event):
    """A failed call may have cost money too. `retry`: when the next attempt is due; None: there is none."""

    attempt_id: UUID
    number: int
    error: Failure
    latency_ms: int | None = None
    usage: Usage | None = None
    cost: Decimal | None = None
    currency: str | None = None
    finish_reason: str | None = None
    retry: Due | None = None
    turn: int | None = None
    purpose: Literal["turn", "guard"] | None = None
    answered: str | None = None
    """What the model wrote, where that did not fit: it is told so, and asked again."""
    provider: str | None = None
    model: str | None = None
    falls_back: bool | None = None
    """The next model of the chain is asked at once; the retry policy is not asked."""


DenialReason = Literal[
    "not_allowed", "policy", "malformed", "guard", "repetition", "too_many", "budget", "rejected", "expired", "cancelled"
]
"""not_allowed: no tool of the task. policy: its policy denies. malformed: the arguments do not fit. guard: a guard forbids.
repetition: asked for too often. too_many: beyond the task's bounds. rejected: a person said no.
expired: nobody said yes in time."""


@dataclass(frozen=True)
class AiTaskToolCallDenied(Event):
    """The tool is not called; the model is told `message`."""

    call_id: UUID
    tool: str
    reason: DenialReason
    message: str
    by: UUID | None = None
    request_id: UUID | None = None


@dataclass(frozen=True)
class AiTaskToolCallStarted(Event):
    """On record before the tool acts. `number`: how often this call has been started; a second time only after a first
    whose end nobody knows, or that may be tried again, and with the same `idempotency_key`.

    `arguments`: those that it is called with. `edited`: a person replaced those of the model. `child_id`: the execution that
    a workflow tool starts.
    """

    call_id: UUID
    tool: str
    number: int
    arguments: Json
    idempotency_key: str
    worker_id: str | None = None
    edited: bool = False
    child_id: UUID | None = None
    reserved: tuple[Reservation, ...] | None = None


@dataclass(frozen=True)
class AiTaskToolCallSucceeded(Event):
    """`result`: as the model is told it: redacted, guarded and cut to size (`cut`: how many characters it had)."""

    call_id: UUID
    tool: str
    number: int
    result: Json
    latency_ms: int | None = None
    cut: int | None = None


@dataclass(frozen=True)
class AiTaskToolCallFailed(Event):
    """`retry`: when it is tried again; None: the model is told of the failure."""

    call_id: UUID
    tool: str
    number: int
    error: Failure
    latency_ms: int | None = None
    retry: Due | None = None


Purpose = Literal["tool", "review", "budget", "elicitation", "repetition"]


@dataclass(frozen=True)
class AiTaskAsked(Event):
    """People are asked, by an ordinary approval request.

    tool: whether a call may be made. review: whether the output counts. budget: whether to go beyond it. elicitation: a tool asks
    for what a form takes. repetition: whether to go on.
    """

    request_id: UUID
    purpose: Purpose
    call_id: UUID | None = None
    output: Json = None
    """Of a review: what is looked at. Of an elicitation: a digest of the question, by which its answer is given to no other."""
    budget_id: UUID | None = None


@dataclass(frozen=True)
class AiTaskAnswered(Event):
    """`outcome`: approved (as it is, or with `edited` in its place), rejected (`comment` is fed back), expired or cancelled."""

    request_id: UUID
    purpose: Purpose
    outcome: Literal["approved", "edited", "rejected", "expired", "cancelled"]
    call_id: UUID | None = None
    by: UUID | None = None
    comment: str | None = None
    edited: Json = None
    """The arguments or the output as a person left them; of an elicitation: what the form says."""


@dataclass(frozen=True)
class AiTaskCompleted(Event):
    output: Json
    totals: Totals


@dataclass(frozen=True)
class AiTaskFailed(Event):
    """`error` is the last attempt's, or says which bound it came to."""

    error: Failure
    totals: Totals


@dataclass(frozen=True)
class AiTaskCancelled(Event):
    reason: str | None = None


AiTaskEvent = (
    AiTaskRequested
    | AiTaskAttemptStarted
    | AiTaskAttemptSucceeded
    | AiTaskAttemptFailed
    | AiTaskToolCallDenied
    | AiTaskToolCallStarted
    | AiTaskToolCallSucceeded
    | AiTaskToolCallFailed
    | AiTaskAsked
    | AiTaskAnswered
    | AiTaskCompleted
    | AiTaskFailed
    | AiTaskCancelled
)

"""What it is to call a model once. Neither the retries nor the record of the attempt are a provider's business."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Literal, Protocol
from uuid import UUID

from domain import usage_report
from domain.ai_task import AiTask, AiTaskRequested, Configuration, Usage
from domain.facts import Json
from domain.redaction import Redaction
from domain.retry import Failure
from domain.usage_report import SMALLEST
from engine.ai_guards import VERDICT, Question
from engine.ai_messages import CallMessage, Message, ToolSpec, conversation_of, messages_of, tools_of, words_of

AiErrorType = Literal[
    "rate_limit",
    "overloaded",
    "quota",
    "timeout",
    "invalid_output",
    "truncated",
    "refused",
    "auth",
    "context_length",
    "unavailable",
    "bad_request",
]
"""rate_limit: asked too often. overloaded: the provider has too much to do. quota: the account is used up. timeout: no answer in
time. invalid_output: an answer that does not fit. truncated: one that was cut off at its longest. refused: by the model or a
filter. auth: the key. context_length: more was sent than the model takes. unavailable: the provider failed, or could not be
reached or read. bad_request: asking again the same way is pointless."""

RETRYABLE: frozenset[AiErrorType] = frozenset({"rate_limit", "overloaded", "timeout", "invalid_output", "unavailable"})


MILLION = 1_000_000


@dataclass(frozen=True)
class AiCall:
    """One call. `model` as in a definition, e.g. "openai:gpt-4o". `output_schema`: JSON Schema of the output; None: text."""

    model: str
    prompt: str
    system_prompt: str | None = None
    input: Json = None
    context: Json = None
    output_schema: Json = None
    configuration: Configuration = field(default_factory=Configuration)
    timeout: timedelta = timedelta(minutes=2)
    """From the first byte of the request to the last of the answer."""
    messages: tuple[Message, ...] = ()
    """What was said after the first message, whose words are `text`."""
    tools: tuple[ToolSpec, ...] = ()
    before: tuple[Message, ...] = ()
    """What was said before the first message, in the tasks that this one continues."""
    told: Callable[[str], Awaitable[None]] | None = field(default=None, repr=False, compare=False)
    """Is told the answer's text in pieces as it comes. None: the answer is asked for in one."""

    @classmethod
    def of(cls, task: AiTaskRequested, model: str, timeout: timedelta) -> "AiCall":
        """The call that a task asks for. `model`: `registry.ModelRef.full`, because a task may leave it to the settings."""
        return cls(
            model, task.prompt, task.system_prompt, task.input, task.context, task.output_schema, task.configuration, timeout
        )

    @classmethod
    def next(cls, task: AiTask, model: str, timeout: timedelta, earlier: Sequence[AiTask] = ()) -> "AiCall":
        """The call for the turn to come, after all that was said so far. `earlier`: the tasks that it continues, in order."""
        assert task.requested is not None, "a task that is there was requested"
        call = cls.of(task.requested, model, timeout)
        return replace(call, messages=messages_of(task), tools=tools_of(task), before=conversation_of(earlier))

    @classmethod
    def judging(cls, question: Question, model: str, timeout: timedelta) -> "AiCall":
        """The call of a guard that is a model."""
        return cls(model, question.prompt, input=question.input, output_schema=VERDICT, timeout=timeout)

    @property
    def text(self) -> str:
        """What the user's message says."""
        return words_of(self.prompt, self.context, self.input)


@dataclass(frozen=True)
class Price:
    """What a call cost. `amount` has at most ten digits after the point; `currency` as ISO 4217 names it."""

    amount: Decimal
    currency: str


@dataclass(frozen=True)
class ModelPrice:
    """What a tenant says that a model costs: for a million tokens each, in `currency`. `cached_input`: None: as other input."""

    input: Decimal
    output: Decimal
    currency: str
    cached_input: Decimal | None = None

    def of(self, used: Usage) -> Price:
        """Exact, and then to ten digits after the point."""
        cached = self.input if self.cached_input is None else self.cached_input
        fresh = used.input_tokens - used.cache_read_tokens
        with localcontext() as context:
            context.prec = 60
            amount = (fresh * self.input + used.cache_read_tokens * cached + used.output_tokens * self.output) / MILLION
            return Price(amount.quantize(SMALLEST, ROUND_HALF_EVEN), self.currency)


@dataclass(frozen=True)
class CallReport:
    """What is known of a call, answered or failed: what it used, cost and took, and who answered. None: not known."""

    latency_ms: int
    usage: Usage | None = None
    price: Price | None = None
    provider: str | None = None
    model: str | None = None
    finish_reason: str | None = None

    def recorded(self) -> usage_report.UsageReport:
        """As the attempt's end has it on record; the rest stands beside it there."""
        price = self.price
        return usage_report.UsageReport(
            self.usage,
            None if price is None else price.amount,
            None if price is None else price.currency,
            self.finish_reason,
        )

    def without(self, secrets: Redaction) -> "CallReport":
        """Also where they stand as the name of a model, of a reason, or of what was counted."""
        used = self.usage
        if used is not None and used.details is not None:
            used = replace(used, details={secrets.text(name): count for name, count in used.details.items()})
        model = None if self.model is None else secrets.text(self.model)
        reason = None if self.finish_reason is None else secrets.text(self.finish_reason)
        return replace(self, usage=used, model=model, finish_reason=reason)


@dataclass(frozen=True)
class AiAnswer:
    """An output that fits the schema. It can be stored: no NUL, no lone surrogate, no number that jsonb refuses.

    With `calls`, the model asks for tools instead: `output` is None, and `text` is what it says beside.
    """

    output: Json
    provider: str
    model: str
    report: CallReport
    calls: tuple[CallMessage, ...] = ()
    """`arguments` are what the model wrote: a JSON object, or the text of it where it is none."""
    text: str | None = None
    stream_digest: str | None = None
    """SHA-256, in hex, of what was streamed of it."""
    cached_from: UUID | None = None
    """The attempt that was answered so: no provider was called."""

    def without(self, secrets: Redaction) -> "AiAnswer":
        """Who is sent a secret may repeat it."""
        calls = tuple(
            CallMessage(secrets.text(each.id), secrets.text(each.tool), secrets.json(each.arguments)) for each in self.calls
        )
        text = None if self.text is None else secrets.text(self.text)
        said = {"output": secrets.json(self.output), "model": secrets.text(self.model), "calls": calls, "text": text}
        return replace(self, report=self.report.without(secrets), **said)


class AiError(Exception):
    """A call that gave no output. The message holds no key, and at most some hundred characters of what the provider said."""

    def __init__(
        self,
        type: AiErrorType,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after: timedelta | None = None,
        report: CallReport | None = None,
        answered: str | None = None,
    ) -> None:
        super().__init__(message)
        self.type = type
        self.message = message
        self.retryable = type in RETRYABLE if retryable is None else retryable
        self.retry_after = retry_after
        """How long the provider asked to wait."""
        self.report = report
        """What the failed call used; None where no provider was called."""
        self.answered = answered
        """What the model said, where that does not fit: it may be told so, and asked again."""

    @property
    def failure(self) -> Failure:
        """As the AI task records it."""
        return Failure(self.type, self.message, self.retryable)

    def without(self, secrets: Redaction, message: str | None = None) -> "AiError":
        """Who is sent a secret may repeat it: in the words of an error (`message`: instead of them), and in an answer that does
        not fit."""
        return AiError(
            self.type,
            secrets.text(self.message) if message is None else message,
            retryable=self.retryable,
            retry_after=self.retry_after,
            report=None if self.report is None else self.report.without(secrets),
            answered=None if self.answered is None else secrets.text(self.answered),
        )


class Provider(Protocol):
    """Calls models. One for a process, used by many tasks at once; a cancelled call leaves nothing behind."""

    async def call(self, call: AiCall) -> AiAnswer:
        """Exactly one request. Raises AiError."""
        ...

    async def aclose(self) -> None:
        """Close the connections. Not to be called while a call is under way."""
        ...

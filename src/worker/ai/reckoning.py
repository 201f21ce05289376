"""What a call of a model will take at most, reckoned before it is made: for budgets, which put so much aside.

And about how much is expected, for the limits of its provider.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol, TypeAlias, runtime_checkable

from domain.ai_task import Usage
from domain.budget import Amounts
from domain.facts import Json
from engine.ai_messages import AssistantMessage, Message, ToolMessage, UserMessage
from worker.ai.provider import AiCall, Price, Provider

BYTES_OF_A_TOKEN = 3
"""Of UTF-8, rounded up. Models split English at about four and a half, code and other languages at three; a character of Chinese
has three. Text that is split more finely takes more tokens than were reckoned, by what its bytes are more than."""
OF_A_MESSAGE = 8
"""Tokens around each message, tool and schema."""
OUTPUT_TOKENS = 4096
"""Of a call that does not say how many there may be at most."""
CHARACTERS_OF_A_TOKEN = 4
EXPECTED_OUTPUT = 1_024
"""Tokens, likewise, that are expected of it."""

PriceOf: TypeAlias = Callable[[Usage], Price | None]
"""What so many tokens cost of the model that will be called; None: nobody knows."""


@runtime_checkable
class Priced(Protocol):
    """A provider that knows what its models cost."""

    def price_of(self, call: AiCall, used: Usage) -> Price | None:
        """What the call costs if it uses that; None: nobody knows."""
        ...


def reckoned(provider: Provider, call: AiCall) -> Amounts:
    """What a call of this provider will take at most."""
    return reckon(call, lambda used: provider.price_of(call, used) if isinstance(provider, Priced) else None)


def reckon(call: AiCall, price_of: PriceOf) -> Amounts:
    """Input by its size, and as much output as there may be. None of it is read from a cache."""
    parts = [part.encode("utf-8", "surrogatepass") for part in _parts(call)]
    given = sum(-(-len(part) // BYTES_OF_A_TOKEN) + OF_A_MESSAGE for part in parts)
    output = call.configuration.max_output_tokens
    usage = Usage(given, OUTPUT_TOKENS if output is None else output)
    price = price_of(usage)
    tokens = usage.input_tokens + usage.output_tokens
    if price is None:
        return Amounts(tokens, None, None, calls=1)
    return Amounts(tokens, price.amount, price.currency, calls=1)


def bounded(call: AiCall) -> AiCall:
    """The call, with the most output that is put aside for it: so it cannot take more."""
    configuration = call.configuration
    if configuration.max_output_tokens is not None:
        return call
    return replace(call, configuration=replace(configuration, max_output_tokens=OUTPUT_TOKENS))


def expected_tokens(call: AiCall) -> int:
    """About what it uses: what is sent by its length, and what may come back."""
    most = call.configuration.max_output_tokens
    return sum(map(len, _parts(call))) // CHARACTERS_OF_A_TOKEN + (EXPECTED_OUTPUT if most is None else most)


def _parts(call: AiCall) -> Iterator[str]:
    if call.system_prompt:
        yield call.system_prompt
    yield call.text
    for message in (*call.before, *call.messages):
        yield from _of(message)
    for tool in call.tools:
        yield f"{tool.name} {tool.description} {_written(tool.parameters)}"
    if call.output_schema is not None:
        yield _written(call.output_schema)


def _of(message: Message) -> Iterator[str]:
    match message:
        case UserMessage():
            yield message.text
        case ToolMessage():
            yield f"{message.id} {message.content}"
        case AssistantMessage():
            yield message.text or ""
            for each in message.calls:
                yield f"{each.id} {each.tool} {_written(each.arguments)}"


def _written(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)

"""Each vendor's protocol, by its own SDK, against a server on loopback that speaks it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.ai_task import Configuration
from engine.ai_messages import AssistantMessage, CallMessage, ToolMessage, ToolSpec, UserMessage
from tests.worker.ai.doubles import FORMATS
from tests.worker.ai.doubles.format import Call, Format
from tests.worker.ai.wire import Answer, Wire, answer, serve
from worker.ai.answering import Asked
from worker.ai.http import client
from worker.ai.provider import AiAnswer, AiCall, AiError
from worker.ai.pydantic_ai_provider import ask
from worker.ai.vendors import connect

KEY = "sk-very-secret-4711"
SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["travel", "meals"]}},
    "required": ["kind"],
    "additionalProperties": False,
}
FITS = '{"kind": "travel"}'
TOOLS = tuple(
    ToolSpec(name, f"Does {name}.", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
    for name in ("book", "look_up")
)
SAID = (
    AssistantMessage(
        "I look.", (CallMessage("call_a12", "book", {"city": "Bern"}), CallMessage("call_b34", "look_up", {"city": "Thun"}))
    ),
    ToolMessage("call_a12", "book", '{"booked": true}'),
    ToolMessage("call_b34", "look_up", "Nobody may look that up.", failed=True),
    UserMessage("Go on."),
)
each_vendor = pytest.mark.parametrize("vendor", FORMATS, ids=[each.kind for each in FORMATS])
BRIEF = Configuration(max_output_tokens=50, temperature=0.2)
CALL = AiCall("m", "Which kind?", "You classify.", {"text": "a train"}, None, SCHEMA, BRIEF, tools=TOOLS, messages=SAID)


@asynccontextmanager
async def served(vendor: Format, *answers: Answer) -> AsyncIterator[tuple[Wire, Asked]]:
    async with serve(*answers) as wire:
        base = wire.url if vendor.kind == "openai_compatible" else wire.url.removesuffix("/v1")
        yield wire, Asked("of-tenant", vendor.model, vendor.kind, base)


async def asking(vendor: Format, asked: Asked, call: AiCall = CALL) -> AiAnswer:
    async with client(trust_env=False) as http:
        made = connect(vendor.kind, http, asked.url, KEY)
        return await ask(call, made.model(vendor.model), replace(asked, vendor=made.name), KEY)


async def failing(vendor: Format, given: Answer, call: AiCall = CALL) -> AiError:
    """The error of one call, for which exactly one request was made."""
    async with served(vendor, given) as (wire, asked):
        with pytest.raises(AiError) as caught:
            await asking(vendor, asked, call)
    assert len(wire.asked) == 1
    return caught.value


@each_vendor
async def test_what_was_said_goes_out_and_a_structured_answer_comes_back(vendor: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is taken from the environment."""
    for name in (
        *("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL", "OPENAI_CUSTOM_HEADERS"),
        *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_PROFILE"),
        *("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_CLOUD_PROJECT"),
        *("MISTRAL_API_KEY", "GOOGLE_GENAI_CLIENT_MODE"),
    ):
        monkeypatch.setenv(name, "elsewhere")
    for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "X-Leak: elsewhere")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with served(vendor, vendor.answered(FITS)) as (wire, asked):
        answered = await asking(vendor, asked)
    assert answered.output == {"kind": "travel"}
    assert (answered.calls, answered.provider) == ((), "of-tenant")
    report = answered.report
    assert report.usage is not None
    assert (report.usage.input_tokens, report.usage.output_tokens, report.usage.cache_read_tokens) == (
        vendor.usage.input_tokens,
        vendor.usage.output_tokens,
        vendor.usage.cache_read_tokens,
    )
    assert report.usage.reasoning_tokens == vendor.usage.reasoning_tokens
    assert (vendor.usage.details or {}).items() <= (report.usage.details or {}).items()
    (sent,) = wire.asked
    assert sent.path == vendor.path
    assert vendor.key_of(sent.headers) == KEY
    assert "elsewhere" not in str(sent)
    assert sent.headers["accept-encoding"] == "identity"
    told = vendor.told(sent.body)
    order = ["You classify.", "a train", "I look.", "Bern", "Thun", "booked", "Nobody may look", "Go on."]
    places = [told.index(words) for words in order]
    assert places == sorted(places)
    assert vendor.tools(sent.body) == ["book", "look_up"]
    assert vendor.has_schema(sent.body)
    assert "50" in str(sent.body)
    assert "0.2" in str(sent.body)


@each_vendor
async def test_calls_of_tools_come_through_with_what_is_said_beside(vendor: Format) -> None:
    calls = [Call("call_1abc", "book", {"city": "Bern"}), Call("call_2abc", "look_up", {"city": "Zürich"})]
    async with served(vendor, vendor.answered("One moment.", 0, calls)) as (_, asked):
        answered = await asking(vendor, asked)
    assert answered.calls == tuple(CallMessage(call.id, call.tool, call.arguments) for call in calls)
    assert (answered.text, answered.output) == ("One moment.", None)


@pytest.mark.parametrize("vendor", [each for each in FORMATS if each.takes_text], ids=lambda each: each.kind)
@pytest.mark.parametrize("written", ["{city: Bern", "[1]", '{"a": 1e999}'])
async def test_arguments_that_are_no_json_object_come_through_as_text(vendor: Format, written: str) -> None:
    async with served(vendor, vendor.answered(None, 0, [Call("call_1abc", "book", written)])) as (_, asked):
        answered = await asking(vendor, asked)
    assert [call.arguments for call in answered.calls] == [written]


@each_vendor
async def test_malformed_arguments_in_what_was_said_are_sent_back(vendor: Format) -> None:
    said = (
        AssistantMessage(None, (CallMessage("call_a12", "book", "{city: Bern"),)),
        ToolMessage("call_a12", "book", "No JSON.", failed=True),
    )
    async with served(vendor, vendor.answered(FITS)) as (wire, asked):
        assert (await asking(vendor, asked, replace(CALL, messages=said))).output == {"kind": "travel"}
    assert "{city: Bern" in vendor.told(wire.asked[0].body)


@each_vendor
async def test_an_answer_that_is_cut_off_or_filtered_says_so_and_was_paid_for(vendor: Format) -> None:
    failure = await failing(vendor, vendor.answered('{"kind": "tra', 1))
    assert (failure.type, failure.retryable) == ("truncated", False)
    assert failure.report is not None
    assert failure.report.usage is not None
    assert failure.report.usage.output_tokens == 100
    if vendor.ends[2] is not None:
        assert (await failing(vendor, vendor.answered("", 2))).type == "refused"


RETRIED = {"rate_limit", "overloaded", "unavailable"}


@each_vendor
@pytest.mark.parametrize("kind", sorted(FORMATS[0].errors))
async def test_each_error_is_of_its_type_after_one_request(vendor: Format, kind: str) -> None:
    failure = await failing(vendor, vendor.errors[kind])
    assert (failure.type, failure.retryable) == (kind, kind in RETRIED)
    assert failure.retry_after == (timedelta(seconds=17) if kind in ("rate_limit", "overloaded") else None)
    assert failure.message.startswith("HTTP ")
    assert "{" not in failure.message


@each_vendor
@pytest.mark.parametrize(
    "given",
    [answer(b"{not json"), answer(b"[]"), answer({}), answer(b"<html>", content_type="text/html"), Answer(cut=True)],
    ids=["no json", "a list", "nothing in it", "a page", "hung up"],
)
async def test_what_is_not_of_the_protocol_is_the_endpoints_fault(vendor: Format, given: Answer) -> None:
    assert (await failing(vendor, given)).type in ("unavailable", "invalid_output")


@each_vendor
async def test_redirects_and_compressed_answers_are_not_taken(vendor: Format) -> None:
    assert (await failing(vendor, answer({}, 307, location="/elsewhere"))).type == "bad_request"
    failure = await failing(vendor, answer(b"\x1f\x8b" + b"x" * 50, content_encoding="gzip"))
    assert (failure.type, "compressed" in failure.message) == ("invalid_output", True)


@each_vendor
async def test_an_answer_is_told_in_pieces_as_it_comes(vendor: Format) -> None:
    pieces: list[str] = []

    async def told(text: str) -> None:
        pieces.append(text)

    async with served(vendor, vendor.stream(["Hel", "lo ", "there."])) as (_, asked):
        answered = await asking(vendor, asked, AiCall("m", "Say hello.", told=told))
    assert "".join(pieces) == answered.output == "Hello there."
    assert answered.report.usage is not None
    assert answered.report.usage.output_tokens == 100

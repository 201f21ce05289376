"""The real provider, against a server on loopback that answers as endpoints do on good days and on bad ones."""

import asyncio
import gzip
import json
import logging
import traceback
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.ai_task import Configuration, Usage
from domain.retry import RETRY_AFTER_LIMIT
from tests.worker.ai.wire import CUT, HANG_UP, MODEL, SILENCE, Answer, Wire, answer, completion, error, serve
from worker.ai.clients import CONNECTIONS, Clients
from worker.ai.provider import AiCall, AiError, Price
from worker.ai.pydantic_ai_provider import PydanticAiProvider

KEY = "sk-very-secret-4711"
SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["travel", "meals"]}, "confidence": {"type": "number"}},
    "required": ["kind"],
    "additionalProperties": False,
}
CALL = AiCall("openai:gpt-4o-mini", "Which kind?", "You classify.", {"text": "a train to Bern"}, None, SCHEMA)
TEXT = replace(CALL, output_schema=None)
FITS = '{"kind": "travel", "confidence": 0.9}'


@asynccontextmanager
async def provider(*answers: Answer, **options: Any) -> AsyncIterator[tuple[PydanticAiProvider, Wire]]:
    async with serve(*answers) as wire:
        made = PydanticAiProvider(wire.url, KEY, **options)
        try:
            yield made, wire
        finally:
            await made.aclose()


async def failing(given: Answer, call: AiCall = CALL) -> AiError:
    """The error of one call, for which exactly one request was made, and in which the key does not appear."""
    async with provider(given) as (made, wire):
        with pytest.raises(AiError) as caught:
            await made.call(call)
    assert len(wire.asked) == 1
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.report is not None
    assert caught.value.report.latency_ms >= 0
    return caught.value


async def test_a_structured_answer_with_what_it_used_and_cost() -> None:
    ticks = iter([10.0, 10.85])
    async with provider(answer(completion(FITS)), monotonic=lambda: next(ticks)) as (made, wire):
        answered = await made.call(CALL)
    assert answered.output == {"kind": "travel", "confidence": 0.9}
    assert (answered.provider, answered.model, answered.report.finish_reason) == ("openai", MODEL, "stop")
    assert answered.report.usage == Usage(1000, 100, 400, 0, {"reasoning_tokens": 7}, 7)
    # 600 fresh input tokens at 0.15, 400 cached ones at 0.075 and 100 output tokens at 0.60 dollars a million
    assert answered.report.price == Price(Decimal("0.00018"), "USD")
    assert answered.report.latency_ms == 850
    assert len(wire.asked) == 1


async def test_what_is_sent_is_what_the_call_says() -> None:
    configuration = Configuration(max_output_tokens=50, temperature=0.2, top_p=0.9, seed=7)
    async with provider(answer(completion(FITS))) as (made, wire):
        await made.call(replace(CALL, context={"policy": "v2"}, configuration=configuration))
    asked = wire.asked[0]
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body["model"] == "gpt-4o-mini"
    assert asked.body["messages"] == [
        {"role": "system", "content": "You classify."},
        {
            "role": "user",
            "content": 'Which kind?\n\nContext (JSON):\n{"policy": "v2"}\n\nInput (JSON):\n{"text": "a train to Bern"}',
        },
    ]
    assert asked.body["response_format"]["type"] == "json_schema"
    sent = asked.body["response_format"]["json_schema"]["schema"]
    assert sent["properties"]["kind"]["enum"] == ["travel", "meals"]
    assert {name: asked.body[name] for name in ("temperature", "top_p", "seed")} == {"temperature": 0.2, "top_p": 0.9, "seed": 7}
    assert 50 in (asked.body.get("max_tokens"), asked.body.get("max_completion_tokens"))
    assert not asked.body.get("stream")


async def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "elsewhere")
    async with serve(answer(completion(FITS))) as wire:
        made = PydanticAiProvider(wire.url)
        await made.call(CALL)
        await made.aclose()
    assert "elsewhere" not in str(wire.asked)


async def test_without_a_schema_the_output_is_the_text() -> None:
    async with provider(answer(completion("It is travel."))) as (made, wire):
        assert (await made.call(TEXT)).output == "It is travel."
    assert "response_format" not in wire.asked[0].body


async def test_an_output_that_is_no_object_is_asked_for_within_one() -> None:
    schema = {"$defs": {"kind": {"enum": ["travel", "meals"]}}, "type": "array", "items": {"$ref": "#/$defs/kind"}}
    async with provider(answer(completion('{"value": ["meals"]}'))) as (made, wire):
        assert (await made.call(replace(CALL, output_schema=schema))).output == ["meals"]
    assert wire.asked[0].body["response_format"]["json_schema"]["schema"]["type"] == "object"


async def test_a_model_without_a_known_price_has_no_cost() -> None:
    unknown = completion(FITS) | {"model": "in-house-7b"}
    async with provider(answer(unknown)) as (made, _):
        answered = await made.call(replace(CALL, model="openai:in-house-7b"))
    assert answered.report.usage is not None
    assert answered.report.price is None


async def test_usage_that_was_not_told_is_unknown() -> None:
    untold = {name: value for name, value in completion(FITS).items() if name != "usage"}
    async with provider(answer(untold)) as (made, _):
        report = (await made.call(CALL)).report
    assert (report.usage, report.price) == (None, None)


async def test_a_rate_limit_says_how_long_to_wait() -> None:
    failure = await failing(answer(error("Slow down.", "requests", "rate_limit_exceeded"), 429, retry_after="17"))
    assert (failure.type, failure.retryable, failure.retry_after) == ("rate_limit", True, timedelta(seconds=17))
    assert failure.message == "HTTP 429: Slow down."


async def test_an_endpoint_cannot_make_us_wait_for_ever() -> None:
    failure = await failing(answer(error("Slow down."), 429, retry_after="9" * 30))
    assert failure.retry_after == RETRY_AFTER_LIMIT


async def test_an_exhausted_account_is_not_filled_by_waiting() -> None:
    failure = await failing(answer(error("Pay first.", "insufficient_quota", "insufficient_quota"), 429))
    assert (failure.type, failure.retryable) == ("quota", False)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (500, "unavailable", True),
        (502, "unavailable", True),
        (503, "unavailable", True),
        (504, "timeout", True),
        (408, "timeout", True),
        (400, "bad_request", False),
        (404, "bad_request", False),
        (422, "bad_request", False),
        (401, "auth", False),
        (403, "auth", False),
        (307, "bad_request", False),
    ],
)
async def test_each_status_is_an_error_of_its_type_after_one_request(status: int, kind: str, retryable: bool) -> None:
    failure = await failing(answer(error("Something."), status, location="/v1/elsewhere"))
    assert (failure.type, failure.retryable) == (kind, retryable)


async def test_a_key_that_is_repeated_to_us_is_in_no_message_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    failure = await failing(answer(error(f"Incorrect API key provided: {KEY}."), 401))
    assert failure.type == "auth"
    assert "***" in failure.message
    assert KEY not in caplog.text


async def test_what_an_endpoint_says_is_quoted_briefly_and_can_be_stored() -> None:
    failure = await failing(answer(error("a\0b\ud800c\n" + "x" * 5000), 400))
    assert failure.message.startswith("HTTP 400: a b c xxx")
    assert len(failure.message) < 400


async def test_a_refusal_by_the_model_is_final_and_has_its_price() -> None:
    failure = await failing(answer(completion(None, refusal="I will not say.")))
    assert (failure.type, failure.retryable) == ("refused", False)
    assert "I will not say." in failure.message
    assert failure.report is not None
    assert failure.report.price == Price(Decimal("0.00018"), "USD")


async def test_a_content_filter_refuses_the_answer_or_the_prompt() -> None:
    assert (await failing(answer(completion("", "content_filter")))).type == "refused"
    assert (await failing(answer(error("Filtered.", code="content_filter"), 400))).type == "refused"


@pytest.mark.parametrize(
    "body", [b"{not json", b"", b"null", b"[]", b'"text"', b"{}", b'{"choices": []}', b"\xff\xfe", b"<html>bad gateway</html>"]
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
async def test_an_answer_that_is_not_of_the_protocol_is_the_endpoints_fault(body: bytes, content_type: str) -> None:
    failure = await failing(answer(body, content_type=content_type))
    assert (failure.type, failure.retryable) == ("unavailable", True)


@pytest.mark.parametrize("given", [CUT, HANG_UP], ids=["within the answer", "before it"])
async def test_a_connection_that_breaks_is_not_tried_again_here(given: Answer) -> None:
    assert (await failing(given)).type == "unavailable"


async def test_an_endpoint_that_is_not_there_is_unavailable() -> None:
    async with serve() as wire:
        pass
    made = PydanticAiProvider(wire.url, KEY)
    with pytest.raises(AiError) as caught:
        await made.call(CALL)
    await made.aclose()
    assert (caught.value.type, caught.value.retryable) == ("unavailable", True)


async def test_an_answer_cut_off_at_its_longest_is_not_tried_again_but_was_paid_for() -> None:
    failure = await failing(answer(completion('{"kind": "tra', "length")))
    assert (failure.type, failure.retryable) == ("truncated", False)
    assert failure.report is not None
    assert failure.report.usage is not None
    assert failure.report.finish_reason == "length"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"kind": "leisure"}', "/kind"),
        ('{"confidence": 1}', "/kind"),
        ('{"kind": "meals", "more": 1}', "/more"),
        ("travel", "not JSON"),
        ('{"kind": "meals", "confidence": NaN}', "NaN"),
        ('{"kind": "meals", "confidence": 1e999}', "out of range"),
        ('{"kind": "meals", "kind": "travel"}', "twice"),
        ('{"kind": "a\\u0000"}', "NUL"),
        ("[" * 100_000, "nested"),
        ("[" * 70 + "]" * 70, "nested"),
        ('{"kind": "meals", "confidence": ' + "1" * 70 + "}", "64 digits"),
        ("", "empty"),
    ],
)
async def test_an_output_that_does_not_fit_is_an_error_that_says_why_and_was_paid_for(content: str, says: str) -> None:
    failure = await failing(answer(completion(content)))
    assert (failure.type, failure.retryable) == ("invalid_output", True)
    assert says in failure.message
    assert failure.report is not None
    assert failure.report.price is not None


async def test_a_text_that_the_ledger_could_not_hold_is_no_output() -> None:
    assert (await failing(answer(completion("a\0b")), TEXT)).type == "invalid_output"
    assert (await failing(answer(completion("x" * (2 << 20))), TEXT)).type == "invalid_output"


async def test_a_schema_that_cannot_be_checked_is_refused_before_anything_is_sent() -> None:
    async with provider(answer(completion(FITS))) as (made, wire):
        with pytest.raises(AiError) as caught:
            await made.call(replace(CALL, output_schema={"type": "wrong"}))
    assert caught.value.type == "bad_request"
    assert wire.asked == []


async def test_an_endpoint_that_never_answers_times_out_and_is_hung_up_on() -> None:
    async with provider(SILENCE) as (made, wire):
        with pytest.raises(AiError) as caught:
            await made.call(replace(CALL, timeout=timedelta(seconds=1)))
        await asyncio.wait_for(wire.gone.wait(), 10)
    assert (caught.value.type, caught.value.retryable) == ("timeout", True)
    assert len(wire.asked) == 1


async def test_a_cancelled_call_hangs_up_and_is_cancelled() -> None:
    async with provider(SILENCE) as (made, wire):
        call = asyncio.create_task(made.call(CALL))
        await asyncio.wait_for(wire.arrived.wait(), 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(wire.gone.wait(), 10)


@pytest.mark.parametrize("most", [3, CONNECTIONS + 3], ids=["of one client", "of two clients"])
async def test_many_calls_share_a_bounded_number_of_connections(most: int) -> None:
    calls = 2 * most
    async with provider(answer(completion(FITS)), max_connections=most) as (made, wire):
        answered = await asyncio.gather(*(made.call(CALL) for _ in range(calls)))
    assert len(wire.asked) == len(answered) == calls
    assert wire.most_connections <= most


async def test_each_call_goes_to_the_client_with_the_most_connections_to_spare() -> None:
    clients = Clients(None, KEY, CONNECTIONS + 3)
    for _ in range(2):
        with ExitStack() as calls:
            models = Counter(id(calls.enter_context(clients.model("gpt-4o"))) for _ in range(CONNECTIONS + 3))
        assert sorted(models.values()) == [3, CONNECTIONS]
    await clients.aclose()


async def test_a_failed_call_leaves_the_next_one_alone() -> None:
    async with provider(CUT, answer(error("Oh."), 500), answer(completion(FITS))) as (made, wire):
        for _ in range(2):
            with pytest.raises(AiError):
                await made.call(CALL)
        assert (await made.call(CALL)).output == json.loads(FITS)
    assert len(wire.asked) == 3


@pytest.mark.parametrize("fence", ["```json\n%s\n```", "```\n%s\n```", "\n```JSON\r\n%s```\n"])
async def test_json_in_a_code_fence_is_read_and_the_attempt_says_so(fence: str) -> None:
    async with provider(answer(completion(fence % FITS)), answer(completion(FITS))) as (made, _):
        fenced, plain = await made.call(CALL), await made.call(CALL)
    assert fenced.output == plain.output
    assert fenced.report.finish_reason == "stop (read from a code fence)"
    assert plain.report.finish_reason == "stop"


async def test_a_code_fence_in_a_text_is_the_text() -> None:
    text = "```json\n1\n```"
    async with provider(answer(completion(text))) as (made, _):
        answered = await made.call(TEXT)
    assert (answered.output, answered.report.finish_reason) == (text, "stop")


async def test_json_among_other_words_is_not_guessed_at() -> None:
    failure = await failing(answer(completion(f"Here:\n```json\n{FITS}\n```")))
    assert failure.type == "invalid_output"


@pytest.mark.parametrize(("count", "is_known"), [("prompt_tokens", False), ("completion_tokens", False), ("total_tokens", True)])
async def test_a_count_of_tokens_that_is_null_is_no_fault(count: str, is_known: bool) -> None:
    told = completion(FITS)
    told["usage"][count] = None
    async with provider(answer(told)) as (made, _):
        answered = await made.call(CALL)
    assert answered.output == {"kind": "travel", "confidence": 0.9}
    assert (answered.report.usage is not None, answered.report.price is not None) == (is_known, is_known)


async def test_an_endless_answer_is_read_no_further_than_to_the_cap() -> None:
    endless = answer(b"")
    head = endless.data.replace(b"content-length: 0", b"transfer-encoding: chunked")
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    failure = await failing(Answer(head + chunk * 20 + b"0\r\n\r\n"))
    assert (failure.type, failure.message) == ("invalid_output", "The answer is longer than 16 MiB.")


async def test_an_answer_that_is_compressed_unasked_is_not_unpacked() -> None:
    failure = await failing(answer(gzip.compress(b" " * (64 << 20)), content_encoding="gzip"))
    assert (failure.type, "compressed" in failure.message) == ("invalid_output", True)

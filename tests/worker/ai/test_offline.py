"""The offline model: no model, but honest about it, and its outputs fit."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.ai_task import Usage
from engine.schema import faults
from worker.ai.offline import NAME, OfflineProvider
from worker.ai.provider import AiCall, AiError, Price

KINDS = {"type": "object", "properties": {"kind": {"enum": ["travel", "meals", "office_supplies"]}}, "required": ["kind"]}
CALL = AiCall(NAME, "Is this travel, meals or office supplies?", output_schema=KINDS)


async def output(call: AiCall) -> Any:
    return (await OfflineProvider().call(call)).output


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"text": "Two meals with a client during travel; the meals were good"}, "meals"),
        ("Office supplies: paper", "office_supplies"),
        ({"items": [{"text": "TRAVEL to Bern"}]}, "travel"),
        ({"text": "something else"}, "travel"),
        (None, "travel"),
    ],
)
async def test_it_chooses_what_the_input_mentions_most_then_the_prompt_then_the_first(said: Any, kind: str) -> None:
    assert await output(replace(CALL, input=said)) == {"kind": kind}


async def test_what_the_prompt_mentions_counts_where_the_input_is_in_it() -> None:
    assert await output(replace(CALL, prompt="travel, meals or office supplies? Here: three meals")) == {"kind": "meals"}


async def test_it_repeats_what_it_was_sent_where_no_schema_is_asked_for() -> None:
    answered = await OfflineProvider().call(AiCall(NAME, "Say three words", "Be brief."))
    assert answered.output == "Say three words"
    assert (answered.provider, answered.model) == ("offline", "offline/echo")
    assert answered.report.usage == Usage(5, 3)
    assert answered.report.price == Price(Decimal(0), "USD")


async def test_it_takes_properties_of_the_input_that_fit_and_fills_in_the_rest() -> None:
    schema = {
        "type": "object",
        "properties": {
            "amount": {"$ref": "#/$defs/money"},
            "currency": {"type": "string", "minLength": 3, "maxLength": 3},
            "note": {"type": ["string", "null"]},
            "lines": {"type": "array", "items": {"type": "integer", "minimum": 5}, "minItems": 2},
            "ok": {"type": "boolean"},
            "either": {"anyOf": [{"const": 3}, {"type": "string"}]},
            "known": {"type": "string", "default": "yes"},
        },
        "required": ["amount", "currency", "extra"],
        "$defs": {"money": {"type": "number", "minimum": 1}},
    }
    assert await output(AiCall(NAME, "Go", input={"amount": 12.5, "currency": "francs"}, output_schema=schema)) == {
        "amount": 12.5,
        "currency": "...",
        "note": "",
        "lines": [5, 5],
        "ok": False,
        "either": 3,
        "known": "yes",
        "extra": None,
    }


@pytest.mark.parametrize(
    "schema",
    [{"type": "string", "pattern": "^[A-Z]{3}$"}, {"type": "number", "exclusiveMinimum": 0}, False],
)
async def test_where_it_finds_no_output_it_says_so_for_good(schema: Any) -> None:
    with pytest.raises(AiError) as caught:
        await output(AiCall(NAME, "Go", output_schema=schema | {"not": {"type": "null"}} if isinstance(schema, dict) else schema))
    assert (caught.value.type, caught.value.retryable) == ("invalid_output", False)


async def test_a_schema_of_itself_is_refused_before_anything_is_made_for_it() -> None:
    with pytest.raises(AiError) as caught:
        await output(AiCall(NAME, "Go", output_schema={"$ref": "#", "not": {"type": "null"}}))
    assert (caught.value.type, caught.value.retryable) == ("bad_request", False)


async def test_there_is_one_offline_model() -> None:
    with pytest.raises(AiError, match="offline/gpt") as caught:
        await output(AiCall("offline/gpt", "Go"))
    assert caught.value.type == "bad_request"


schemas = st.recursive(
    st.sampled_from(
        [{"type": name} for name in ("string", "number", "integer", "boolean", "null")] + [{"enum": ["a", "b"]}, {"const": [1]}]
    ),
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner, "minItems": st.integers(0, 3)})
        | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4).map(
            lambda parts: {"type": "object", "properties": parts, "required": sorted(parts), "additionalProperties": False}
        )
        | st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"anyOf": parts})
    ),
    max_leaves=8,
)
values = st.recursive(
    st.none() | st.text("ab", max_size=3) | st.integers(-2, 2), lambda inner: st.dictionaries(st.sampled_from("abcd"), inner)
)


@settings(max_examples=60)
@given(schemas, values)
async def test_the_output_fits_and_is_the_same_every_time(schema: Any, said: Any) -> None:
    call = AiCall(NAME, "Go", input=said, output_schema=schema)
    made = await output(call)
    assert faults(schema, made) == ()
    assert await output(call) == made

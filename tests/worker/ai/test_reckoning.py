"""What a call will take at most is reckoned from its size: no less than it may take."""

from decimal import Decimal

from domain.ai_provider import AiPrice, AiProvider
from domain.ai_task import Configuration, Usage
from domain.budget import Amounts
from engine.ai_messages import AssistantMessage, CallMessage, ToolMessage, ToolSpec, UserMessage
from worker.ai.offline import OfflineProvider
from worker.ai.provider import AiCall, Price
from worker.ai.pydantic_ai_provider import PydanticAiProvider
from worker.ai.reckoning import OF_A_MESSAGE, OUTPUT_TOKENS, bounded, reckon, reckoned
from worker.ai.tenants_provider import TenantsProvider
from worker.outbound.client import Outbound


def by_the_million(usage: Usage) -> Price:
    return Price(Decimal(2 * usage.input_tokens + 10 * usage.output_tokens) / 1_000_000, "USD")


def test_input_by_its_bytes_and_as_much_output_as_there_may_be() -> None:
    call = AiCall("m", "x" * 300, configuration=Configuration(max_output_tokens=50))
    assert reckon(call, by_the_million) == Amounts(158, Decimal("0.000716"), "USD", calls=1)
    chinese = AiCall("m", "漢" * 100, configuration=Configuration(max_output_tokens=0))
    assert reckon(chinese, by_the_million).tokens == 100 + OF_A_MESSAGE


def test_what_was_said_and_what_may_be_called_is_sent_again() -> None:
    plain = AiCall("m", "Go.", configuration=Configuration(max_output_tokens=0))
    sizes = [
        reckon(call, by_the_million).tokens or 0
        for call in (
            plain,
            AiCall("m", "Go.", "Be brief.", configuration=plain.configuration),
            AiCall("m", "Go.", configuration=plain.configuration, messages=(UserMessage("a" * 90),)),
            AiCall("m", "Go.", configuration=plain.configuration, messages=(ToolMessage("1", "t", "a" * 900),)),
            AiCall(
                "m",
                "Go.",
                configuration=plain.configuration,
                messages=(AssistantMessage(None, (CallMessage("1", "t", {"a": "b" * 1800}),)),),
            ),
            AiCall("m", "Go.", configuration=plain.configuration, tools=(ToolSpec("t", "d" * 3600, {}),)),
            AiCall("m", "Go.", configuration=plain.configuration, output_schema={"enum": ["e" * 9000]}),
        )
    ]
    assert sizes == sorted(set(sizes))


def test_without_a_bound_on_its_output_a_call_gets_one() -> None:
    call = AiCall("m", "Go.")
    assert reckon(call, by_the_million) == reckon(bounded(call), by_the_million)
    assert bounded(call).configuration.max_output_tokens == OUTPUT_TOKENS
    assert bounded(bounded(call)) == bounded(call)


def test_an_unknown_price_stays_unknown() -> None:
    assert reckon(AiCall("m", "Go."), lambda _: None).cost is None


def test_a_tenants_provider_costs_what_the_tenant_says() -> None:
    own = AiProvider(True, "ours", "openai", prices=(AiPrice("gpt-4o", Decimal(2), Decimal(8), "EUR"),))
    provider, used = TenantsProvider(Outbound(), None, own, None), Usage(1_000_000, 500_000)
    said = provider.price_of(AiCall("ours:gpt-4o", "Go."), used)
    listed = provider.price_of(AiCall("ours:gpt-4o-mini", "Go."), used)
    unknown = provider.price_of(AiCall("ours:nobody-knows-it", "Go."), used)
    assert said == Price(Decimal("6.0000000000"), "EUR")
    assert listed is not None
    assert listed.currency == "USD"
    assert unknown is None


async def test_providers_know_what_their_models_cost() -> None:
    offline, own = OfflineProvider(), PydanticAiProvider(api_key="k")
    assert reckoned(offline, AiCall("offline/echo", "Go.")).cost == 0
    script = AiCall("offline/script", "Go.", input={"answers": [], "price": "0.001"}, configuration=Configuration(10))
    wanted = reckoned(offline, script)
    assert wanted.cost == Decimal("0.001") * (wanted.tokens or 0)
    listed = reckoned(own, AiCall("openai:gpt-4o", "x" * 3_000_000, configuration=Configuration(0)))
    assert (listed.cost or 0) > 2, "by the million"
    assert listed.currency == "USD"
    assert reckoned(own, AiCall("openai:nobody-knows-it", "Go.")).cost is None
    await own.aclose()

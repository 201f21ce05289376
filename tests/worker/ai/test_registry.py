"""Which provider a model's name leads to, and what is imported for it when."""

import builtins
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from engine.nodes.ai_agent import DEFAULT_MODEL, PROVIDERS
from runtime.errors import OperatorError
from runtime.settings import Settings
from tests.worker.ai.wire import answer, completion, serve
from worker.ai.provider import AiCall, AiError
from worker.ai.registry import DEFAULT, KINDS, Providers

SOURCE = Path(__file__).parents[3] / "src"
BARE = Settings(ai_base_url=None, ai_api_key=None, ai_model=None)


@pytest.mark.parametrize(
    ("model", "provider", "named"),
    [
        ("offline/echo", "offline", "offline/echo"),
        ("openai:gpt-4o", "openai", "gpt-4o"),
        ("openai:llama3:8b", "openai", "llama3:8b"),
    ],
)
def test_a_models_name_begins_with_its_provider(model: str, provider: str, named: str) -> None:
    found = Providers(BARE).name(model)
    assert (found.provider, found.model, found.full) == (provider, named, model)


def test_authors_are_warned_of_models_that_no_provider_here_calls() -> None:
    assert {kind.prefix for kind in KINDS} == {*PROVIDERS}
    assert DEFAULT == DEFAULT_MODEL


@pytest.mark.parametrize("model", ["gpt-4o", "", "openai:", "offline", "anthropic:claude"])
def test_a_name_of_no_provider_is_the_tasks_fault(model: str) -> None:
    with pytest.raises(AiError, match="openai:…") as caught:
        Providers(BARE).name(model)
    assert caught.value.type == "bad_request"


def test_a_model_may_be_left_to_the_settings() -> None:
    assert Providers(BARE.model_copy(update={"ai_model": "offline/echo"})).name("default").full == "offline/echo"
    with pytest.raises(AiError, match="GESTA_AI_MODEL"):
        Providers(BARE).name("default")


def test_the_settings_say_how_long_an_answer_may_take() -> None:
    assert Providers(BARE).name("openai:gpt-4o").timeout == timedelta(minutes=2)
    assert Providers(BARE.model_copy(update={"ai_timeout": 600.0})).name("openai:o3").timeout == timedelta(minutes=10)


async def test_a_provider_is_made_once_and_calls() -> None:
    async with serve(answer(completion("Hello."))) as wire:
        providers = Providers(BARE.model_copy(update={"ai_base_url": wire.url, "ai_api_key": SecretStr("k")}))
        named = providers.name("openai:gpt-4o-mini")
        provider = await providers.provider(named)
        assert await providers.provider(providers.name("openai:gpt-4o")) is provider
        assert (await provider.call(AiCall(named.full, "Hi"))).output == "Hello."
        await providers.aclose()


async def test_openais_own_endpoint_needs_a_key() -> None:
    providers = Providers(BARE)
    with pytest.raises(OperatorError, match="GESTA_AI_API_KEY"):
        await providers.provider(providers.name("openai:gpt-4o"))


async def test_where_the_extra_is_missing_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] in ("pydantic_ai", "openai", "genai_prices"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    for module in ("worker.ai.pydantic_ai_provider", "worker.ai.pydantic_ai_errors", "worker.ai.pricing"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    providers = Providers(BARE.model_copy(update={"ai_base_url": "http://127.0.0.1:1/v1"}))
    with pytest.raises(OperatorError, match=r"gesta\[ai\]"):
        await providers.provider(providers.name("openai:gpt-4o"))


def test_nothing_of_the_extra_is_imported_before_a_real_model_is_called() -> None:
    program = (
        "import asyncio, sys\n"
        "import worker.ai.registry as r, worker.ai.offline, worker.ai.provider, worker.ai.output\n"
        "from runtime.settings import Settings\n"
        "p = r.Providers(Settings()); asyncio.run(p.provider(p.name('offline/echo'))); p.name('openai:gpt-4o')\n"
        "print([name for name in ('pydantic_ai', 'openai', 'genai_prices') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=SOURCE, check=True)
    assert done.stdout.strip() == "[]"

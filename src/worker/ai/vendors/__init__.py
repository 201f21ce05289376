"""The vendors' wire protocols, each by its own SDK, imported when the first of its models is called.

An SDK is given its HTTP client, its address and its key, and takes nothing from the environment: no keys, organisations,
headers, addresses, proxies or profiles that somebody set for other programs. It sends one request for a call: retrying is the
workflow's, and on record.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from domain.ai_kind import Kind
from runtime.errors import OperatorError

if TYPE_CHECKING:
    import httpx2
    from pydantic_ai.models import Model

__all__ = ["Kind", "Vendor", "connect"]

NO_KEY = "none"
"""What is sent to an endpoint that needs no key: the SDKs insist on one."""

MODULES: dict[Kind, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "mistral": "mistral",
    "openai_compatible": "openai",
}
URLS: dict[Kind, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "google": "https://generativelanguage.googleapis.com",
    "mistral": "https://api.mistral.ai",
}
"""Where a vendor's requests go, unless another address is given."""


@dataclass(frozen=True)
class Vendor:
    """`name`: as the price list and attempts call it. `url`: where its requests go. `model`: one of its models, by name."""

    name: str
    url: str
    model: "Callable[[str], Model]"


def load(kind: Kind) -> None:
    """Imports the vendor's SDK, which takes a second or two the first time. Raises OperatorError where it is not installed."""
    try:
        import_module("worker.ai.pydantic_ai_provider")
        import_module(f"worker.ai.vendors.{MODULES[kind]}")
    except ModuleNotFoundError as error:
        raise OperatorError(
            f"Calling AI models needs the optional extra `ai` ({error.name} is missing): pip install 'gesta[ai]'"
        ) from error


def connect(kind: Kind, http: "httpx2.AsyncClient", base_url: str | None, key: str | None) -> Vendor:
    """By the SDK, which is imported if it is not yet."""
    module: Any = import_module(f"worker.ai.vendors.{MODULES[kind]}")
    vendor: Vendor = module.connect(http, base_url, key or NO_KEY)
    return vendor

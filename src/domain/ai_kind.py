"""Kinds of providers of AI models: whose protocol one speaks."""

from typing import Literal, TypeAlias, get_args

Kind: TypeAlias = Literal["openai", "anthropic", "google", "mistral", "openai_compatible"]
KINDS: tuple[Kind, ...] = get_args(Kind)

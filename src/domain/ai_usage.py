"""What a call of a model used."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """Tokens of one attempt. Those read from and written to a cache are part of the input; `details`: as the provider says."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    details: dict[str, int] | None = None

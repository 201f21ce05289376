"""What a call of a model used."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """Tokens of one attempt. Those read from and written to a cache are part of the input, those of reasoning of the output;
    `reasoning_tokens` None: the provider does not say; `details`: as the provider says."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    details: dict[str, int] | None = None
    reasoning_tokens: int | None = None

    def shown(self) -> dict[str, int | dict[str, int] | None]:
        """As tables have it: what nobody knows of is left out, as in rows of before it was told."""
        said = dict(vars(self))
        return said if self.reasoning_tokens is not None else {name: said[name] for name in said if name != "reasoning_tokens"}

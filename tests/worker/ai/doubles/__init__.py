"""Each vendor's wire format, as its API reference documents it: what a server of theirs sends, for one on loopback to send."""

from tests.worker.ai.doubles import anthropic, google, mistral, openai
from tests.worker.ai.doubles.format import Format

FORMATS: tuple[Format, ...] = (openai.FORMAT, anthropic.FORMAT, google.FORMAT, mistral.FORMAT)

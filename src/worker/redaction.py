"""Taking secrets out of what is about to be recorded: a service may repeat in its answer what it was sent, an error in its words.

A secret is found as it is, and in the forms in which a service or a library would repeat it: escaped, percent-encoded, in
base64 at any place of a longer text, in hexadecimal, in capitals or small letters. Who wants to hide one in an answer can: a
service that is sent a secret has it.
"""

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Collection, Iterator
from urllib.parse import quote, quote_plus

from domain.facts import Json

REDACTED = "[redacted]"
SHORTEST = 6
"""Characters of a form, or it would be found where it is not."""


class Redaction:
    """What is to be taken out. There may be nothing."""

    def __init__(self, secrets: Collection[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST}
        longest_first = sorted(forms, key=len, reverse=True)
        self._text = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if forms else None
        encoded = {form.encode(code) for form in forms for code in ("utf-8", "utf-16-le", "utf-16-be")}
        by_length = sorted(encoded, key=len, reverse=True)
        self._bytes = re.compile(b"|".join(map(re.escape, by_length)), re.IGNORECASE) if encoded else None

    def text(self, text: str) -> str:
        return text if self._text is None else self._text.sub(REDACTED, text)

    def data(self, data: bytes) -> bytes:
        return data if self._bytes is None else self._bytes.sub(REDACTED.encode(), data)

    def json(self, value: Json) -> Json:
        """Also where a number is the secret."""
        if self._text is None:
            return value
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(name): self.json(each) for name, each in value.items()}
            case list():
                return [self.json(each) for each in value]
            case int() | float() if not isinstance(value, bool) and self._text.search(str(value)):
                return REDACTED
            case _:
                return value


def _forms(secret: str) -> Iterator[str]:
    data = secret.encode()
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield json.dumps(secret)[1:-1].replace("/", "\\/")
    yield html.escape(secret)
    yield html.escape(secret, quote=False)
    yield quote(secret)
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield repr(secret)[1:-1]
    yield repr(data)[2:-1]
    yield data.hex()
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):
            yield _base64_within(data, before, encode(b"\0" * before + data).decode())


def _base64_within(data: bytes, before: int, encoded: str) -> str:
    """The characters that the data alone decide, where so many bytes stand before them in a group of three."""
    end = encoded.rstrip("=")
    if (before + len(data)) % 3:
        end = end[:-1]
    return end[(0, 2, 3)[before] :]

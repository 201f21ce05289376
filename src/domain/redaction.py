"""Taking secrets out of what is about to be recorded: a service may repeat in its answer what it was sent, an error in its words.

A secret is found as it is, and in the forms in which a service or a library would repeat it: escaped, percent-encoded, in
base64 at any place of a longer text, in hexadecimal, in capitals or small letters. Who wants to hide one in an answer can: a
service that is sent a secret has it.
"""

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import quote, quote_plus

from domain.facts import Json

REDACTED = "[redacted]"
SHORTEST = 6
"""Characters of a form, or it would be found where it is not."""


class Redaction:
    """What is to be taken out. There may be nothing.

    It takes some passes over all that there is, however much of it is text of its own: an answer must not hold up the process.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST}
        encoded = {form.encode().lower() for form in forms}
        wide = {form.encode(code).lower() for form in forms for code in ("utf-16-le", "utf-16-be")}
        self._forms = sorted(encoded, key=len, reverse=True)
        self._wide = sorted(wide, key=len, reverse=True)

    def text(self, text: str) -> str:
        if not self._forms:
            return text
        data = text.encode("utf-8", "surrogatepass")
        return _without(data, self._forms).decode("utf-8", "surrogatepass")

    def data(self, data: bytes) -> bytes:
        return _without(data, self._forms + self._wide)

    def json(self, value: Json) -> Json:
        """Also where a number is the secret."""
        if not self._forms:
            return value
        found = list(_texts(value))
        told = self.text(BETWEEN.join(found)).split(BETWEEN)
        return value if told == found else _rebuilt(value, iter(told))


BETWEEN = "\0"
"""Stands in no form of a secret, nor in what can be recorded."""


def _without(data: bytes, forms: Sequence[bytes]) -> bytes:
    """The longest form first, in capitals or small letters (of ASCII: whatever else there is keeps its place)."""
    for form in forms:
        low, parts, end = data.lower(), list[bytes](), 0
        while (start := low.find(form, end)) >= 0:
            parts += [data[end:start], REDACTED.encode()]
            end = start + len(form)
        if parts:
            data = b"".join([*parts, data[end:]])
    return data


def _texts(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value.replace(BETWEEN, "\ufffd")
        case dict():
            for name, each in value.items():
                yield name.replace(BETWEEN, "\ufffd")
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)
        case int() | float() if not isinstance(value, bool):
            yield str(value)
        case _:
            pass


def _rebuilt(value: Json, texts: Iterator[str]) -> Json:
    """In the order of `_texts`."""
    match value:
        case str():
            return next(texts)
        case dict():
            return {next(texts): _rebuilt(each, texts) for each in value.values()}
        case list():
            return [_rebuilt(each, texts) for each in value]
        case int() | float() if not isinstance(value, bool):
            told = next(texts)
            return value if told == str(value) else REDACTED
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

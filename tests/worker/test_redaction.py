"""A secret that an answer or an error repeats is taken out, in whatever form it is repeated."""

import html
import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.redaction import REDACTED, Redaction

SECRET = "s3cr€t \"&<+/'value\\"
FORMS: list[Callable[[str], str]] = [
    str,
    str.upper,
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    html.escape,
    quote,
    lambda text: quote(text, safe="").lower(),
    quote_plus,
    repr,
    lambda text: repr(text.encode()),
    lambda text: text.encode().hex(),
    lambda text: text.encode().hex().upper(),
    lambda text: b64encode(text.encode()).decode(),
    lambda text: b64encode(f"user:{text}".encode()).decode(),
    lambda text: b64encode(f"usr:{text}:more".encode()).decode(),
    lambda text: urlsafe_b64encode(f"x{text}".encode()).decode(),
]


@pytest.mark.parametrize("number", range(len(FORMS)))
def test_every_form_is_found(number: int) -> None:
    repeated = FORMS[number](SECRET)
    told = Redaction([SECRET]).text(f"you sent {repeated}!")
    assert REDACTED in told
    assert len(told) < len("you sent ") + len(REDACTED) + 20, "no more than a few characters of its surroundings are left"
    assert told.startswith("you sent ")


def test_values_and_names_of_json_and_numbers() -> None:
    redaction = Redaction(["12345678"])
    assert redaction.json({"a12345678": [12345678, 123456789.5, "x12345678", True, None, 7]}) == {
        f"a{REDACTED}": [REDACTED, REDACTED, f"x{REDACTED}", True, None, 7]
    }


def test_bytes_in_several_encodings() -> None:
    redaction = Redaction([SECRET])
    for code in ("utf-8", "utf-16-le", "utf-16-be"):
        assert redaction.data(b"\xff\0" + SECRET.encode(code) + b"\xfe") == b"\xff\0" + REDACTED.encode() + b"\xfe"


def test_where_there_is_no_secret_nothing_changes() -> None:
    redaction = Redaction([])
    value = {"a": ["b", 1]}
    assert redaction.json(value) is value
    assert redaction.text("a") == "a"
    assert redaction.data(b"a") == b"a"


@given(
    secret=st.text(st.characters(codec="utf-8"), min_size=8, max_size=60),
    before=st.binary(max_size=5),
    after=st.binary(max_size=5),
)
def test_in_base64_it_is_found_wherever_it_stands(secret: str, before: bytes, after: bytes) -> None:
    redaction = Redaction([secret])
    assert REDACTED in redaction.text(b64encode(before + secret.encode() + after).decode())
    assert secret not in redaction.text(f"<{secret}>")


def test_the_largest_answers_hold_nobody_up() -> None:
    """A megabyte of short texts, or of what nearly is the secret, with the most secrets that a request carries."""
    redaction = Redaction([f"{number}" * 32_000 for number in range(4)] + ["aaaaaaaaaaaaaaab", "another secret"])
    largest: list[object] = [
        ["another secret", *("a text of ten" for _ in range(70_000))],
        "a" * 1_000_000,
        {f"{number:08}": number for number in range(50_000)},
    ]
    for value in largest:
        begun = time.process_time()
        redaction.json(value)
        assert time.process_time() - begun < 2, "on a busy machine; some tenths of a second on an idle one"

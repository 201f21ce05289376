"""Inputs of a page and JSON again: what a browser can send of a form, and what it cannot."""

import pytest

from api import link_form
from api.link_form import fields_of, key_of, read, value_of
from api.problems import Problem

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Your name", "description": "As in the passport."},
        "why": {"type": "string", "maxLength": 500},
        "count": {"type": "integer", "default": 3},
        "share": {"type": "number"},
        "sure": {"type": "boolean", "default": True},
        "place": {"enum": ["north", 7, True]},
        "day": {"type": "string", "format": "date"},
        "parts": {"type": "array", "default": [1]},
        "a/b": {"type": ["string", "null"]},
    },
    "required": ["name"],
}


def test_what_is_plain_has_an_input_of_its_own() -> None:
    fields = {field.name: field for field in fields_of(SCHEMA)}
    assert {name: field.kind for name, field in fields.items()} == {
        "name": "text",
        "why": "long",
        "count": "integer",
        "share": "number",
        "sure": "boolean",
        "place": "choice",
        "day": "date",
        "parts": "json",
        "a/b": "json",
    }
    assert (fields["name"].label, fields["name"].hint, fields["name"].required) == ("Your name", "As in the passport.", True)
    assert [fields[name].default for name in ("count", "sure", "parts")] == ["3", "true", "[1]"]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("name", " Ann ", " Ann "),
        ("count", " 12 ", 12),
        ("count", "12345678901234567890123", 12345678901234567890123),
        ("count", "a dozen", "a dozen"),
        ("share", "0.5", 0.5),
        ("sure", "false", False),
        ("sure", "perhaps", "perhaps"),
        ("place", "1", 7),
        ("place", "9", "9"),
        ("place", "²", "²"),
        ("day", "2026-03-01", "2026-03-01"),
        ("parts", '[1, {"a": null}]', [1, {"a": None}]),
        ("a/b", '"x"', "x"),
    ],
)
def test_what_is_sent_becomes_json_or_stays_what_it_was(name: str, text: str, value: object) -> None:
    assert value_of(SCHEMA, {f"form.{name}": text}) == ({name: value}, ())


def test_what_is_empty_is_left_out_and_what_is_no_json_is_told() -> None:
    assert value_of(SCHEMA, {"form.name": "  ", "form.count": "", "form.unknown": "x"}) == ({}, ())
    _, (fault, other) = value_of(SCHEMA, {"form.parts": "[1", "form.a/b": "["})
    assert (key_of(fault.path), key_of(other.path)) == ("form.parts", "form.a/b")
    assert (key_of("/form/parts/0/x"), key_of("/form"), key_of("/comment")) == ("form.parts", None, None)
    assert value_of(None, {"form": "1"}) == (None, ())


@pytest.mark.parametrize("schema", [True, {}, {"type": "array"}, {"properties": {f"p{n}": {} for n in range(300)}}])
def test_what_is_no_plain_object_is_written_as_json(schema: object) -> None:
    assert [field.key for field in fields_of(schema)] == ["form"]
    assert value_of(schema, {"form": "[1]"}) == ([1], ())


MANY = b"&".join(b"%d=1" % number for number in range(999))


@pytest.mark.parametrize("body", [b"a=1&a=2", b"a", b"a=%00", b"a=%ff", "a=ü".encode(), MANY])
def test_what_no_browser_sends_of_it_is_refused(body: bytes) -> None:
    with pytest.raises(Problem):
        read(body)


def test_what_a_browser_sends_is_read() -> None:
    assert read(b"") == {}
    assert read(b"comment=a+b%0D%0A%C3%BC&reason=") == {"comment": "a b\n\u00fc", "reason": ""}
    assert link_form.MEDIA_TYPE == "application/x-www-form-urlencoded"

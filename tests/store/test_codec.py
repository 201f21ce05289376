"""Events as JSON: restored by type, exact in numbers, and refused where the database would choke."""

import bz2
import json
import math
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.envelope import Envelope
from domain.execution import ActivationCompleted, ActivationFailed, Move, NodeError
from domain.facts import Event, Json
from store.codec import COMPRESSED, ENCRYPTED, JSON, Codec, Undecodable, Unencodable, decode_envelope, from_bytes, to_bytes
from store.topics import UnknownTopic

ID = UUID("0192f0c1-2345-7abc-8def-0123456789ab")
TOPIC = "activation.completed.v1"


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Everything(Event):
    id: UUID
    amount: Decimal
    at: datetime
    colour: Colour
    ids: tuple[UUID, ...]
    moves: tuple[Move, ...]
    by_name: dict[str, Move] = field(default_factory=dict)
    payload: Json = None
    note: str | None = None
    count: int = 0


def everything(**changes: Any) -> Everything:
    values: dict[str, Any] = {
        "id": ID,
        "amount": Decimal("1.50"),
        "at": datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
        "colour": Colour.RED,
        "ids": (ID, ID),
        "moves": (Move(1, 0, "x"),),
    }
    return Everything(**{**values, **changes})


def completed(output: Json) -> ActivationCompleted:
    return ActivationCompleted(ID, "n", "success", output)


def roundtrip(output: Json) -> Json:
    event = JSON.decode(TOPIC, JSON.encode(completed(output)))
    assert isinstance(event, ActivationCompleted)
    return event.output


def test_values_are_restored_by_their_type() -> None:
    event = everything(by_name={"a": Move(2, 1, "y")}, payload={"a": [1, None]}, note="n", count=3)
    back = from_bytes(Everything, to_bytes(event))
    assert back == event
    assert [type(back.id), type(back.amount), type(back.colour), type(back.ids), type(back.moves[0])] == [
        UUID, Decimal, Colour, tuple, Move,
    ]  # fmt: skip
    assert (str(back.amount), back.at.utcoffset()) == ("1.50", timedelta(0))


def test_a_payload_is_plain_compact_json_in_the_order_of_its_fields() -> None:
    assert to_bytes(everything()) == (
        b'{"id":"%(id)s","amount":"1.50","at":"2026-01-02T03:04:05.678901Z","colour":"red","ids":["%(id)s","%(id)s"],'
        b'"moves":[{"token":1,"edge":0,"target":"x"}],"by_name":{},"count":0}' % {b"id": str(ID).encode()}
    )


def test_nothing_is_left_out_but_a_none_that_is_the_default() -> None:
    assert json.loads(JSON.encode(completed(None)))["output"] is None
    assert "handle" not in json.loads(JSON.encode(ActivationFailed(ID, "n", NodeError("t", "m"))))


def test_fields_of_a_later_release_are_passed_over() -> None:
    assert JSON.decode("tenant.suspended.v1", b'{"reason":"r","later":1}') == JSON.decode(
        "tenant.suspended.v1", b'{"reason":"r"}'
    )


@pytest.mark.parametrize("number", [10**60 - 1, -(10**60) + 1, 2**63, 2**53 + 1, 0])
def test_integers_are_exact(number: int) -> None:
    assert roundtrip({"n": [number]}) == {"n": [number]}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back_bit_for_bit(number: float) -> None:
    back = roundtrip(number)
    assert (back, math.copysign(1, back), type(back)) == (number, math.copysign(1, number), float)


JSON_VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), inner)
    ),
)


@given(JSON_VALUES)
def test_whatever_json_holds_comes_back(value: Json) -> None:
    assert roundtrip(value) == value


@pytest.mark.parametrize(
    "text",
    [
        "\\u0000",
        "Infinity",
        "-Infinity",
        "NaN",
        "\\\\u0000",
        '"\\u0000"',
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ],
)
def test_text_that_only_looks_dangerous_is_stored(text: str) -> None:
    assert roundtrip({text: text}) == {text: text}


@pytest.mark.parametrize(
    ("output", "path", "problem"),
    [
        (math.nan, "/output", "nan"),
        ({"a": [1, math.inf]}, "/output/a/1", "inf"),
        ({"a/b": {"c~d": -math.inf}}, "/output/a~1b/c~0d", "-inf"),
        ([["x\x00y"]], "/output/0/0", "NUL"),
        ({"x\x00": 1}, "/output", "NUL"),
        ({"a": "\ud800"}, "/output/a", "surrogate"),
        ({"\udfff": 1}, "/output", "surrogate"),
        ({1: 2}, "/output", "not a string"),
        ((1, 2), "/output", "equal"),
        (ID, "/output", "equal"),
        (Decimal("1.5"), "/output", "equal"),
        (b"bytes", "/output", "equal"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_path(output: Any, path: str, problem: str) -> None:
    with pytest.raises(Unencodable, match=problem) as refused:
        JSON.encode(completed(output))
    assert refused.value.path == path


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"at": datetime(2026, 1, 2)}, "/at"),  # noqa: DTZ001
        ({"at": datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=1)))}, "/at"),
        ({"amount": Decimal("NaN")}, "/amount"),
        ({"count": "7"}, "/count"),
        ({"note": 7}, "/note"),
        ({"ids": [ID]}, "/ids"),
        ({"moves": (Move(1, "edge", "x"),)}, "/moves/0/edge"),  # type: ignore[arg-type]
        ({"note": "a\x00"}, "/note"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_refused_with_its_path(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(Unencodable) as refused:
        to_bytes(everything(**changes))
    assert refused.value.path == path


def test_an_object_that_is_no_json_is_refused() -> None:
    with pytest.raises(Unencodable, match="serialize"):
        JSON.encode(completed(object()))


def test_an_unknown_topic_is_named_when_decoding() -> None:
    with pytest.raises(UnknownTopic, match=r"member\.promoted\.v1"):
        JSON.decode("member.promoted.v1", b"{}")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"user_id":1}', b"null", b"\x01xyz", b"\x02xyz"])
def test_stored_bytes_that_do_not_fit_are_refused(data: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        JSON.decode("member.removed.v1", data)
    assert "\n" not in str(caught.value)


def test_what_is_wrong_with_a_stored_event_is_said_in_a_line_without_its_data() -> None:
    with pytest.raises(Undecodable) as caught:
        JSON.decode("member.added.v2", b'{"user_id":"Secret","role_ids":1}')
    path = "user_id: Input should be a valid UUID, "
    assert str(caught.value).startswith(f"member.added.v2: {path}")
    assert ("Secret" in str(caught.value), str(caught.value).endswith("; platform_position: Field required")) == (False, True)


def test_an_envelope_says_only_what_it_knows() -> None:
    envelope = Envelope("user", user_id=ID, ip="::1")
    assert to_bytes(envelope) == b'{"actor_type":"user","user_id":"%s","ip":"::1"}' % str(ID).encode()
    assert decode_envelope(to_bytes(envelope)) == envelope


class Reversed:
    """A cipher for tests: nobody reads backwards."""

    def encrypt(self, plaintext: bytes) -> bytes:
        return plaintext[::-1]

    def decrypt(self, ciphertext: bytes) -> bytes:
        return ciphertext[::-1]


@pytest.mark.parametrize("compressor", [zlib, bz2, None])
@pytest.mark.parametrize("cipher", [Reversed(), None])
def test_events_of_before_stay_readable_when_compression_or_encryption_is_turned_on(
    compressor: Any, cipher: Reversed | None
) -> None:
    small, large = completed("small"), completed("large" * 1000)
    codec = Codec(compressor, cipher)
    for event in (small, large):
        assert codec.decode(TOPIC, JSON.encode(event)) == event
        assert codec.decode(TOPIC, codec.encode(event)) == event
    first = codec.encode(large)[:1]
    assert first == (ENCRYPTED if cipher else COMPRESSED if compressor else b"{")


def test_without_the_cipher_nobody_reads_it() -> None:
    with pytest.raises(Undecodable, match="no cipher"):
        JSON.decode(TOPIC, Codec(zlib, Reversed()).encode(completed("secret")))

"""Signatures as Standard Webhooks has them: its own example, and what must not pass."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.bearer_text import KEY, WEBHOOK, BearerText, read, written
from engine.triggers.signature import BadSignature, sign, verify

# The example of the specification's reference libraries.
SECRET, ID, SECONDS = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"
BODY, SIGNATURE = b'{"test": 2432232314}', "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
NOW, WINDOW = datetime.fromtimestamp(int(SECONDS), UTC), timedelta(minutes=5)


def check(**changed: object) -> None:
    given: dict[str, object] = {
        "id": ID,
        "timestamp": SECONDS,
        "body": BODY,
        "signatures": SIGNATURE,
        "now": NOW,
        "window": WINDOW,
    }
    verify(SECRET, **{**given, **changed})  # type: ignore[arg-type]


def test_the_example_of_the_specification_passes() -> None:
    assert sign(SECRET, ID, SECONDS, BODY) == SIGNATURE
    check()


def test_one_of_several_signatures_is_enough() -> None:
    check(signatures=f"v1a,abc v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= {SIGNATURE}")


@pytest.mark.parametrize(
    "changed",
    [
        {"body": BODY + b" "},
        {"id": ID + "x"},
        {"timestamp": str(int(SECONDS) + 1)},
        {"timestamp": "now"},
        {"timestamp": "٣"},
        {"timestamp": "9" * 400},
        {"signatures": SIGNATURE.removeprefix("v1,")},
        {"signatures": SIGNATURE.replace("v1,", "v2,")},
        {"signatures": ""},
        {"signatures": "v1,é"},
        {"signatures": " ".join(["v1,x"] * 20 + [SIGNATURE])},
        {"now": NOW + timedelta(minutes=5, seconds=1)},
        {"now": NOW - timedelta(minutes=5, seconds=1)},
    ],
)
def test_what_is_not_signed_so_and_now_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(BadSignature):
        check(**changed)


@pytest.mark.parametrize("secret", ["a plain text of some length", "whsec_not base64 at all!"])
def test_a_secret_that_is_no_base64_is_taken_as_it_is(secret: str) -> None:
    verify(secret, ID, SECONDS, BODY, sign(secret, ID, SECONDS, BODY), now=NOW, window=WINDOW)


def test_an_address_is_written_one_way() -> None:
    address = BearerText(UUID(int=1), UUID(int=2), bytes(range(32)))
    text = written(WEBHOOK, address)
    assert read(WEBHOOK, text) == address
    assert read(KEY, text) is None
    for wrong in (text[:-1], text + "A", text[3:], "wh_", "", text.replace("wh_", "gk_"), text[:-1] + "€", text + "="):
        assert read(WEBHOOK, wrong) is None

"""The receiver that the how-to shows takes what Gesta signs, and nothing else."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.triggers.signature import sign

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "receive-webhooks.md"
SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "QUFB" * 8
BODY = '{"type": "execution.completed", "data": {"text": "grün"}}'.encode()


@pytest.fixture(scope="module")
def verified() -> Callable[..., str]:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    found: Callable[..., str] = names["verified"]
    return found


def headers(*secrets: str, at: int | None = None) -> dict[str, str]:
    timestamp = str(int(time.time()) if at is None else at)
    signatures = " ".join(sign(secret, "msg-1", timestamp, BODY) for secret in secrets)
    return {"webhook-id": "msg-1", "webhook-timestamp": timestamp, "webhook-signature": signatures}


def test_what_is_signed_is_taken(verified: Callable[..., str]) -> None:
    assert verified(SECRET, headers(SECRET), BODY) == "msg-1"
    assert verified(SECRET, headers(OTHER, SECRET), BODY) == "msg-1", "while the secret is changed, by either"


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (headers(OTHER), BODY),
        (headers(SECRET), BODY + b" "),
        (headers(SECRET, at=1_700_000_000), BODY),
        ({**headers(SECRET), "webhook-id": "msg-2"}, BODY),
        ({**headers(SECRET), "webhook-signature": "v1,"}, BODY),
    ],
    ids=["another secret", "another body", "long ago", "another id", "no signature"],
)
def test_what_is_not_is_refused(verified: Callable[..., str], sent: dict[str, str], body: bytes) -> None:
    with pytest.raises(ValueError, match=r"signed|old"):
        verified(SECRET, sent, body)

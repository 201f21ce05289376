"""What is said of a name that is none."""

from collections.abc import Callable

import pytest

from domain import ai_model, ai_provider
from domain.facts import Decided, Invalid, View
from domain.names import require_web_address
from tests.given import given


@pytest.mark.parametrize(
    ("what", "set_up"),
    [
        ("A model's key", lambda view: ai_model.set_up(view, "UP", ("offline/echo",))),
        ("A provider's key", lambda view: ai_provider.set_up(view, "UP", "anthropic", secret="key")),
        ("A secret's name", lambda view: ai_provider.set_up(view, "up", "anthropic", secret="KEY")),
    ],
)
def test_a_wrong_key_is_spoken_of_as_what_it_is(what: str, set_up: Callable[[View], Decided]) -> None:
    refusal = given([]).when(set_up).refusal
    assert str(refusal).startswith(f"{what} must start with a lower-case letter")


def test_a_login_in_a_url_is_named_as_what_is_wrong() -> None:
    for url, why in (
        ("https://ann:secret@hooks.example/", "user name or password"),
        ("https://ann@hooks.example", "user name or password"),
        ("ftp://hooks.example", "begins with"),
        ("https://hooks.example:99999/", "port"),
    ):
        with pytest.raises(Invalid, match=why):
            require_web_address(url, "/url")
    require_web_address("https://hooks.example/who?mail=ann@hooks.example", "/url")

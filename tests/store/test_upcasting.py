"""Events of older topics arrive as events of today."""

from uuid import UUID

import pytest

from domain.member import MemberAdded
from store import upcasting
from store.codec import JSON, Undecodable
from store.upcasting import CHAIN, Upcast, current_topic, upcast

USER = UUID("7a539082-2ee8-593b-b9c2-9981fd745f18")


def test_a_member_of_before_relies_on_no_platform_position() -> None:
    stored = b'{"user_id":"%s","role_ids":["%s"]}' % (str(USER).encode(), str(USER).encode())
    assert JSON.decode("member.added.v1", stored) == MemberAdded(USER, (USER,), platform_position=0)


def test_a_current_event_is_not_touched() -> None:
    stored = JSON.encode(MemberAdded(USER, (), platform_position=7))
    assert JSON.decode("member.added.v2", stored) == MemberAdded(USER, (), platform_position=7)


def test_a_current_topic_has_to_be_complete() -> None:
    with pytest.raises(Undecodable, match="platform_position"):
        JSON.decode("member.added.v2", b'{"user_id":"%s","role_ids":[]}' % str(USER).encode())


@pytest.fixture
def long_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    links = {
        "a.b.v1": Upcast("a.b.v2", lambda p: {**p, "steps": ["v1"]}),
        "a.b.v2": Upcast("a.b.v3", lambda p: {**p, "steps": [*p["steps"], "v2"]}),
    }
    monkeypatch.setattr(upcasting, "CHAIN", {**CHAIN, **links})


@pytest.mark.usefixtures("long_chain")
def test_a_chain_is_followed_to_its_end_in_order() -> None:
    assert current_topic("a.b.v1") == "a.b.v3"
    assert upcast("a.b.v1", b"{}") == b'{"steps":["v1","v2"]}'


@pytest.mark.usefixtures("long_chain")
def test_a_chain_may_be_entered_in_its_middle() -> None:
    assert upcast("a.b.v2", b'{"steps":[]}') == b'{"steps":["v2"]}'


def test_big_and_small_numbers_pass_an_upcast_unharmed() -> None:
    stored = b'{"n":%d,"x":0.1}' % (10**60 + 1)
    assert upcast("member.added.v1", stored) == b'{"n":%d,"x":0.1,"platform_position":0}' % (10**60 + 1)


def test_what_is_no_object_is_not_upcast() -> None:
    with pytest.raises(Undecodable, match="not a JSON object"):
        JSON.decode("member.added.v1", b"[]")

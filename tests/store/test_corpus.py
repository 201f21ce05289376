"""The stored JSON of every topic ever released is decoded and folded. See `tests.store.make_corpus` for a new topic."""

import json
from typing import Any

import pytest

from domain.aggregates import AGGREGATES
from domain.facts import Aggregate, Event
from store.codec import JSON
from store.topics import CLASSES, class_of, topic_of
from store.upcasting import CHAIN
from tests.store.make_corpus import CORPUS, sample_event

RELEASED = sorted(path.name.removesuffix(".json") for path in CORPUS.glob("*.json"))
OWNERS: dict[type[Event], Aggregate[Any]] = {cls: aggregate for aggregate in AGGREGATES for cls in aggregate.events}


def stored(topic: str) -> bytes:
    return (CORPUS / f"{topic}.json").read_bytes().rstrip(b"\n")


def history(cls: type[Event], aggregate: Aggregate[Any]) -> list[Event]:
    """What has to stand in a stream before an event of this class: its beginning, and the activation it is about."""
    before = aggregate.events[:1]
    if topic_of(cls).startswith("activation."):
        before = (*before, class_of("activation.started.v1"))
    return [JSON.decode(topic_of(c), stored(topic_of(c))) for c in before if c is not cls]


def test_every_topic_has_a_fixture_and_no_released_topic_was_forgotten() -> None:
    assert set(RELEASED) == {*CLASSES, *CHAIN}


@pytest.mark.parametrize("topic", RELEASED)
def test_a_stored_event_decodes_and_encodes_to_the_same(topic: str) -> None:
    event = JSON.decode(topic, stored(topic))
    assert type(event) is class_of(topic)
    assert JSON.decode(topic_of(type(event)), JSON.encode(event)) == event


@pytest.mark.parametrize("topic", sorted(CLASSES))
def test_a_current_topic_is_still_stored_as_it_was_released(topic: str) -> None:
    then = json.loads(stored(topic))
    now = json.loads(JSON.encode(JSON.decode(topic, stored(topic))))
    assert still_there(then, now) == then


def still_there(then: Any, now: Any) -> Any:
    """What is now, as far as it was then: fields with a default may have come, in parts as well."""
    if isinstance(then, dict) and isinstance(now, dict):
        return {key: still_there(value, now.get(key, "gone")) for key, value in then.items()}
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [still_there(*pair) for pair in zip(then, now, strict=True)]
    return now


@pytest.mark.parametrize("topic", [t for t in RELEASED if class_of(t) in OWNERS])
def test_a_stored_event_folds(topic: str) -> None:
    event = JSON.decode(topic, stored(topic))
    aggregate = OWNERS[type(event)]
    state = aggregate.initial
    for earlier in history(type(event), aggregate):
        state = aggregate.evolve(state, earlier)
    assert type(aggregate.evolve(state, event)) is type(aggregate.initial)


@pytest.mark.parametrize("topic", sorted(CLASSES))
def test_a_full_event_of_today_comes_back_as_it_was(topic: str) -> None:
    event = sample_event(CLASSES[topic])
    assert JSON.decode(topic, JSON.encode(event)) == event

"""Every event class has one readable topic, and what was ever released stays known."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import domain
from domain.aggregates import AGGREGATES
from domain.envelope import Unread
from domain.facts import Event
from domain.member import MemberAdded, MemberRemoved
from store.topics import TOPICS, NoTopic, UnknownTopic, class_of, topic_of, topics_of
from store.upcasting import CHAIN


def event_classes() -> Iterator[type[Event]]:
    for module in pkgutil.iter_modules(domain.__path__):
        for member in vars(importlib.import_module(f"domain.{module.name}")).values():
            if isinstance(member, type) and issubclass(member, Event) and member is not Event:
                yield member


def test_every_event_class_of_the_domain_has_a_topic() -> None:
    assert set(event_classes()) - {Unread} == set(TOPICS), "Unread stands for what has none here, and is never stored"


def test_every_event_of_every_aggregate_has_a_topic() -> None:
    assert {cls for aggregate in AGGREGATES for cls in aggregate.events} <= set(TOPICS)


def test_every_aggregate_of_the_domain_is_listed() -> None:
    modules = [importlib.import_module(f"domain.{module.name}") for module in pkgutil.iter_modules(domain.__path__)]
    found = {id(value) for module in modules for value in vars(module).values() if type(value) is type(AGGREGATES[0])}
    assert found == {id(aggregate) for aggregate in AGGREGATES}


def test_topics_are_names_not_paths() -> None:
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+\.v[1-9]", topic) for topic in [*TOPICS.values(), *CHAIN])


def test_no_two_classes_share_a_topic_and_no_old_topic_is_a_current_one() -> None:
    assert len({*TOPICS.values(), *CHAIN}) == len(TOPICS) + len(CHAIN)


def test_every_old_topic_leads_to_a_class() -> None:
    assert all(class_of(topic) in TOPICS for topic in CHAIN)


def test_a_topic_and_its_class_find_each_other() -> None:
    assert all(class_of(topic_of(cls)) is cls for cls in TOPICS)


def test_an_unknown_topic_is_named() -> None:
    with pytest.raises(UnknownTopic, match=r"member\.promoted\.v1"):
        class_of("member.promoted.v1")


def test_an_event_class_without_a_topic_is_named() -> None:
    @dataclass(frozen=True)
    class Stranger(Event):
        pass

    with pytest.raises(NoTopic, match="Stranger"):
        topic_of(Stranger)


def test_who_selects_by_class_also_gets_the_events_of_before() -> None:
    assert topics_of(MemberAdded, MemberRemoved) == ("member.added.v2", "member.removed.v1", "member.added.v1")

"""Which name each event class has in the database: the aggregates' catalogues say so. Module paths never get there.

A topic that was ever released stays known: replaced ones live on in `store.upcasting.CHAIN`, which leads to those of this table.
"""

from collections.abc import Iterable
from contextlib import suppress
from types import MappingProxyType

from domain.aggregates import AGGREGATES
from domain.facts import Event, NotForThisRelease
from domain.notices import matches
from store.upcasting import CHAIN, current_topic

TOPICS: dict[type[Event], str] = {each.event: each.topic for aggregate in AGGREGATES for each in aggregate.catalogue}

CLASSES: MappingProxyType[str, type[Event]] = MappingProxyType({topic: cls for cls, topic in TOPICS.items()})


class UnknownTopic(NotForThisRelease, LookupError):
    """No event class is known by this topic: it was written by a newer release, or not by Gesta."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"unknown topic: {topic!r}")
        self.topic = topic


def is_known(topic: str) -> bool:
    """Whether events of a topic, current or old, can be read."""
    return current_topic(topic) in CLASSES


class NoTopic(LookupError):
    """An event class has no topic in `store.topics`."""


def topic_of(cls: type[Event]) -> str:
    try:
        return TOPICS[cls]
    except KeyError:
        raise NoTopic(cls.__qualname__) from None


def class_of(topic: str) -> type[Event]:
    """The class that events of a topic, current or old, are decoded to."""
    try:
        return CLASSES[current_topic(topic)]
    except KeyError:
        raise UnknownTopic(topic) from None


def topics_named(names: Iterable[str]) -> tuple[str, ...]:
    """All stored topics that these names mean: a topic, whose other versions are the same kind of event; one without a version;
    or the beginning of some (`execution.*`). Raises UnknownTopic for the first that means none."""
    found = list[type[Event]]()
    for name in names:
        meant = [cls for topic, cls in CLASSES.items() if matches((name,), topic.rpartition(".v")[0])]
        found += meant or [class_of(name)]
    return topics_of(*dict.fromkeys(found))


def topics_known(names: Iterable[str]) -> tuple[str, ...]:
    """As `topics_named`; what means none to this release is passed over."""
    found = list[str]()
    for name in names:
        with suppress(UnknownTopic):
            found += topics_named((name,))
    return tuple(dict.fromkeys(found))


def topics_of(*classes: type[Event]) -> tuple[str, ...]:
    """All topics, current and old, under which events of these classes may be stored: what a reader must select by."""
    current = [topic_of(cls) for cls in classes]
    return (*current, *(old for old in CHAIN if current_topic(old) in current))

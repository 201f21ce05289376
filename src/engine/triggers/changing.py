"""A change of a trigger, with the timers and names that it has in its new state."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from domain.facts import Decided, Fact, Json, View
from domain.trigger import TRIGGER, TriggerEvent, claims_of, folded, timers_of


def changed(view: View, trigger_id: UUID, events: Sequence[TriggerEvent], result: Json = None) -> Decided:
    """These events of a trigger, and what they set and stop."""
    before = view.read(TRIGGER, trigger_id)
    after = folded(before, events)
    timers = {timer.id: timer for timer in timers_of(trigger_id, after)}
    stopped = {timer.id: timer for timer in timers_of(trigger_id, before)}
    held, wanted = claims_of(trigger_id, before), claims_of(trigger_id, after)
    return Decided(
        tuple(Fact(trigger_id, event) for event in events),
        tuple(claim for claim in wanted if claim not in held),
        tuple(claim for claim in held if claim not in wanted),
        result,
        timers=tuple(timer for id, timer in timers.items() if id not in stopped),
        dropped_timers=tuple(id for id in stopped if id not in timers),
        left={trigger_id: after},
    )


def joined(first: Decided, *others: Decided) -> Decided:
    """Several decisions as one; the result is the first one's."""
    for other in others:
        first = replace(
            first,
            facts=first.facts + other.facts,
            claims=first.claims + other.claims,
            releases=first.releases + other.releases,
            jobs=first.jobs + other.jobs,
            fences=first.fences + other.fences,
            dropped_jobs=first.dropped_jobs + other.dropped_jobs,
            timers=first.timers + other.timers,
            dropped_timers=first.dropped_timers + other.dropped_timers,
            left={**first.left, **other.left},
        )
    return first

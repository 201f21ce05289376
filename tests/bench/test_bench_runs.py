"""The benches run, and would notice a loss. How fast they are is not a test's affair."""

from collections.abc import Iterator

import psycopg
import pytest

from bench.__main__ import BENCHES
from bench.figures import Contender, Lost, Rates, Ratio, in_turn
from bench.ledgers import expect, open_ledgers
from bench.sizes import Sizes
from bench.stage import Stage, stage

LEAST = Sizes(
    rounds=1,
    saves=64,
    saves_one_caller=8,
    library_saves=32,
    hot_commands=64,
    executions=8,
    library_events=100,
    log_saves=100,
    requests=8,
    workflows=8,
    workflows_one_caller=2,
    peer_workflows=32,
    ai_calls=8,
    ai_in_flight=4,
    ai_delays=(0.05,),
    held_part=0.3,
    held_parts=2,
    flat_events=(10, 30),
    flat_turns=6,
    timers_pending=100,
    timers_due=8,
    timers_lead=2.0,
    timers_spread=0.5,
    timers_backlog=20,
    timers_failing=3,
    timers_idle=0.2,
    timers_schedules=60,
    timers_minutes=0.0,
    items=60,
    items_rounds=1,
    decided_people=3,
    decided_steps=2,
    lag_rates=(20,),
    lag_seconds=0.5,
    peer_is_installed=False,
    callers=16,
    clients=4,
)


SECOND_EVENT = """
INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
SELECT %s, 2, gen_random_uuid(), 1, 'execution.paused.v1', now(), now(), gen_random_uuid(), '{}', '{}'
"""


@pytest.fixture(scope="module")
def on() -> Iterator[Stage]:
    with stage(durable=False) as on:
        yield on


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_loses_nothing_and_prints_its_ratio(name: str, on: Stage) -> None:
    result = BENCHES[name](on, LEAST)
    assert result.ratios
    assert str(result.ratios[0]) in str(result)
    assert all(rate > 0 for rates in result.rates for rate in rates.rounds)


def test_a_ledger_that_misses_what_was_saved_is_noticed(on: Stage) -> None:
    ledgers = open_ledgers(on, 2)
    expect(on, ledgers, events=0, streams=0)
    with pytest.raises(Lost):
        expect(on, ledgers, events=5, streams=1)


def test_a_gap_in_a_ledger_is_noticed(on: Stage) -> None:
    (ledger,) = open_ledgers(on, 1)
    with psycopg.connect(on.superuser("gesta"), autocommit=True) as superuser:
        superuser.execute(SECOND_EVENT, (ledger,))
    with pytest.raises(Lost):
        expect(on, [ledger], events=1, streams=1)


def test_a_ratio_is_of_medians_and_says_whether_the_mark_is_reached() -> None:
    ours, theirs = Rates("ours", (10.0, 60.0, 80.0)), Rates("theirs", (10.0, 10.0, 20.0))
    assert Ratio(ours, theirs).value == 6.0
    assert "pass" in str(Ratio(ours, theirs, 6.0))
    assert "miss" in str(Ratio(ours, theirs, 6.1))
    assert "mark" not in str(Ratio(ours, theirs))


def test_contenders_take_turns_at_going_first() -> None:
    order: list[str] = []

    def contender(name: str) -> Contender:
        def run() -> float:
            order.append(name)
            return 1.0

        return Contender(name, run)

    in_turn([contender("a"), contender("b")], 3)
    in_turn([contender("c"), contender("d")], 2, fixed=True)
    assert order == ["a", "b", "b", "a", "a", "b", "c", "d", "c", "d"]

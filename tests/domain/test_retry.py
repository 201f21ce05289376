"""Whether and when another attempt follows."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retry import LEASE_LOST, RETRY_AFTER_LIMIT, Failure, RetryPolicy, next_delay, retry_in, saying_that_it_is_capped

SECOND = timedelta(seconds=1)
STEADY = RetryPolicy(max_attempts=10, jitter=0)
BUSY = Failure("rate_limit", "Too many requests.")

spans = st.timedeltas(min_value=timedelta(0), max_value=timedelta.max)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 2000),
    initial_interval=spans,
    backoff=st.floats(0, 1e9),
    max_interval=st.none() | spans,
    jitter=st.floats(0, 1),
)


@given(policies, st.integers(1, 3000), st.floats(0, 1))
def test_a_pause_is_never_negative_nor_beyond_the_longest(policy: RetryPolicy, attempt: int, jitter: float) -> None:
    delay = next_delay(policy, attempt, jitter)
    if attempt >= policy.max_attempts:
        assert delay is None
    else:
        assert delay is not None
        assert timedelta(0) <= delay <= policy.ceiling


@given(st.integers(1, 50))
def test_there_are_max_attempts_in_all(most: int) -> None:
    policy = RetryPolicy(max_attempts=most)
    attempt = 1
    while next_delay(policy, attempt, 0.5) is not None:
        attempt += 1
    assert attempt == most


@given(policies, st.integers(1, 3000), st.floats(0, 1))
def test_jitter_moves_a_pause_by_its_share_at_most(policy: RetryPolicy, attempt: int, jitter: float) -> None:
    plain, moved = next_delay(policy, attempt, 0.5), next_delay(policy, attempt, jitter)
    if plain is not None and moved is not None:
        rounded = 1e-6 + plain.total_seconds() * 2**-51  # seconds are floats, and so exact to 53 bits
        assert abs(moved - plain).total_seconds() <= plain.total_seconds() * policy.jitter * (1 + 1e-9) + rounded


def test_without_a_policy_there_is_one_attempt() -> None:
    assert next_delay(RetryPolicy(), 1, 0.5) is None


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 2), (3, 4), (6, 32)])
def test_pauses_double(attempt: int, seconds: int) -> None:
    assert next_delay(STEADY, attempt, 0.5) == seconds * SECOND


def test_pauses_are_spread_both_ways() -> None:
    policy = RetryPolicy(max_attempts=2, initial_interval=10 * SECOND)
    assert [next_delay(policy, 1, jitter) for jitter in (0, 0.5, 1)] == [8 * SECOND, 10 * SECOND, 12 * SECOND]


def test_a_longest_pause_below_the_first_is_kept_to() -> None:
    assert next_delay(RetryPolicy(2, 10 * SECOND, max_interval=3 * SECOND), 1, 1.0) == 3 * SECOND


def test_a_first_pause_beyond_an_hour_is_meant() -> None:
    assert next_delay(RetryPolicy(2, timedelta(hours=5), jitter=0), 1, 0.5) == timedelta(hours=5)


def test_a_failure_that_is_final_or_named_by_the_policy_is_not_retried() -> None:
    assert retry_in(STEADY, 1, BUSY, 0.5) == SECOND
    assert retry_in(STEADY, 1, Failure("auth", "Wrong key.", retryable=False), 0.5) is None
    assert retry_in(RetryPolicy(5, non_retryable=("rate_limit",)), 1, BUSY, 0.5) is None


def test_a_lost_lease_uses_up_an_attempt() -> None:
    assert retry_in(STEADY, 9, LEASE_LOST, 0.5) is not None
    assert retry_in(STEADY, 10, LEASE_LOST, 0.5) is None


def test_the_other_side_may_lengthen_a_pause_up_to_a_day_but_not_shorten_it_nor_grant_an_attempt() -> None:
    assert retry_in(STEADY, 1, BUSY, 0.5, 30 * SECOND) == 30 * SECOND
    assert retry_in(STEADY, 6, BUSY, 0.5, SECOND) == 32 * SECOND
    assert retry_in(STEADY, 1, BUSY, 0.5, timedelta(days=900)) == RETRY_AFTER_LIMIT
    assert retry_in(STEADY, 10, BUSY, 0.5, SECOND) is None


def test_the_other_side_cannot_ask_for_more_than_the_policys_longest_pause_and_it_is_said() -> None:
    policy = RetryPolicy(5, SECOND, max_interval=30 * SECOND, jitter=0)
    assert retry_in(policy, 1, BUSY, 0.5, timedelta(hours=2)) == 30 * SECOND
    assert retry_in(policy, 1, BUSY, 0.5, 20 * SECOND) == 20 * SECOND
    said = saying_that_it_is_capped(BUSY, policy, timedelta(hours=2))
    assert said.message == f"{BUSY.message} (The provider asked to wait 7200 s; max_interval allows 30 s.)"
    assert saying_that_it_is_capped(BUSY, policy, 20 * SECOND) == BUSY
    assert saying_that_it_is_capped(BUSY, STEADY, timedelta(days=900)) == BUSY

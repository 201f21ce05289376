"""What a failed attempt is, and whether and when another one follows: the same for AI tasks and for external workers' jobs."""

from dataclasses import dataclass, replace
from datetime import timedelta

DEFAULT_CEILING = timedelta(hours=1)
RETRY_AFTER_LIMIT = timedelta(days=1)


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed. `type`: a stable word that policies and people go by, e.g. rate_limit, lease_lost."""

    type: str
    message: str
    retryable: bool = True


FALLS_BACK = frozenset({"rate_limit", "overloaded", "unavailable", "timeout", "quota", "auth"})
"""Failures of a model's provider, and not of what it was asked: another one may do better."""

LEASE_LOST = Failure("lease_lost", "The lease expired without a heartbeat.")
"""Uses up an attempt like every other failure: what the attempt did to the world is not known."""


@dataclass(frozen=True)
class RetryPolicy:
    """`max_attempts` is the total, the first one included; as it stands here, without a policy, there is one.

    The n-th pause is `initial_interval * backoff ** (n - 1)`, spread by ± `jitter` (a share: 0.2 is ± 20 %), at most
    `max_interval` (None: one hour, or the initial interval if that is longer).
    """

    max_attempts: int = 1
    initial_interval: timedelta = timedelta(seconds=1)
    backoff: float = 2.0
    max_interval: timedelta | None = None
    jitter: float = 0.2
    non_retryable: tuple[str, ...] = ()

    @property
    def ceiling(self) -> timedelta:
        return max(DEFAULT_CEILING, self.initial_interval) if self.max_interval is None else self.max_interval


def next_delay(policy: RetryPolicy, attempt: int, jitter: float) -> timedelta | None:
    """The pause after the failure of attempt number `attempt` (from 1); None: that was the last one.

    `jitter`: a random number from 0 to 1, made by the caller; 0.5 leaves the pause as it is.
    """
    if attempt >= policy.max_attempts:
        return None
    ceiling = policy.ceiling
    try:
        seconds = min(policy.initial_interval.total_seconds() * policy.backoff ** (attempt - 1), ceiling.total_seconds())
        delay = timedelta(seconds=seconds * (1 + policy.jitter * (2 * jitter - 1)))
    except OverflowError:
        return ceiling
    return max(timedelta(0), min(delay, ceiling))


def retry_in(
    policy: RetryPolicy, attempt: int, failure: Failure, jitter: float, retry_after: timedelta | None = None
) -> timedelta | None:
    """The pause before another attempt, or None where there is none: the last one, or a failure that is final.

    `retry_after`: how long the other side asked to wait. It may lengthen the pause, up to `longest_wait`, but not shorten it.
    """
    if not failure.retryable or failure.type in policy.non_retryable:
        return None
    delay = next_delay(policy, attempt, jitter)
    if delay is None or retry_after is None:
        return delay
    return max(delay, min(retry_after, longest_wait(policy)))


def longest_wait(policy: RetryPolicy) -> timedelta:
    """The longest pause that the other side can ask for: the policy's `max_interval`, or a day where it has none."""
    return RETRY_AFTER_LIMIT if policy.max_interval is None else min(policy.max_interval, RETRY_AFTER_LIMIT)


def saying_that_it_is_capped(failure: Failure, policy: RetryPolicy, retry_after: timedelta | None) -> Failure:
    """The failure, whose message says so where the other side asked to wait for longer than the policy allows."""
    if retry_after is None or policy.max_interval is None or retry_after <= longest_wait(policy):
        return failure
    asked, allowed = retry_after.total_seconds(), longest_wait(policy).total_seconds()
    return replace(
        failure, message=f"{failure.message} (The provider asked to wait {asked:g} s; max_interval allows {allowed:g} s.)".strip()
    )

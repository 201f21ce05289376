"""What becomes of a schedule's time while the execution before it still runs."""

from typing import Literal, TypeAlias

POLICIES = ("skip", "buffer_one", "buffer_all", "allow", "cancel_other")
MOST_WAITING = 1_000
"""Times that may wait at one trigger."""

Verdict: TypeAlias = Literal["start", "cancel_and_start", "buffer", "overlap", "queue_full"]
"""overlap, queue_full: why it is skipped."""


def verdict(policy: str, waiting: int, *, runs: bool) -> Verdict:
    """`runs`: whether the execution that was started last is not over; `waiting`: how many times wait already."""
    if policy == "allow":
        return "start"
    if policy == "cancel_other":
        return "cancel_and_start" if runs else "start"
    if not runs and not waiting:
        return "start"
    if policy == "skip" or (policy == "buffer_one" and waiting):
        return "overlap"
    return "queue_full" if waiting >= MOST_WAITING else "buffer"

"""The limits that nodes set themselves, `concurrency` and `rate`, as far as one test's jobs go."""

from collections.abc import Iterable
from datetime import UTC, datetime

from domain.facts import Job
from testkit.world import JobRow


class Room:
    """How much of each key is handed out, and was."""

    def __init__(self) -> None:
        self._taken: dict[str, list[datetime]] = {}
        """When jobs of a rate's key were handed out."""

    def since(self, job: Job, rows: Iterable[JobRow]) -> datetime | None:
        """From when on there is room for a job; None: not before another one ends."""
        limits, least = job.limits, datetime.min.replace(tzinfo=UTC)
        if limits is None:
            return least
        if limits.concurrency is not None:
            key = _concurrency(job)
            if sum(row.asked and _concurrency(row.job) == key for row in rows) >= limits.concurrency.limit:
                return None
        if limits.rate is not None:
            taken = self._taken.get(_rate(job) or "", [])
            if len(taken) >= limits.rate.count:
                return taken[-limits.rate.count] + limits.rate.per
        return least

    def take(self, job: Job, at: datetime) -> None:
        key = _rate(job)
        if key is not None:
            self._taken.setdefault(key, []).append(at)


def _concurrency(job: Job) -> str | None:
    if job.limits is None or job.limits.concurrency is None:
        return None
    return job.limits.concurrency.key or f"{job.limits.workflow}/{job.limits.node}"


def _rate(job: Job) -> str | None:
    if job.limits is None or job.limits.rate is None:
        return None
    return job.limits.rate.key or f"{job.limits.workflow}/{job.limits.node}"

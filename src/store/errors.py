"""What the store itself refuses, and what it could not do."""

from dataclasses import dataclass
from typing import ClassVar

from domain.facts import Invalid, NotFound, Refusal, RuleViolation


class KeyReused(Refusal):
    """This Idempotency-Key was used for another request."""

    code = "key_reused"


class CommandInFlight(Refusal):
    """A request with this Idempotency-Key is still in progress."""

    code = "in_flight"


class VersionMismatch(Refusal):
    """The resource has changed since you read it."""

    code = "version_mismatch"


class Contended(Refusal):
    """Other commands kept changing the same resources; try again."""

    code = "contended"


class LeaseLost(Refusal):
    """The lease of this job is no longer yours: it ran out, or the job is over."""

    code = "lease_lost"


class UnknownLedger(NotFound):
    """There is no such tenant."""

    code = "unknown_tenant"


@dataclass
class ClaimTaken(RuleViolation):
    """This name is taken."""

    code: ClassVar[str] = "name_taken"
    scope: str = ""
    name: str = ""


class NotOfPlatform(RuleViolation):
    """The platform has no members, roles, workflows or executions: they belong to tenants."""

    code = "not_of_platform"


class OccurredInFuture(Invalid):
    """An event cannot have occurred in the future."""

    code = "occurred_in_future"


class OccurredBeforeLast(Invalid):
    """An event cannot have occurred before the last one of the same resource."""

    code = "occurred_before_last"


class StoreError(Exception):
    """The ledger could not do its work, for no fault of the command's rules."""


class LedgerBusy(StoreError):
    """Too much is waiting for this ledger; try again later."""


class LedgerUnavailable(StoreError):
    """The database could not be reached in time. Repeat the command under its id to learn whether it was recorded."""


class AppendFailed(StoreError):
    """The database refused this command for a reason that no rule explains. The cause is the database's error."""

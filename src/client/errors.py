"""What can go wrong with a call, as exceptions: one for each kind of answer, and those without any."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from client.models import EnqueuedJob, Execution, FieldError


class GestaError(Exception):
    """Base of everything that the client raises."""


class AnswerLost(GestaError):
    """No answer came, however often it was tried: whether the request was carried out is not known.

    The cause is the last error of the connection. Repeating the call with the same `idempotency_key` is safe.
    """


class StillRunning(GestaError):
    """The execution did not end within the time given."""

    def __init__(self, execution: Execution) -> None:
        super().__init__(f"The execution {execution.id} is still {execution.status}.")
        self.execution = execution


class StillPending(GestaError):
    """The job did not end within the time given."""

    def __init__(self, job: EnqueuedJob) -> None:
        super().__init__(f"The job {job.id} is still {job.status}.")
        self.job = job


class ApiError(GestaError):
    """The API refused. `code` is stable and made for programs; `detail` is for people; `request_id` finds it in the logs."""

    statuses: ClassVar[tuple[int, ...]] = ()

    def __init__(self, status: int, code: str, detail: str, errors: tuple[FieldError, ...] = (), request_id: str = "") -> None:
        super().__init__("\n".join([f"{status} {code}: {detail}", *(f"  {fault.path}: {fault.message}" for fault in errors)]))
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.request_id = request_id

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.code, self.detail, self.errors, self.request_id)


class Unauthorized(ApiError):
    """The API key is missing, wrong, revoked or expired."""

    statuses: ClassVar[tuple[int, ...]] = (401,)


class PermissionDenied(ApiError):
    """The caller may not do this."""

    statuses: ClassVar[tuple[int, ...]] = (403,)


class NotFound(ApiError):
    """There is no such thing here."""

    statuses: ClassVar[tuple[int, ...]] = (404,)


class Conflict(ApiError):
    """The rules, or another command, do not allow this now."""

    statuses: ClassVar[tuple[int, ...]] = (409,)


class LeaseLost(Conflict):
    """The job's lease is no longer the caller's: it ran out, or the job is over."""


class VersionMismatch(ApiError):
    """It has changed since it was read (`if_match`)."""

    statuses: ClassVar[tuple[int, ...]] = (412,)


class Invalid(ApiError):
    """The request is not valid; `errors` say where."""

    statuses: ClassVar[tuple[int, ...]] = (400, 413, 415, 422)


class TooManyRequests(ApiError):
    """Too many requests, for as long as it was tried."""

    statuses: ClassVar[tuple[int, ...]] = (429,)


class Unavailable(ApiError):
    """The service could not do this, for as long as it was tried."""

    statuses: ClassVar[tuple[int, ...]] = (500, 502, 503, 504)


KINDS = (Unauthorized, PermissionDenied, NotFound, Conflict, VersionMismatch, Invalid, TooManyRequests, Unavailable)


def from_answer(status: int, content: bytes) -> ApiError:
    """The error that an answer's problem document tells of; from what is none, what can be had."""
    return from_problem(status, _problem(content))


def from_problem(status: int, problem: Mapping[str, Any]) -> ApiError:
    """The same of a document that is read already."""
    code = str(problem.get("code") or "http_error")
    kind = next((kind for kind in KINDS if status in kind.statuses), ApiError)
    if status == 409 and code == "lease_lost":
        kind = LeaseLost
    errors = tuple(
        FieldError(one.get("path", ""), one.get("code", ""), one.get("message", "")) for one in problem.get("errors", ())
    )
    detail = str(problem.get("detail") or problem.get("title") or "The answer says no more.")
    return kind(status, code, detail, errors, str(problem.get("request_id", "")))


def _problem(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}  # a proxy's page
    return found if isinstance(found, dict) else {}

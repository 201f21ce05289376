"""Every error as a problem document (RFC 9457): one shape, one table of statuses, no internals.

    {type, title, status, detail, code, errors: [{path, code, message}], request_id}

What does not exist and what belongs to another tenant is the same problem, word for word.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import psycopg
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api import answers
from api.strict_json import Unreadable, child
from domain import access
from domain.facts import FieldError, Invalid, Json, NotForThisRelease, NotFound, PermissionDenied, Refusal, RuleViolation
from runtime import connecting
from store import errors as store_errors

MEDIA_TYPE = "application/problem+json"
TYPE = "https://gesta.invalid/problems/"
"""Types are names, not addresses: RFC 9457 wants a URI, and `.invalid` promises that nobody will follow it."""

MOST_ERRORS = 50
"""Told in one answer: a body may hold a hundred thousand of them."""

STATUS_OF: Mapping[type[Refusal], int] = {
    access.KeyNotValid: 401,
    PermissionDenied: 403,
    NotFound: 404,
    RuleViolation: 409,
    Invalid: 422,
    store_errors.CommandInFlight: 409,
    store_errors.Contended: 409,
    store_errors.VersionMismatch: 412,
    store_errors.KeyReused: 422,
}
"""By the nearest class: a violation that is not listed answers as the class it derives from."""


@dataclass
class Problem(Exception):
    """An error that the edge itself answers, before any decision was asked."""

    status: int
    code: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    more_errors: int = 0
    """Beside `errors`."""
    extra: Mapping[str, Json] = field(default_factory=dict)
    """Further members of the document."""

    def document(self, request_id: str) -> Json:
        """The first faults are told, and how many more there are."""
        told, more = self.errors[:MOST_ERRORS], max(0, len(self.errors) - MOST_ERRORS) + self.more_errors
        return {
            "type": TYPE + self.code,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": [{"path": e.path, "code": e.code, "message": e.message} for e in told],
            **({"more_errors": more} if more > 0 else {}),
            **self.extra,
            "request_id": request_id,
        }

    @classmethod
    def at(cls, path: str, code: str, message: str, status: int = 422) -> "Problem":
        """One fault at one place: a JSON pointer, a query parameter or a header."""
        return cls(status, code, message, (FieldError(path, code, message),))


def not_found(freshness: Mapping[str, str] | None = None) -> Problem:
    """`freshness`: the headers that say how stale the tables are in which it was not found. Then it may be there in a moment."""
    headers = {**freshness, "Retry-After": "1"} if freshness else {}
    return Problem(404, NotFound.code, "There is no such thing here.", headers=headers)


def unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="gesta"'})


def too_many_failed_logins(seconds: float) -> Problem:
    detail = "Too many requests with invalid keys came from this address."
    return Problem(429, "too_many_failed_logins", detail, headers={"Retry-After": str(math.ceil(seconds))})


def rate_limited(detail: str, seconds: float) -> Problem:
    return Problem(429, "rate_limited", detail, headers={"Retry-After": str(max(1, math.ceil(seconds)))})


def from_refusal(refusal: Refusal) -> Problem:
    status = next((STATUS_OF[cls] for cls in type(refusal).__mro__ if cls in STATUS_OF), 409)
    if status == 404:
        return not_found()
    if status == 401:
        return unauthorized(refusal.message)
    errors = refusal.errors
    if not errors and refusal.path is not None:
        errors = (FieldError(refusal.path, refusal.code, refusal.message),)
    return Problem(status, refusal.code, refusal.message, errors)


def from_unreadable(error: Unreadable) -> Problem:
    fault = error.error
    return Problem(error.status, fault.code, fault.message, (fault,))


def from_http(error: HTTPException) -> Problem:
    if error.status_code == 404:
        return not_found()
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_")
    return Problem(error.status_code, code, f"{phrase}.", headers=error.headers or {})


UNKNOWN_FIELDS = "unknown_fields"
"""The type of a fault that stands for many: `names` are some of them, `count` is how many there are."""
CODES = {"extra_forbidden": "unknown_field", "missing": "required"}
MESSAGES = {
    "extra_forbidden": "There is no such field.",
    "missing": "This field is required.",
    "model_attributes_type": "Must be an object.",
    "model_type": "Must be an object.",
    "dict_type": "Must be an object.",
}


def from_validation(error: RequestValidationError) -> Problem:
    """What the strict models refuse. A path that is no id is a resource that does not exist."""
    found = error.errors()
    if any(fault["loc"][0] == "path" for fault in found[:1]):
        return not_found()
    errors: list[FieldError] = []
    more = 0
    for fault in found:
        if fault["type"] == UNKNOWN_FIELDS:
            names = fault["ctx"]["names"]
            errors += [_fault(child(_pointer(fault["loc"]), name), "extra_forbidden", "") for name in names]
            more += fault["ctx"]["count"] - len(names)
        else:
            errors.append(_fault(_pointer(fault["loc"]), fault["type"], fault["msg"]))
    return Problem(422, "invalid", "The request is not valid.", tuple(errors), more_errors=more)


def _fault(path: str, kind: str, message: str) -> FieldError:
    return FieldError(path, CODES.get(kind, kind), MESSAGES.get(kind, message.removeprefix("Value error, ")))


def _pointer(location: tuple[str | int, ...]) -> str:
    where, *steps = location
    if where != "body":
        return str(steps[0]) if steps else str(where)
    path = ""
    for step in steps:
        path = child(path, step)
    return path


def from_exception(error: Exception) -> Problem | None:
    """The problem that an expected error answers as; None for what nobody expected."""
    match error:
        case Problem():
            return error
        case Refusal():
            return from_refusal(error)
        case Unreadable():
            return from_unreadable(error)
        case RequestValidationError():
            return from_validation(error)
        case HTTPException():
            return from_http(error)
        case NotForThisRelease():
            return newer_release(error)
        case store_errors.LedgerBusy() | store_errors.LedgerUnavailable() | psycopg.OperationalError():
            return unavailable()
        case psycopg.Error() if connecting.is_gone(error):
            return unavailable()
        case _:
            return None


def newer_release(error: NotForThisRelease) -> Problem:
    detail = f"A newer release of Gesta wrote something that this process cannot read: {error}."
    return Problem(503, "newer_release", detail, headers={"Retry-After": "5"})


def unavailable() -> Problem:
    return Problem(503, "unavailable", "This cannot be done right now; try again.", headers={"Retry-After": "1"})


def answer(request: Request, problem: Problem) -> Response:
    content = answers.to_json(problem.document(request.scope["request_id"]))
    return Response(content, problem.status, problem.headers, MEDIA_TYPE)

"""pydantic-ai's errors as ours. What a provider said is quoted briefly, without the key, and so that it can be stored."""

import json
import re
from datetime import timedelta
from typing import TypeVar

from pydantic_ai import exceptions as theirs

from domain.retry import RETRY_AFTER_LIMIT
from worker.ai.http import UnacceptableAnswer
from worker.ai.provider import AiError, AiErrorType
from worker.outbound.client import OutboundError

QUOTED = 300  # characters
HIDDEN = "***"
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")

KINDS: tuple[tuple[type[theirs.ModelAPIError], AiErrorType], ...] = (
    (theirs.ModelRateLimitError, "rate_limit"),
    (theirs.ModelQuotaExceededError, "quota"),
    (theirs.ModelOverloadedError, "overloaded"),
    (theirs.ModelContextWindowExceededError, "context_length"),
    (theirs.ModelAuthenticationError, "auth"),
    (theirs.ModelTimeoutError, "timeout"),
    (theirs.ModelRequestTimeout, "timeout"),
    (theirs.ModelConnectionError, "unavailable"),
    (theirs.ModelUnavailableError, "unavailable"),
    (theirs.ModelServerError, "unavailable"),
    (theirs.ModelRequestRejectedError, "bad_request"),
)
"""The first that an error is an instance of; any other error of a provider's API is `unavailable`."""

STATUSES: dict[int, AiErrorType] = {408: "timeout", 504: "timeout"}
FILTERED = frozenset({"content_filter", "content_policy_violation"})
"""Codes by which endpoints refuse a prompt with a 400."""


def as_ai_error(error: theirs.AgentRunError, secret: str | None) -> AiError:
    """The error to raise. `secret`: the key, which some endpoints repeat in what they answer."""
    if not isinstance(error, theirs.ModelAPIError):
        return AiError("unavailable", f"The answer does not follow the protocol: {presentable(error.message, secret)}")
    status = error.status_code if isinstance(error, theirs.ModelHTTPError) else None
    said = presentable(_said(error), secret)
    message = said if status is None else f"HTTP {status}: {said}"
    if error.provider_error_code in FILTERED:
        return AiError("refused", message)
    unacceptable = _among_causes(error, UnacceptableAnswer)
    if unacceptable is not None:
        return AiError("invalid_output", str(unacceptable))
    barred = _among_causes(error, OutboundError)
    if barred is not None and not barred.retryable:
        return AiError("bad_request", presentable(str(barred), secret))
    if status is None and _is_redirect(error):
        return AiError("bad_request", "The endpoint answered with a redirect, which is not followed.")
    named = (kind for cls, kind in KINDS if isinstance(error, cls))
    kind: AiErrorType = STATUSES[status] if status in STATUSES else next(named, "unavailable")
    retry_after = (
        None if error.retry_after is None else timedelta(seconds=min(error.retry_after, RETRY_AFTER_LIMIT.total_seconds()))
    )
    return AiError(kind, message, retry_after=retry_after)


def presentable(text: str, secret: str | None = None) -> str:
    """A text from outside: one line of printable characters, shortened, without the secret."""
    if secret:
        text = text.replace(secret, HIDDEN)
    text = UNPRINTABLE.sub(" ", text).strip()
    return text if len(text) <= QUOTED else text[:QUOTED] + "…"


def _said(error: theirs.ModelAPIError) -> str:
    """The provider's own words, where its answer has the usual form."""
    body = error.body
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return str(error.body)
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return str(body["message"])
    return error.message if body is None else str(body)


E = TypeVar("E", bound=BaseException)


def _among_causes(error: BaseException, kind: type[E]) -> E | None:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, kind):
        cause = cause.__cause__
    return cause


def _is_redirect(error: theirs.ModelAPIError) -> bool:
    cause = error.__cause__
    response = getattr(cause, "response", None) or getattr(cause, "raw_response", None)
    return 300 <= getattr(response, "status_code", 0) < 400

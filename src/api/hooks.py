"""What a webhook's expressions see of a request: its body, its query, and those of its headers that are no credentials."""

import re
from collections.abc import Mapping

from starlette.requests import Request

from api import strict_json
from api.problems import Problem
from api.requests import StrictRequest
from domain.facts import Json
from domain.storable import text_fault

MOST_FIELDS = 100
LONGEST_FIELD = 2_000
CREDENTIALS = re.compile(r"auth|cookie|token|secret|signature|password|credential|session|key|hmac|jwt", re.IGNORECASE)
"""What a header is called that may prove who somebody is: it becomes part of no event."""
OF_THE_WAY = re.compile(
    r"(x-)?forwarded.*|x-real-ip|via|cf-.*|x-envoy-.*|connection|host|accept.*|content-length|transfer-encoding|te"
)
"""Headers that proxies and HTTP itself put there."""


def seen(request: StrictRequest) -> Mapping[str, Json]:
    """Of a request whose body was read. Raises Problem and Unreadable."""
    return {"headers": _headers(request), "query": _query(request), "body": _body(request)}


def _headers(request: Request) -> dict[str, str]:
    named = {name.lower(): value for name, value in request.headers.items()}
    shown = {name: value for name, value in named.items() if not CREDENTIALS.search(name) and not OF_THE_WAY.fullmatch(name)}
    return dict([(name, value[:LONGEST_FIELD]) for name, value in sorted(shown.items())][:MOST_FIELDS])


def _query(request: Request) -> dict[str, str]:
    """The last value of each name."""
    found = dict(request.query_params.multi_items()[: MOST_FIELDS + 1])
    if len(found) > MOST_FIELDS:
        raise Problem(400, "too_many", f"A request to a webhook has at most {MOST_FIELDS} parameters.")
    for name, value in found.items():
        _require_storable(name)
        _require_storable(value)
    return found


def _body(request: StrictRequest) -> Json:
    """JSON where it says so, otherwise text; nothing: null."""
    if not request.sent:
        return None
    if request.says_json:
        return strict_json.parse(request.sent)
    try:
        text = request.sent.decode()
    except UnicodeDecodeError:
        raise Problem(415, "unsupported_media_type", "The body is JSON, or text in UTF-8.") from None
    _require_storable(text)
    return text


def _require_storable(text: str) -> None:
    if text_fault(text) is not None:
        raise Problem(400, "malformed", "The character NUL and lone surrogates cannot be stored.")

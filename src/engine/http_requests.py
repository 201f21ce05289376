"""What an `http` node sends, from its configuration: the fields, what they may hold, and the request that a worker is handed.

Secrets are named where the definition names them, and nowhere else: what an expression comes to is never taken for a reference.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from urllib.parse import quote, urlencode

from domain.facts import Json
from domain.names import ROLE_KEY
from engine.durations import duration
from engine.invalid import InvalidValue
from engine.nodes.kind import object_schema

METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH")
IDEMPOTENT = frozenset(METHODS[:5])
"""Methods that may be sent again whatever became of them (RFC 9110, 9.2.2), unless the definition says otherwise."""
UNSENT = frozenset({408, 425, 429})
"""Statuses by which a service says that it has not acted on the request: it may be sent again whatever its method."""
SUCCESS: tuple[str | int, ...] = ("2xx",)
RETRIED: tuple[str | int, ...] = (408, 425, 429, "5xx")
REQUEST_TIMEOUT, LONGEST_TIMEOUT = timedelta(seconds=30), timedelta(minutes=10)
MOST_BYTES = 1 << 20
MOST_REDIRECTS = 5
MOST_URL = 8_192
MOST_HEADERS = 50
MOST_EXCERPT = 500
MOST_SECRETS = 5
"""In headers. Each is looked for, in all its forms, in all of an answer."""

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
VALUE = re.compile(r"[\t\x20-\x7e]{0,8192}")
NOT_YOURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"}
    | {"accept-encoding"}
)
"""Headers that are the connection's own business."""

EXPRESSION = {"type": "string", "pattern": "^=[^=]"}
TEXT = {"type": "string", "minLength": 1}
SECRET_NAME = {"type": "string", "pattern": f"^{ROLE_KEY.pattern}$"}
REFERENCE = object_schema({"secret": SECRET_NAME, "prefix": {"type": "string", "maxLength": 100}}, ("secret",))
SCALAR = {"type": ["string", "number", "boolean", "null"]}
STATUSES = {
    "type": "array",
    "items": {"anyOf": [{"type": "integer", "minimum": 100, "maximum": 599}, {"enum": ["1xx", "2xx", "3xx", "4xx", "5xx"]}]},
    "maxItems": 100,
}


def _auth(type: str, **fields: Json) -> Json:
    schema = object_schema({"type": {"const": type}, "secret": SECRET_NAME, **fields})
    return {**schema, "required": ["type", "secret", *(name for name in fields if name != "prefix")]}


CONFIG = object_schema(
    {
        "method": {"anyOf": [{"enum": list(METHODS)}, EXPRESSION]},
        "url": TEXT,
        "headers": {"type": "object", "additionalProperties": {"anyOf": [SCALAR, REFERENCE]}, "maxProperties": MOST_HEADERS},
        "query": {
            "type": "object",
            "additionalProperties": {"anyOf": [SCALAR, {"type": "array", "items": SCALAR}]},
            "maxProperties": 200,
        },
        "body": True,
        "body_as": {"enum": ["json", "form", "text"]},
        "auth": {
            "oneOf": [
                _auth("bearer"),
                _auth("basic", username={"type": "string"}),
                _auth("header", name=TEXT, prefix={"type": "string", "maxLength": 100}),
                _auth("query", name=TEXT),
            ]
        },
        "success": STATUSES,
        "retry_on": STATUSES,
        "idempotent": {"type": "boolean"},
        "request_timeout": TEXT,
        "max_bytes": {"type": "integer", "minimum": 1, "maximum": MOST_BYTES},
        "redirects": {"type": "integer", "minimum": 0, "maximum": MOST_REDIRECTS},
        "response_as": {"enum": ["auto", "json", "text", "base64", "none"]},
        "output": True,
    },
    ("url",),
)


def request(config: Mapping[str, Json], carrying: frozenset[str], key: str) -> Json:
    """What a worker is handed. `config`: resolved. `carrying`: headers that the definition has a secret in. `key`: the visit's.

    Raises InvalidValue. A text cited in it is the definition's, or what an expression came to: no secret is at hand here.
    """
    way = method(config.get("method", "GET"))
    return {
        "method": way,
        "url": url(config["url"], config.get("query", {})),
        "headers": headers(config.get("headers", {}), carrying),
        "body": body(config),
        "auth": auth(config.get("auth")),
        "idempotent": is_idempotent(config, way),
        "seconds": timeout(config).total_seconds(),
        "max_bytes": config.get("max_bytes", MOST_BYTES),
        **({"redirects": config["redirects"]} if "redirects" in config else {}),
        "response_as": config.get("response_as", "auto"),
        "key": key,
    }


def method(value: Json) -> str:
    if not isinstance(value, str) or value.upper() not in METHODS:
        raise InvalidValue(f"method must be one of {', '.join(METHODS)}")
    return value.upper()


def is_idempotent(config: Mapping[str, Json], method: str) -> bool:
    """Whether the request may be sent again although it may have been acted on."""
    return bool(config.get("idempotent", method in IDEMPOTENT))


def timeout(config: Mapping[str, Json]) -> timedelta:
    """For one request, from looking up the host to the last byte of the answer."""
    if "request_timeout" not in config:
        return REQUEST_TIMEOUT
    found = duration(config["request_timeout"])
    if not timedelta(milliseconds=10) <= found <= LONGEST_TIMEOUT:
        raise InvalidValue(f"request_timeout must be at most {LONGEST_TIMEOUT.seconds // 60} minutes, and not nothing")
    return found


def url(value: Json, query: Mapping[str, Json]) -> str:
    """With the query behind it. Where it leads is judged by who sends it."""
    if not isinstance(value, str) or not value.startswith(("https://", "http://")):
        raise InvalidValue("url must be a text that begins with https:// or http://")
    if "#" in value:
        raise InvalidValue("url must not have a fragment: it would not be sent")
    pairs = [(name, _scalar(each, f"query {name}")) for name, one in query.items() for each in _listed(one)]
    try:
        whole = value + ("&" if "?" in value else "?") + urlencode(pairs, quote_via=quote) if pairs else value
    except (UnicodeEncodeError, ValueError):
        raise InvalidValue("url cannot be read") from None
    if len(whole) > MOST_URL:
        raise InvalidValue(f"url is longer than {MOST_URL} characters")
    return whole


def headers(given: Mapping[str, Json], carrying: frozenset[str]) -> dict[str, Json]:
    if len(carrying) > MOST_SECRETS:
        raise InvalidValue(f"headers must carry at most {MOST_SECRETS} secrets")
    found: dict[str, Json] = {}
    for name, value in given.items():
        header_name(name)
        if name in carrying:
            found[name] = {**value, "prefix": header_value(value.get("prefix", ""), f"the prefix of header {name}")}
        elif value is not None:
            found[name] = header_value(_scalar(value, f"header {name}"), f"header {name}")
    return found


def auth(given: Json) -> Json:
    if given is None:
        return None
    for field in ("username", "name", "prefix"):
        if field in given and (not isinstance(given[field], str) or not given[field].isprintable()):
            raise InvalidValue(f"auth {field} must be a text in one line")
    if given["type"] == "basic" and ":" in given["username"]:
        raise InvalidValue("auth username must have no colon")
    if given["type"] == "header":
        header_name(given["name"])
        header_value(given.get("prefix", ""), "auth prefix")
    return given


def header_value(text: Json, what: str) -> str:
    if not isinstance(text, str) or not VALUE.fullmatch(text):
        raise InvalidValue(f"{what} must be ASCII without line breaks, at most 8192 characters")
    return text


def header_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidValue(f"{name!r} is no name of a header")
    if name.lower() in NOT_YOURS or name.lower().startswith("proxy-"):
        raise InvalidValue(f"the header {name} is set by the connection itself")


def body(config: Mapping[str, Json]) -> Json:
    """{json}, {form} or {text}; None where the request has no body."""
    if "body" not in config:
        return None
    match config.get("body_as", "json"), config["body"]:
        case "text", str() as text:
            return {"text": text}
        case "text", _:
            raise InvalidValue("body must be a text where body_as is text")
        case "form", dict() as fields:
            return {"form": [[name, _scalar(each, f"body {name}")] for name, one in fields.items() for each in _listed(one)]}
        case "form", _:
            raise InvalidValue("body must be an object where body_as is form")
        case _, value:
            return {"json": value}


def includes(statuses: Iterable[str | int], status: int) -> bool:
    return any(each in (status, f"{status // 100}xx") for each in statuses)


def carrying_secrets(headers: Mapping[str, Json]) -> frozenset[str]:
    """Headers that the definition itself says to carry a secret."""
    return frozenset(name for name, value in headers.items() if isinstance(value, dict))


def _listed(value: Json) -> list[Json]:
    """The values of one name: those of a list, each; null is left out."""
    return [each for each in (value if isinstance(value, list) else [value]) if each is not None]


def _scalar(value: Json, what: str) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            raise InvalidValue(f"{what} must be a text, a number or a boolean")

"""Answers as JSON: times with `Z`, spans of time as PT5M, money and other exact numbers as strings, whole numbers of any size."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from pydantic_core import to_jsonable_python
from starlette.responses import Response

from domain.facts import Json

OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC


def to_json(value: Any) -> bytes:
    """Compact JSON. Integers beyond 64 bits, which orjson refuses, take the slow way and stay exact."""
    try:
        return orjson.dumps(value, _plain, OPTIONS)
    except orjson.JSONEncodeError:
        return json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Json:
    match value:
        case Decimal():
            return f"{value:f}"  # never 0E-10
        case UUID() | ipaddress.IPv4Address() | ipaddress.IPv6Address():
            return str(value)
        case ipaddress.IPv4Interface() | ipaddress.IPv6Interface():
            return str(value.ip)
        case timedelta():
            return to_jsonable_python(value)  # ISO 8601, as the ledger has it
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {f.name: getattr(value, f.name) for f in fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} has no place in an answer")


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return as_json(to_json(value), status, headers)


def as_json(content: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """What is JSON already."""
    return Response(content, status, headers, "application/json")


def etag(version: int, count: int | None = None) -> str:
    """`count`: what the answer counts of other things' events, which are no new version."""
    return f'"{version}"' if count is None else f'"{version}.{count}"'

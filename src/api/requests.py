"""Requests as this API takes them: what is in them, and what a route's function is given of it."""

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.routing import compile_path

from api import headers, strict_json
from api.problems import Problem, not_found
from domain.facts import Json

MAX_BODY = 1024 * 1024
MAX_DRAINED = 16 * MAX_BODY
WRITTEN = {UUID: headers.ID, int: re.compile("[1-9][0-9]{0,17}")}
"""How an id and a number are written in a path: everything has one address."""
JSON = re.compile(r"application/(json|[^/]*\+json)")


class StrictRequest(Request):
    """A request whose body is strict JSON, of a bounded size. `sent`: what was read of it."""

    sent: bytes = b""

    async def read_json(self, most: int = MAX_BODY) -> tuple[bool, Json]:
        """Whether there is a body, and what it says. Read once. Raises what speaks against it."""
        await self.read_bytes(most)
        if not self.sent:
            return False, None
        if not self.says_json:
            raise Problem(
                415, "unsupported_media_type", "The body must be application/json.", headers={"Accept": "application/json"}
            )
        return True, strict_json.parse(self.sent)

    @property
    def says_json(self) -> bool:
        return JSON.fullmatch(self.headers.get("content-type", "").partition(";")[0].strip().lower()) is not None

    async def read_bytes(self, most: int = MAX_BODY) -> bytes:
        """The body as it was sent, whatever it is. Read once. Raises what speaks against it."""
        self.sent = await self._read(most)
        return self.sent

    async def _read(self, most: int) -> bytes:
        """A body that is too large is read on for a while, unkept: a client that still sends would not see the answer.

        One that is said to be larger than that, or that waits to be asked for, is refused before it comes.
        """
        announced = int(self.headers.get("content-length", 0))
        if announced > MAX_DRAINED or (announced > most and "expect" in self.headers):
            raise _too_large(most)
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.stream():
            size += len(chunk)
            if size <= most:
                chunks.append(chunk)
            elif size > MAX_DRAINED:
                break
        if size > most:
            raise _too_large(most)
        return b"".join(chunks)


@dataclass(frozen=True)
class _Parameter:
    """One parameter of a route's function. `written`: how it must be written, where that is more than its type says."""

    name: str
    adapter: TypeAdapter[Any]
    is_required: bool = True
    written: re.Pattern[str] | None = None

    def valid(self, value: Any, *place: str) -> Any:
        """What its type makes of a value. Raises RequestValidationError, with the place of each fault."""
        try:
            return self.adapter.validate_python(value)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            located = [{**fault, "loc": (*place, *within(value, fault["loc"], fault["type"]))} for fault in faults]
            raise RequestValidationError(located) from None


def within(value: Any, location: Sequence[str | int], fault: str) -> Iterator[str | int]:
    """The steps that lead to a fault in what was sent: pydantic also names which of several types it tried (`str`, a tag), and
    whether it was a key."""
    for number, step in enumerate(location, start=1):
        if _has(value, step):
            value = value[step]
            yield step
        elif fault == "missing" and number == len(location):
            yield step


def _has(value: Any, step: str | int) -> bool:
    return step in value if isinstance(value, dict) else isinstance(value, list) and isinstance(step, int) and step < len(value)


@dataclass(frozen=True)
class Parameters:
    """What a route's function takes besides its call: what its path names, and its body, if it has one."""

    in_path: Sequence[_Parameter]
    body: _Parameter | None
    most: int = MAX_BODY
    """The bytes of a body."""

    @classmethod
    def of(cls, path: str, function: Callable[..., Any]) -> "Parameters":
        """Read from its signature, once. Raises TypeError for one that takes anything else."""
        named = compile_path(path)[2].keys()
        types = get_type_hints(function)
        in_path: list[_Parameter] = []
        body: _Parameter | None = None
        most = MAX_BODY
        _call, *others = inspect.signature(function).parameters.values()
        for each in others:
            kind = types[each.name]
            if each.name in named:
                in_path.append(_Parameter(each.name, TypeAdapter(kind), written=WRITTEN.get(kind)))
            elif body is None and isinstance(kind, type) and issubclass(kind, BaseModel):
                body = _Parameter(each.name, TypeAdapter(kind), each.default is inspect.Parameter.empty)
                most = getattr(kind, "MAX_BYTES", MAX_BODY)
            else:
                raise TypeError(f"{path}: {each.name} is neither named in the path nor the body")
        return cls(in_path, body, most)

    async def read(self, request: StrictRequest) -> dict[str, Any]:
        """By name. Raises Problem, RequestValidationError and Unreadable for what is not acceptable."""
        if self.body is None:
            return self._read_path(request)
        is_there, body = await request.read_json(self.most)
        values = self._read_path(request)
        if is_there:
            values[self.body.name] = self.body.valid(body, "body")
        elif self.body.is_required:
            raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "The body is missing."}])
        return values

    def _read_path(self, request: StrictRequest) -> dict[str, Any]:
        """Raises Problem (404) where what is named cannot be there."""
        values: dict[str, Any] = {}
        for each in self.in_path:
            text = request.path_params[each.name]
            if each.written is not None and each.written.fullmatch(text) is None:
                raise not_found()
            values[each.name] = each.valid(text, "path", each.name)
        return values


def _too_large(most: int) -> Problem:
    return Problem(413, "too_large", f"A body may have at most {most} bytes here.", headers={"Connection": "close"})

"""Every JSON answer to a test's client is held against the API's document: shape, fields, types, formats."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import httpx2
import jsonschema_rs
import orjson

from api.app import create_app
from api.openapi import describe
from runtime.addresses import Addresses

REF = "#/components/schemas/"
PROBLEM = f"{REF}Problem"


class Undocumented(AssertionError):
    """The API answered what its document does not know."""


class Document:
    """The API's document; `met`: the shapes that answers have had so far."""

    def __init__(self) -> None:
        self.described = orjson.loads(orjson.dumps(describe(create_app(Addresses("", "", "", "")))))
        self.schemas: dict[str, Any] = self.described["components"]["schemas"]
        self.met: set[str] = set()
        by_literal = sorted(self.described["paths"].items(), key=lambda item: item[0].count("{"))
        self._operations = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), item) for path, item in by_literal]
        self._validators: dict[str, Any] = {}

    async def hold(self, response: httpx2.Response) -> None:
        """An event hook of a client. Raises Undocumented."""
        media_type = response.headers.get("content-type", "")
        if response.request.method == "HEAD":
            return
        if media_type in ("application/json", "application/problem+json") and response.url.path != "/openapi.json":
            await response.aread()
            ref = PROBLEM if media_type == "application/problem+json" else self._documented(response)
            try:
                self._validator(ref).validate(response.json())
            except jsonschema_rs.ValidationError as error:
                raise Undocumented(f"{response.request.method} {response.url.path}, {response.status_code}: {error}") from None
            self.met |= set(self._shapes_of(response.json(), {"$ref": ref}))

    def of_answers(self) -> set[str]:
        """The shapes of everything that may be answered."""
        todo = [
            content["schema"]
            for item in self.described["paths"].values()
            for operation in item.values()
            for answer in operation["responses"].values()
            for content in answer.get("content", {}).values()
        ]
        found: set[str] = set()
        while todo:
            new = set(_refs(todo.pop())) - found
            found |= new
            todo += [self.schemas[name] for name in new]
        return found

    def _documented(self, response: httpx2.Response) -> str:
        for path, item in self._operations:
            operation = item.get(response.request.method.lower())
            if operation is not None and path.fullmatch(response.url.path):
                answer = operation["responses"].get(str(response.status_code), {"content": {}})
                schema = answer["content"].get("application/json", {}).get("schema", {})
                if "$ref" in schema:
                    return str(schema["$ref"])
        raise Undocumented(f"{response.request.method} {response.url.path} may not answer {response.status_code} in JSON")

    def _validator(self, ref: str) -> Any:
        if ref not in self._validators:
            schema = {"$ref": ref, "components": {"schemas": self.schemas}}
            self._validators[ref] = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        return self._validators[ref]

    def _shapes_of(self, value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
        """The shapes of a valid value and of what is in it."""
        if "$ref" in schema:
            yield schema["$ref"].removeprefix(REF)
            yield from self._shapes_of(value, self.schemas[schema["$ref"].removeprefix(REF)])
        for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            if "$ref" in each and self._validator(each["$ref"]).is_valid(value):
                yield from self._shapes_of(value, each)
        if isinstance(value, list):
            for item in value:
                yield from self._shapes_of(item, schema.get("items", {}))
        if isinstance(value, dict):
            for name, item in value.items():
                yield from self._shapes_of(item, schema.get("properties", {}).get(name, {}))


def _refs(value: Any) -> Iterator[str]:
    match value:
        case {"$ref": ref}:
            yield ref.removeprefix(REF)
        case dict():
            for each in value.values():
                yield from _refs(each)
        case list():
            for each in value:
                yield from _refs(each)


@cache
def document() -> Document:
    return Document()

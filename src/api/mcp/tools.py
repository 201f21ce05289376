"""What a tool is, and how a call of one is answered."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from api import headers
from api.answers import to_json
from api.call import RequestContext
from api.mcp.within import KEY_HEADER, Within
from api.problems import Problem, from_exception
from domain.access import Rights
from domain.facts import FieldError, Json
from engine.schema import faults
from engine.triggers.mcp import RESERVED

OWN = RESERVED
"""How the names of our own tools begin; no workflow's tool does."""


@dataclass(frozen=True)
class Invocation:
    """A call of a tool. `key`: what tells a repetition from another call."""

    call: RequestContext
    given: Mapping[str, Json]
    key: str | None = None

    async def read(self, route: Within, path: Mapping[str, str] | None = None, **query: Json) -> Any:
        return await route.ask(self.call.request, path, query)

    async def do(self, route: Within, body: Json = None, **path: str) -> Any:
        return await route.ask(self.call.request, path, None, body, self.key)

    def only(self, *names: str) -> dict[str, Json]:
        """Those of these arguments that were given."""
        return {name: self.given[name] for name in names if self.given.get(name) is not None}


Run: TypeAlias = Callable[[Invocation], Awaitable[Json]]


@dataclass(frozen=True)
class Tool:
    """`arguments`, `answers`: JSON Schemas of properties. `permission`: what its caller needs; `person`: and that they are one.

    `run`: answers an object. What it raises is what the caller is told.
    """

    name: str
    title: str
    description: str
    arguments: Mapping[str, Json]
    answers: Mapping[str, Json]
    permission: str
    run: Run
    required: tuple[str, ...] = ()
    person: bool = False
    reads: bool = True
    destroys: bool = False
    repeatable: bool = False

    @property
    def input_schema(self) -> Json:
        schema = {"type": "object", "properties": dict(self.arguments), "additionalProperties": False}
        return {**schema, **({"required": list(self.required)} if self.required else {})}

    def is_for(self, who: Rights) -> bool:
        return who.allows(self.permission) and (not self.person or who.user_id is not None)

    def described(self) -> Json:
        hints: dict[str, Json] = {"readOnlyHint": self.reads, "openWorldHint": False}
        if not self.reads:
            hints |= {"destructiveHint": self.destroys, "idempotentHint": self.repeatable}
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.input_schema,
            "outputSchema": {"type": "object", "properties": dict(self.answers)},
            "annotations": {"title": self.title, **hints},
        }

    async def called(self, call: RequestContext, arguments: Mapping[str, Json]) -> Json:
        schema, given = self.input_schema, dict(arguments)
        found = await call.services.handler.compute(call.tenant_id, lambda effort: faults(schema, given, effort=effort))
        if found:
            return refused(unfit(found))
        key = None if self.reads else arguments.get("idempotency_key") or headers.once(call.request, KEY_HEADER)
        return await answered(self.run, Invocation(call, arguments, key))


def unfit(found: tuple[FieldError, ...]) -> Problem:
    first = found[0]
    return Problem(422, "invalid", f"The arguments do not fit: {first.path or 'they'}: {first.message}", found)


async def answered(run: Run, invocation: Invocation) -> Json:
    """The result of a call. What refuses it is a result as well, for the model to read; only a key that is no more is not."""
    try:
        value = await run(invocation)
    except Exception as error:
        problem = from_exception(error)
        if problem is None or problem.status == 401:
            raise
        return refused(problem)
    return {"content": [{"type": "text", "text": to_json(value).decode()}], "structuredContent": value, "isError": False}


def refused(problem: Problem) -> Json:
    errors = [{"path": each.path, "code": each.code, "message": each.message} for each in problem.errors[:10]]
    told = {"status": problem.status, "code": problem.code, "message": problem.detail, **({"errors": errors} if errors else {})}
    text = f"{problem.code}: {problem.detail}" + "".join(f"\n{each['path']}: {each['message']}" for each in errors)
    return {"content": [{"type": "text", "text": text}], "structuredContent": told, "isError": True}

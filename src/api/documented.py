"""How a route is described in OpenAPI: its parameters, what it answers, and the problem document for everything else."""

from typing import Any

from starlette.responses import Response

from api.listing import FRESHNESS, Listing
from api.routing import Calling
from api.schemas.problem import PROBLEM
from api.schemas.schema import Choice, ObjectSchema, page, ref

__all__ = ["Calling", "documented", "header", "in_json", "paged", "problem_answers"]

ALWAYS = {
    400: "Malformed",
    401: "No valid API key",
    403: "Not permitted",
    422: "Not acceptable",
    429: "Too many failed logins",
    503: "Busy or unavailable",
}
COMMANDS = {
    404: "Not found",
    409: "In conflict with the rules or with another command",
    412: "Changed since it was read",
    413: "Body too large",
    415: "Not JSON",
}


def problem_answers(statuses: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"description": words, "content": {"application/problem+json": {"schema": ref(PROBLEM)}}}
        for status, words in statuses.items()
    }


def header(name: str, schema: dict[str, Any], words: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": words}


def _told(schema: dict[str, Any], words: str) -> dict[str, Any]:
    """A header of an answer."""
    return {"schema": schema, "description": words}


UUID_SCHEMA = {"type": "string", "format": "uuid"}
COMMON = [
    header("Gesta-Tenant", {"type": "string"}, "For a platform key: the tenant's id or slug."),
    header("Gesta-On-Behalf-Of", UUID_SCHEMA, "The member on whose behalf this is done; needs users:act_as."),
]
COMMAND = [
    header(
        "Idempotency-Key",
        {"type": "string", "maxLength": 255},
        "A request that repeats this key gets the first answer, and nothing is done again.",
    ),
    header("If-Match", {"type": "string"}, "The ETag seen last; 412 if the resource has changed since."),
    header("Gesta-Occurred-At", {"type": "string", "format": "date-time"}, "When it happened; needs events:backdate."),
    header("Gesta-Correlation-Id", UUID_SCHEMA, "Kept with every event."),
]


STALE = {"Gesta-Stale": _told({"type": "string", "pattern": "^[0-9]+$"}, "How many events the tables are behind, if they are.")}
TAGGED = {"ETag": _told({"type": "string", "pattern": '^"[0-9.]+"$'}, "The version; for If-Match and If-None-Match.")}
IF_NONE_MATCH = header("If-None-Match", {"type": "string"}, "Known ETags; 304 if the answer has one of them.")
COMMANDED = {
    "ETag": _told({"type": "string", "pattern": '^"[0-9]+"$'}, "The version now; for If-Match."),
    "Gesta-Position": _told({"type": "string", "minLength": 1}, "Its position in the ledger; for `at_least`."),
    "Idempotency-Replayed": _told(
        {"type": "string", "enum": ["true"]}, "The request had been done before, under this Idempotency-Key."
    ),
}
CREATED = {"Location": {**_told({"type": "string", "pattern": "^/v1/"}, "Where the new resource is."), "required": True}}


def documented(
    summary: str,
    answer: str,
    shape: ObjectSchema | Choice,
    *,
    parameters: list[dict[str, Any]] | None = None,
    creates: bool = False,
    unrecorded: bool = False,
    versioned: bool = True,
    tagged: bool = True,
    query: list[dict[str, Any]] | None = None,
    listed: bool = False,
    also: dict[str, Any] | None = None,
    found: str | None = None,
    found_as: ObjectSchema | None = None,
    accepted: bool = False,
) -> dict[str, Any]:
    """The keyword arguments of a route. With `parameters` (even none) it is a question, without a command.

    `unrecorded`: it changes something beside the ledger, and so takes no command's headers. `versioned`: a command on something
    that has a version, for If-Match. `tagged`: a single resource, and all that is shown of it goes by its version. `query`: a
    command's parameters. A header that is not described is refused.
    `listed`: the answer is a page, which has no version. `also`: what else it may answer, by media type.
    `found`: what it answers with 200, of what it creates, where it was there before, or nothing was to be created; `found_as`: in
    another shape. `accepted`: what it creates goes on by itself (202).
    """
    is_command = parameters is None
    command = COMMAND if versioned and not creates else [header for header in COMMAND if header["name"] != "If-Match"]
    headers = [*COMMON, *command] if is_command and not unrecorded else COMMON
    is_tagged = tagged and not listed and parameters is not None and FRESHNESS[0] in parameters
    headers = [*headers, IF_NONE_MATCH] if is_tagged else headers
    content = {**in_json(shape), **(also or {})}
    status = (202 if accepted else 201) if creates else 200
    if is_command:
        told = {} if unrecorded else {**COMMANDED, **(CREATED if creates else {})}
    else:
        told = {**STALE, **TAGGED} if is_tagged else STALE
    return {
        "summary": summary,
        "response_class": Response,
        "responses": {
            status: {"description": answer, "headers": told, "content": content},
            **({} if found is None else {200: {"description": found, "headers": told, "content": content}}),
            **({} if found_as is None else {200: {"description": found, "content": in_json(found_as)}}),
            **({304: {"description": "Not changed", "headers": told}} if is_tagged else {}),
            **problem_answers({**ALWAYS, **(COMMANDS if is_command else {404: "Not found"})}),
        },
        "openapi_extra": {"parameters": [*headers, *(parameters or query or ())]},
    }


def paged(summary: str, listing: Listing, item: ObjectSchema) -> dict[str, Any]:
    """A route that lists."""
    return documented(summary, "One page", page(item), parameters=listing.parameters, listed=True)


def in_json(shape: ObjectSchema | Choice) -> dict[str, Any]:
    """What an answer holds, by media type."""
    return {"application/json": {"schema": ref(shape)}}

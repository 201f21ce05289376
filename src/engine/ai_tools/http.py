"""http {request}: calls a service, with the arguments that the model gives. `request`: as the configuration of an `http` node.

The model is told {status, body}, or what the request's `output` makes of the answer. Credentials are named by the definition
alone: neither the model nor the arguments can name a secret.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.facts import Json
from engine import http_requests as requests
from engine.ai_tools.kind import ToolType, at_the_call
from engine.definition import Node
from engine.expressions import Budgeted, is_expression, resolve
from engine.nodes import http
from engine.nodes.kind import Fault


def lint(tool: Json) -> Iterator[Fault]:
    request = tool["request"]
    for fault in http.lint(Node(tool["name"], "http", request)):
        yield Fault(f"/request{fault.path}", fault.code, fault.message, fault.severity)
    method = request.get("method", "GET")
    if is_expression(method) and at_the_call(method):
        message = "The model cannot choose the method: whether a call may be made again follows from it."
        yield Fault("/request/method", "invalid_value", message)


def resolved(written: Json, tool: Json) -> Json:
    """`carrying`: headers in which the definition itself has a secret. `idempotent`: whether it may be sent again."""
    request = tool["request"]
    method = requests.method(request.get("method", "GET"))
    return {
        **tool,
        "carrying": sorted(requests.carrying_secrets(written["request"].get("headers", {}))),
        "idempotent": requests.is_idempotent(request, method),
    }


def request_of(tool: Json, seen: Mapping[str, Json], evaluator: Budgeted, key: str) -> Json:
    """What a worker sends. Raises ExpressionError and InvalidValue."""
    plain = {name: value for name, value in tool["request"].items() if name != "output"}
    return requests.request(resolve(plain, evaluator, seen), frozenset(tool["carrying"]), key)


def result_of(tool: Json, response: Mapping[str, Any], seen: Mapping[str, Json], evaluator: Budgeted) -> Json:
    """What the model is told of an answer that is a success. Raises ExpressionError."""
    if "output" in tool["request"]:
        return resolve(tool["request"]["output"], evaluator, {**seen, "response": response})
    told = {"status": response["status"], "body": response["body"]}
    return {**told, "encoding": "base64"} if response["encoding"] == "base64" else told


HTTP_TOOL = ToolType(
    "http",
    {"request": requests.CONFIG},
    ("request",),
    ("request",),
    {"/request/output": {"response": http.RESPONSE}},
    lint,
    resolved,
)

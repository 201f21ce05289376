"""http {url, method?, headers?, query?, body?, auth?, …}: calls a service, and waits for its answer.

Its output is {status, headers, body, encoding}, or what `output` makes of it. The request is sent by a worker of this product
(`worker/http_runner.py`). A status of `success` is one; another is the error `http_<status>`. One of `retry_on`, and an answer
that did not come, is retried by the node's `retry`: a request that may have been acted on, though, only where it is idempotent.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from domain.execution import NodeError
from domain.facts import Json
from domain.retry import LEASE_LOST, Failure
from domain.storable import storable_text
from engine import http_requests as requests
from engine.definition import Node
from engine.expressions import expressions_in, is_expression, resolve
from engine.happenings import JobDone, JobFailed, JobReport
from engine.http_requests import CONFIG, MOST_EXCERPT, RETRIED, SUCCESS, UNSENT, carrying_secrets, includes, is_idempotent
from engine.invalid import InvalidValue
from engine.nodes.kind import Done, Failed, Fault, Formula, Handles, NodeType, RunResult, Visit, Waiting, Woken, tried_again
from engine.outputs import unacceptable

JOB = "gesta.http"
"""The type of the jobs that are requests."""
RESPONSE = {
    "type": "object",
    "properties": {
        "status": {"type": "integer"},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "body": True,
        "encoding": {"enum": ["json", "text", "base64", "none"]},
    },
    "additionalProperties": False,
}


def run(visit: Visit) -> RunResult:
    config = resolve(_plain(visit.node), visit.evaluator, visit.variables)
    carrying = carrying_secrets(visit.node.config.get("headers", {}))
    request = requests.request(config, carrying, str(visit.activation_id))
    retry = visit.node.retry
    job = visit.job(JOB, request, max_attempts=1 if retry is None else retry.max_attempts)
    return Waiting(jobs=(job,), input=request)


def on_job(visit: Visit, report: JobReport) -> Woken:
    match report:
        case JobFailed(failure=failure):
            return tried_again(visit, _repeatable(visit, failure), report.jitter)
        case JobDone(output=exchange):
            return _answered(visit, exchange)


def _answered(visit: Visit, exchange: Json) -> Woken:
    """`exchange`: {response, retry_after, jitter, redirected}, as the runner tells it; `redirected` where it is.

    Whoever answers after a redirect says nothing of what the request itself has done.
    """
    failure = failure_of(exchange, visit.node.config, lambda: _is_idempotent(visit))
    if failure is None:
        return _done(visit, exchange["response"])
    after = exchange["retry_after"]
    return tried_again(visit, failure, exchange["jitter"], None if after is None else timedelta(seconds=after))


def failure_of(exchange: Json, config: Mapping[str, Json], idempotent: Callable[[], bool]) -> Failure | None:
    """What the service's answer means by the configuration; None: a success."""
    status = exchange["response"]["status"]
    if includes(config.get("success", SUCCESS), status):
        return None
    again = includes(config.get("retry_on", RETRIED), status)
    if again and (status not in UNSENT or exchange.get("redirected", False)):
        again = idempotent()
    return Failure(f"http_{status}", _told(exchange["response"]), again)


def _done(visit: Visit, response: Json) -> Woken:
    output = response
    if "output" in visit.node.config:
        output = resolve(visit.node.config["output"], visit.evaluator, {**visit.variables, "response": response})
    refused = unacceptable(output, None, visit.output_bytes, visit.view.effort)
    return Done(output) if refused is None else Failed(NodeError("invalid_output", refused, visit.attempt))


def _repeatable(visit: Visit, failure: Failure) -> Failure:
    """A worker that was lost may have sent the request: then it is not sent again unless that does no harm."""
    if failure.type != LEASE_LOST.type or _is_idempotent(visit):
        return failure
    message = f"{failure.message} It may have sent the request, which is not idempotent, and so is not sent again."
    return replace(failure, message=message, retryable=False)


def _is_idempotent(visit: Visit) -> bool:
    method = resolve(visit.node.config.get("method", "GET"), visit.evaluator, visit.variables)
    return is_idempotent(visit.node.config, requests.method(method))


def _told(response: Mapping[str, Json]) -> str:
    """What a service said of its refusal, the beginning of it."""
    body = response["body"]
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body, ensure_ascii=False)
    if response["encoding"] == "base64" or not text.strip():
        return f"The service answered {response['status']}."
    cut = text if len(text) <= MOST_EXCERPT else f"{text[:MOST_EXCERPT]}…"
    return storable_text(f"The service answered {response['status']}: {cut}")


def _plain(node: Node) -> dict[str, Json]:
    return {name: value for name, value in node.config.items() if name != "output"}


def output(node: Node) -> Json:
    return None if "output" in node.config else RESPONSE


def formulas(node: Node) -> Iterator[Formula]:
    for path, source in expressions_in(node.config.get("output"), "/output"):
        yield Formula(path, source, None, {"response": RESPONSE})


def lint(node: Node) -> Iterator[Fault]:
    config = node.config
    headers = config.get("headers", {})
    for name in headers:
        yield from _found(f"/headers/{name}", partial(requests.header_name, name))
    if "auth" in config and config["auth"]["type"] in ("bearer", "basic") and any(n.lower() == "authorization" for n in headers):
        yield Fault("/auth", "duplicate_header", "The header Authorization is given as well.")
    yield from _found("/headers", partial(requests.headers, {}, carrying_secrets(headers)))
    if len({name.lower() for name in headers}) < len(headers):
        yield Fault("/headers", "duplicate_header", "A header is given twice.")
    if "body" in config and config.get("method", "GET") in ("GET", "HEAD"):
        yield Fault("/body", "unexpected_body", "A request by GET or HEAD has no body.")
    if "request_timeout" in config and not is_expression(config["request_timeout"]):
        yield from _found("/request_timeout", lambda: requests.timeout(config))
    if not is_expression(config["url"]):
        yield from _found("/url", lambda: requests.url(config["url"], {}))
        if config["url"].startswith("http://") and (carrying_secrets(headers) or "auth" in config):
            message = "A secret goes by https:// only, but to networks that the operator has opened."
            yield Fault("/url", "insecure", message, "warning")


def _found(path: str, check: Callable[[], object]) -> Iterator[Fault]:
    try:
        check()
    except InvalidValue as error:
        yield Fault(path, "invalid_value", str(error))


HTTP = NodeType(
    "http",
    CONFIG,
    handles=lambda _node: Handles(("success",), ("error", "timeout")),
    run=run,
    output=output,
    lint=lint,
    formulas=formulas,
    raw=frozenset({"output"}),
    waits=True,
    works=True,
    on_job=on_job,
)

"""Definitions as they are published for a test on a server: what has a double is a task there."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from domain.facts import Json
from domain.retry import Failure
from domain.trigger import MCP
from engine import http_requests
from engine.expressions import ExpressionError, is_expression, resolve
from engine.http_requests import RETRIED, SUCCESS, UNSENT, carrying_secrets, includes, is_idempotent
from engine.invalid import InvalidValue
from testkit.doubles import Doubles, Fails, Kind, Response
from testkit.publishing import EVALUATOR, nodes_of, stub
from testkit.work import body_of, exchange_of

LONGEST_KEY = 63
SEEN = ("input", "nodes", "execution", "tenant")
OF_AI = ("model", "prompt", "system", "input", "context")


@dataclass(frozen=True)
class Staged:
    """`key`: of the workflow under test. `jobs`: what each type of job stands for. `nodes`: the original `http` nodes."""

    key: str
    definitions: tuple[Json, ...]
    jobs: Mapping[str, tuple[Kind, str]]
    nodes: Mapping[str, Json]

    def question(self, name: str, kind: Kind, input: Json) -> Json:
        """What a double is asked, as it would be without a server."""
        match kind:
            case "ai":
                return {field: (input or {}).get(field) for field in OF_AI}
            case "http":
                try:
                    asked = _request(self.nodes[name], input)
                except InvalidValue:
                    return input
                return {**{field: asked[field] for field in ("method", "url", "headers")}, "body": body_of(asked["body"])}
            case _:
                return input


def staged(definitions: Sequence[Json], doubles: Doubles, prefix: str) -> Staged:
    """Under keys and job types of this test alone, so that nobody else's worker takes its jobs."""
    keys = {each["key"]: f"{prefix}-{each['key']}"[:LONGEST_KEY] for each in definitions}
    keys |= {key: f"{prefix}-{key}"[:LONGEST_KEY] for key in doubles.by_kind["workflow"]}
    jobs: dict[str, tuple[Kind, str]] = {f"{prefix}:{type}": ("worker", type) for type in doubles.by_kind["worker"]}
    nodes: dict[str, Json] = {}
    made = [stub(key, f"{prefix}:workflow:{key}", keys[key]) for key in doubles.by_kind["workflow"]]
    jobs |= {f"{prefix}:workflow:{key}": ("workflow", key) for key in doubles.by_kind["workflow"]}
    for definition in definitions:
        copy = deepcopy(definition)
        copy["key"] = keys[definition["key"]]
        for trigger in copy.get("triggers", ()):
            if trigger["type"] == MCP and "tool_name" in trigger:  # a tenant has one tool of a name, and this is not it
                trigger["tool_name"] = f"{prefix}-{trigger['tool_name']}"[:LONGEST_KEY]
        for node in nodes_of(copy):
            _stage(node, doubles, prefix, keys, jobs, nodes)
        made.append(copy)
    ordered = [*made[: -len(definitions)], *reversed(made[-len(definitions) :])]
    return Staged(keys[definitions[0]["key"]], tuple(ordered), jobs, nodes)


def _stage(
    node: Json, doubles: Doubles, prefix: str, keys: Mapping[str, str], jobs: dict[str, tuple[Kind, str]], nodes: dict[str, Json]
) -> None:
    config, id = node.get("config", {}), node["id"]
    match node["type"]:
        case "task":
            type = config["job_type"]
            if is_expression(type):
                config["job_type"] = f"='{prefix}:' + ({type[1:]})"
            else:
                config["job_type"] = f"{prefix}:{type.removeprefix('=')}"
                jobs.setdefault(config["job_type"], ("worker", type))
        case "ai_agent" if doubles.has("ai", id):
            input = {field: config[field] for field in OF_AI if field in config}
            schema = config.get("output_schema", {"type": "string"})
            node["type"], node["config"] = "task", {"job_type": f"{prefix}:ai:{id}", "input": input, "output_schema": schema}
            jobs[f"{prefix}:ai:{id}"] = "ai", id
        case "http" if doubles.has("http", id):
            nodes[id] = deepcopy(node)
            request = {field: value for field, value in config.items() if field != "output"}
            seen = {name: f"={name}" for name in SEEN} if "output" in config else {}
            node["type"] = "task"
            node["config"] = {"job_type": f"{prefix}:http:{id}", "input": {"request": request, "seen": seen}}
            jobs[f"{prefix}:http:{id}"] = "http", id
        case "workflow" if config["workflow_key"] in keys:
            if doubles.has("workflow", config["workflow_key"]):
                config.pop("version", None)
            config["workflow_key"] = keys[config["workflow_key"]]
        case _:
            pass


def answered(node: Json, input: Json, says: Json) -> Json:
    """What an `http` node would make of an answer: its output, or how it fails."""
    config = node["config"]
    try:
        method = _request(node, input)["method"]
    except InvalidValue as error:
        return Fails(Failure("invalid_value", str(error), False))
    idempotent = is_idempotent(config, method)
    if isinstance(says, Fails):
        return says
    answer = says if isinstance(says, Response) else Response(200, says)
    found = exchange_of(answer, config.get("response_as", "auto"))["response"]
    if not includes(config.get("success", SUCCESS), answer.status):
        again = includes(config.get("retry_on", RETRIED), answer.status) and (answer.status in UNSENT or idempotent)
        return Fails(Failure(f"http_{answer.status}", f"The service answered {answer.status}.", again))
    if "output" not in config:
        return found
    try:
        return resolve(config["output"], EVALUATOR, {**input["seen"], "response": found})
    except ExpressionError as error:
        return Fails(Failure(error.code, str(error), False))


def _request(node: Json, input: Json) -> Json:
    return http_requests.request(input["request"], carrying_secrets(node["config"].get("headers", {})), "double")

"""What the configuration of an agent says of its tools and bounds: their shape, what is wrong with them, and what they come to.

The same for a node `ai_agent` and for a task that is asked for by itself.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from domain.ai_task import Bounds
from domain.facts import Json
from domain.usage_report import CURRENCY
from engine import ai_guard_config, ai_people_config
from engine.ai_guards import Guarded, guard_input
from engine.ai_people_config import people_of
from engine.ai_results import LARGEST_RESULT
from engine.ai_tools import TOOL_TYPES
from engine.ai_tools import kind as tools
from engine.asked_people import PEOPLE
from engine.durations import duration
from engine.expressions import Budgeted, Evaluates
from engine.invalid import InvalidValue
from engine.nodes.kind import Fault, Formula, object_schema
from engine.policies import RETRY
from engine.policies import faults as retry_faults
from engine.schema import SchemaError, check_schema, faults

MOST_TOOLS = 64
TURNS, TOOL_CALLS, REPEATS, REPAIRS = 10, 20, 3, 2
"""Unless the definition says otherwise: of an agent with tools; the last of one with an output schema."""
LONGEST_TIME = timedelta(days=366)

RULE = {"anyOf": [{"type": "boolean"}, {"type": "string", "minLength": 1}]}
POLICY = {"deny": RULE, "ask": RULE, "allow": RULE}
COMMON = {
    "name": {"type": "string", "pattern": "^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$"},
    "type": {"type": "string"},
    "description": {"type": "string", "maxLength": 4_000},
    "parameters": {"type": "object"},
    "policy": object_schema({**POLICY, **PEOPLE}),
    "retry": RETRY,
    "max_result": {"type": "integer", "minimum": 100, "maximum": LARGEST_RESULT},
}
TOOLS = {
    "type": "array",
    "maxItems": MOST_TOOLS,
    "items": {
        "type": "object",
        "properties": {"type": {"enum": sorted(TOOL_TYPES)}},
        "required": ["type"],
        "allOf": [
            {
                "if": {"properties": {"type": {"const": each.name}}},
                "then": object_schema({**COMMON, **each.fields}, ("name", "parameters", *each.needed)),
            }
            for each in TOOL_TYPES.values()
        ],
    },
}


def _whole(least: int, most: int) -> Json:
    return {"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, {"type": "string", "pattern": "^=[^=]"}]}


AMOUNT = {"type": ["number", "string"]}
BOUNDS = object_schema(
    {
        "turns": _whole(1, 100),
        "tool_calls": _whole(0, 1_000),
        "tokens": _whole(1, 10**12),
        "cost": object_schema({"amount": AMOUNT, "currency": {"type": "string"}}, ("amount", "currency")),
        "time": {"type": "string"},
        "repeats": _whole(1, 100),
        "repairs": _whole(0, 10),
    }
)


def lint(config: Mapping[str, Json]) -> Iterator[Fault]:
    """Of a configuration whose shape is sound."""
    names = set[str]()
    for place, tool in enumerate(config.get("tools", ())):
        path = f"/tools/{place}"
        if tool["name"] in names:
            yield Fault(f"{path}/name", "duplicate_name", f"Another tool has the name {tool['name']}.")
        names.add(tool["name"])
        yield from _parameters(tool["parameters"], f"{path}/parameters")
        for pointer, message in retry_faults(tool):
            yield Fault(path + pointer, "invalid_duration", message)
        for fault in TOOL_TYPES[tool["type"]].lint(tool):
            yield Fault(path + fault.path, fault.code, fault.message, fault.severity)
    for fault in ai_guard_config.lint(config.get("guards", {}), frozenset(names)):
        yield Fault(f"/guards{fault.path}", fault.code, fault.message, fault.severity)
    yield from ai_people_config.lint(config)


def _parameters(schema: Json, path: str) -> Iterator[Fault]:
    try:
        check_schema(schema)
    except SchemaError as error:
        yield Fault(path + error.pointer, "invalid_schema", str(error))
        return
    if schema.get("type") != "object":
        yield Fault(f"{path}/type", "invalid_schema", "The arguments of a tool are an object: the schema says type object.")


def guarded(config: Mapping[str, Json], evaluator: Budgeted) -> Guarded:
    """{prompt, system, context, input} of a resolved configuration, as its guards of the input leave them."""
    texts = {name: config.get(name) for name in ("prompt", "system", "context", "input")}
    return guard_input(config.get("guards"), texts, evaluator)


def formulas(config: Mapping[str, Json]) -> Iterator[Formula]:
    yield from ai_guard_config.formulas(config.get("guards", {}), "/guards")
    for place, tool in enumerate(config.get("tools", ())):
        yield from tools.formulas(tool, TOOL_TYPES[tool["type"]], f"/tools/{place}")
    yield from ai_people_config.formulas(config)


def tools_of(config: Mapping[str, Json], evaluator: Evaluates, variables: Mapping[str, Json]) -> Json:
    """The tools, with what can be evaluated by now; None where there are none. Raises ExpressionError and InvalidValue."""
    return [_resolved(tool, evaluator, variables) for tool in config.get("tools", ())] or None


def _resolved(tool: Json, evaluator: Evaluates, variables: Mapping[str, Json]) -> Json:
    type = TOOL_TYPES[tool["type"]]
    now = {name: tools.partly(tool[name], evaluator, variables) for name in type.with_expressions if name in tool}
    if "policy" in tool:
        now["policy"] = people_of(tool["policy"], evaluator, variables)
    return type.resolved(tool, {**tool, **now})


def bounds_of(config: Mapping[str, Json]) -> Bounds | None:
    """`config`: resolved. None where it has none, and needs none: without tools or a schema there is one turn. Raises
    InvalidValue."""
    given, tools = config.get("bounds", {}), bool(config.get("tools"))
    usual = Bounds()
    if tools:
        usual = Bounds(turns=TURNS, tool_calls=TOOL_CALLS, repeats=REPEATS)
    repairs = REPAIRS if config.get("output_schema") is not None else None
    if not (given or tools or repairs):
        return None
    found = faults(BOUNDS, given)
    if found or any(isinstance(given.get(name), str) for name in ("turns", "tool_calls", "tokens", "repeats", "repairs")):
        at = found[0] if found else None
        raise InvalidValue(f"bounds{at.path if at else ''}: {at.message if at else 'must be whole numbers'}")
    cost = given.get("cost")
    return Bounds(
        given.get("turns", usual.turns),
        given.get("tool_calls", usual.tool_calls),
        given.get("tokens"),
        None if cost is None else _amount(cost["amount"]),
        None if cost is None else _currency(cost["currency"]),
        None if "time" not in given else _time(given["time"]),
        given.get("repeats", usual.repeats),
        given.get("repairs", repairs),
    )


def _amount(value: Json) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise InvalidValue("bounds/cost/amount must be a number") from None
    if not amount.is_finite() or amount <= 0 or amount >= 10**10:
        raise InvalidValue("bounds/cost/amount must be more than nothing, and less than ten thousand millions")
    return amount


def _currency(value: str) -> str:
    if not CURRENCY.fullmatch(value):
        raise InvalidValue("bounds/cost/currency must be three letters, as EUR")
    return value


def _time(value: str) -> timedelta:
    found = duration(value)
    if not timedelta(0) < found <= LONGEST_TIME:
        raise InvalidValue("bounds/time must be more than nothing, and a year at most")
    return found


def checked(path: str, check: Callable[[], object]) -> Iterator[Fault]:
    try:
        check()
    except InvalidValue as error:
        yield Fault(path, "invalid_value", str(error))

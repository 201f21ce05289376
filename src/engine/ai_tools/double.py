"""double {answers?, returns? | error?}: acts on nothing, and answers what stands here (`engine.ai_doubles`)."""

from collections.abc import Iterator

from domain.facts import Json
from engine.ai_doubles import DOUBLE
from engine.ai_tools.kind import ToolType
from engine.nodes.kind import Fault, object_schema
from engine.outputs import ERROR_TYPE

MOST_ANSWERS = 1_000
LONGEST_MESSAGE = 10_000

ERROR = object_schema(
    {
        "type": {"type": "string", "pattern": f"^{ERROR_TYPE.pattern}$"},
        "message": {"type": "string", "maxLength": LONGEST_MESSAGE},
    },
    ("type",),
)
ANSWER = object_schema({"arguments": {"type": "object"}, "returns": True, "error": ERROR}, ("arguments",))
FIELDS: dict[str, Json] = {
    "answers": {"type": "array", "maxItems": MOST_ANSWERS, "items": ANSWER},
    "returns": True,
    "error": ERROR,
}


def lint(tool: Json) -> Iterator[Fault]:
    for place, each in (("", tool), *((f"/answers/{at}", one) for at, one in enumerate(tool.get("answers", ())))):
        if "returns" in each and "error" in each:
            yield Fault(f"{place}/error", "invalid_value", "A double returns something, or fails: not both.")
        elif place and "returns" not in each and "error" not in each:
            yield Fault(place, "invalid_value", "An answer says what the double returns, or the error by which it fails.")
    yield Fault("/type", "double", "This tool is a double: it answers what stands here, and acts on nothing.", "warning")


def resolved(_written: Json, tool: Json) -> Json:
    """A call of which nobody knows what became of it does no harm."""
    return {**tool, "idempotent": True}


DOUBLE_TOOL = ToolType(DOUBLE, FIELDS, plain=tuple(FIELDS), lint=lint, resolved=resolved)

"""workflow {workflow_key, version?, input?}: starts a workflow of the tenant, and waits for its end (`engine.ai_workflow_tools`).

Its output is what the model is told. `input`: by default the arguments.
"""

from collections.abc import Iterator

from domain.facts import Json
from domain.names import SLUG
from engine.ai_tools.kind import ToolType
from engine.expressions import is_expression
from engine.nodes.kind import Fault


def lint(tool: Json) -> Iterator[Fault]:
    input = tool.get("input", {})
    if not isinstance(input, dict) and not is_expression(input):
        yield Fault("/input", "invalid_value", "input must be an object, or an expression that gives one.")


WORKFLOW_TOOL = ToolType(
    "workflow",
    {
        "workflow_key": {"type": "string", "pattern": f"^{SLUG.pattern}$"},
        "version": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
        "input": True,
    },
    ("workflow_key",),
    ("input",),
    lint=lint,
)

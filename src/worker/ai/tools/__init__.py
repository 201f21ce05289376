"""What acts when a model calls a tool, by the type of the tool. A new type is a module here, and its line in `RUNNERS`."""

from collections.abc import Mapping

from worker.ai.tools.double import DoubleToolRunner
from worker.ai.tools.http import HttpToolRunner
from worker.ai.tools.mcp import McpToolRunner
from worker.ai.tools.runner import ToolRunner

RUNNERS: Mapping[str, ToolRunner] = {"http": HttpToolRunner(), "mcp": McpToolRunner(), "double": DoubleToolRunner()}

__all__ = ["RUNNERS", "ToolRunner"]

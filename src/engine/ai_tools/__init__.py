"""Types of tools. A new one is a file here, its line in `TOOL_TYPES`, and, where a worker acts, a runner in `worker/ai/tools`."""

from collections.abc import Mapping

from engine.ai_tools.double import DOUBLE_TOOL
from engine.ai_tools.http import HTTP_TOOL
from engine.ai_tools.kind import ToolType
from engine.ai_tools.mcp import MCP_TOOL
from engine.ai_tools.workflow import WORKFLOW_TOOL

TOOL_TYPES: Mapping[str, ToolType] = {each.name: each for each in (HTTP_TOOL, WORKFLOW_TOOL, MCP_TOOL, DOUBLE_TOOL)}

__all__ = ["TOOL_TYPES", "ToolType"]

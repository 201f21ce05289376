"""What a tool of an MCP server answers, as the model is told it."""

from collections.abc import Mapping
from typing import Any

from domain.facts import Json
from worker.ai.tools.mcp_messages import NotAnAnswer

MOST_BLOCKS = 1_000
LONGEST_NAME = 500


def result_of(result: Mapping[str, Any]) -> Json:
    """The structured content, or else the text. Raises NotAnAnswer."""
    if result.get("structuredContent") is not None:
        return result["structuredContent"]
    return text_of(result)


def text_of(result: Mapping[str, Any]) -> str:
    content = result.get("content")
    if not isinstance(content, list) or len(content) > MOST_BLOCKS or not all(isinstance(each, dict) for each in content):
        raise NotAnAnswer("protocol", "The tool's result has no content that can be read.")
    return "\n".join(_told(block) for block in content)


def _told(block: Mapping[str, Any]) -> str:
    """Text as it is. Of anything else a word: a model is sent no data that nobody has looked at."""
    match block:
        case {"type": "text", "text": str() as text}:
            return text
        case {"type": "resource", "resource": {"text": str() as text}}:
            return text
        case {"type": "resource_link", "uri": str() as uri}:
            return f"[link: {uri[:LONGEST_NAME]}]"
        case {"type": "resource", "resource": dict() as resource}:
            return f"[left out: {_kind(resource)}]"
        case _:
            return f"[left out: {str(block.get('type'))[:50]} {_kind(block)}]"


def _kind(block: Mapping[str, Any]) -> str:
    data = block.get("data", block.get("blob"))
    size = f", {len(data) * 3 // 4} bytes" if isinstance(data, str) else ""
    return f"{str(block.get('mimeType', 'data'))[:100]}{size}"

"""Doubles of tools: what they answer stands in their definition, and they act on nothing.

{answers?: [{arguments, returns} | {arguments, error}], returns? | error?}: the answer to the very same arguments, or else the
common one. Where there is neither, the call is denied. All of it is taken as it stands: there are no expressions in it.
"""

import json

from domain.facts import Json

DOUBLE = "double"
"""The type of these tools."""
NO_ANSWER = "This tool is a double, and has no answer to these arguments: the call is not made."


def answer_of(tool: Json, arguments: Json) -> Json:
    """{returns} or {error: {type, message?}}; None where it has no answer to these arguments."""
    asked = _written(arguments)
    same = (each for each in tool.get("answers", ()) if _written(each["arguments"]) == asked)
    found = next(same, tool)
    return {name: found[name] for name in ("returns", "error") if name in found} or None


def unanswered(tool: Json, arguments: Json) -> str | None:
    """Why a call of this tool is denied, where it is a double without an answer to it."""
    return NO_ANSWER if tool["type"] == DOUBLE and answer_of(tool, arguments) is None else None


def _written(arguments: Json) -> str:
    """The same for the same arguments, whatever the order of their fields; true is not 1."""
    return json.dumps(arguments, sort_keys=True, ensure_ascii=False)

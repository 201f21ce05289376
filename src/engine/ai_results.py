"""What a tool answered, as a model is told it: JSON or text, and no more of it than the tool's bound."""

import json

from domain.facts import Json

MOST_RESULT, LARGEST_RESULT = 1 << 16, 1 << 18
"""Characters of a result as JSON: unless the tool says otherwise, and at most."""


def told(result: Json, tool: Json) -> tuple[Json, int | None]:
    """The result, and how many characters it had where it was cut: then it is the beginning of its text."""
    most = MOST_RESULT if tool is None else tool.get("max_result", MOST_RESULT)
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return (result, None) if len(text) <= most else (text[:most], len(text))

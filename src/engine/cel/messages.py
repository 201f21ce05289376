"""What the CEL library says, in our words: without status codes, source excerpts and the names of its insides."""

import re

from engine.expressions import ExpressionFinding

_PLACE = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_REST = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$| \(in container ''\)| expecting .*")
_RUNTIME_OVERLOAD = re.compile(r"No matching overloads found : (?:\((?P<receiver>[^()]*)\)\.)?(?P<name>[^(]+)\((?P<args>.*)\)")
_CHECKED_OVERLOAD = re.compile(r"found no matching overload for '(?P<name>.*)' applied to '(?P<args>.*)'")
_SAID = (
    (re.compile(r'No value with name "(.*)" found in Activation'), r"\1 is not available here"),
    (re.compile(r'Key not found in map : "(.*)"'), r"there is no '\1'"),
    (re.compile(r"Index error: index=(-?\d+) size=(\d+)"), r"there is no element \1 in a list of \2"),
    (re.compile(r"Iteration budget exceeded"), "the expression loops too often"),
    (re.compile(r"Applying SELECT to non-message type"), "a field is read from something that is not an object"),
)
TOO_DEEP = "the expression is nested deeper than the limit (32 levels, fewer where much arithmetic is nested in loops)"


def in_words(message: str) -> str:
    """One short line for a message of the library."""
    if _is_too_deep(message):
        return TOO_DEEP
    placed = _PLACE.search(message)
    first = placed[3] if placed else message.strip().partition("\n")[0]
    text = _REST.sub("", _REST.sub("", first))
    if overload := _RUNTIME_OVERLOAD.search(text) or _CHECKED_OVERLOAD.search(text):
        groups = overload.groupdict()
        args = ", ".join(part for part in (groups.get("receiver"), groups["args"].strip("()")) if part)
        args = args.replace("int64", "int").replace("null_type", "null")
        return f"{_operator(groups['name'])} does not take ({args})"
    for pattern, words in _SAID:
        if match := pattern.search(text):
            return match.expand(words)
    return text[:200] or "the expression failed"


def findings_in(message: str, code: str) -> tuple[ExpressionFinding, ...]:
    """Every placed complaint of the library as a finding; one without a place where it names none."""
    if _is_too_deep(message):
        return (ExpressionFinding("too_large", TOO_DEEP),)
    placed = [
        ExpressionFinding(code, in_words(match[0]), int(match[1]), int(match[2]))
        for match in _PLACE.finditer(message)
        if int(match[2]) > 0
    ]
    return tuple(placed) or (ExpressionFinding(code, in_words(message)),)


def _is_too_deep(message: str) -> bool:
    """Too deep for the parser, or, once its arithmetic was rewritten, for the reader of serialized expressions."""
    return "recursion" in message or "Cannot parse serialized" in message


def _operator(name: str) -> str:
    """`_+_` → +, `@in` → in."""
    return name.replace("_", "").removeprefix("@") if name.startswith(("_", "@", "!", "-")) else name

"""`offline/script`: plays the answers that its `input` or `context` has as {"answers": […]}, one for each turn. It calls nobody.

An answer is {"calls": [{"tool", "arguments"}], "text"?}, {"text"}, {"output"} or {"error": {"type", "message"?, "retryable"?}}.
With `"times": n` it is the answer of n turns. After the last one it says what a tool told it last. In an answer, `{{last}}`
stands for what a tool told it last, and `{{turn}}` for the number of the turn. Where an answer did not fit and is asked for
again, it gives the answer's `repair`, or the same once more. Tokens are words, of what is sent and of what is answered; each
costs the script's `"price"`, by default nothing.
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import get_args

from domain.ai_task import Usage
from domain.facts import Json
from engine.ai_messages import DATA, NOT_TAKEN, AssistantMessage, CallMessage, ToolMessage, UserMessage
from engine.schema import faults
from worker.ai.provider import AiAnswer, AiCall, AiError, AiErrorType, CallReport, Price

NAME = "offline/script"
PROVIDER = "offline"
CURRENCY = "USD"
CALL: Json = {"type": "object", "properties": {"tool": {"type": "string"}}, "required": ["tool"]}
ERROR: Json = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "message": {"type": "string"},
        "retryable": {"type": ["boolean", "null"]},
    },
}
SAID: dict[str, Json] = {"calls": {"type": "array", "items": CALL, "minItems": 1}, "error": ERROR}
LINE: Json = {"type": "object", "properties": SAID}
"""What a turn answers. Also once it is filled in: what a tool told may be anything."""
TIMES: Json = {"type": "integer", "minimum": 0}
SCRIPT: Json = {"type": "array", "items": {"type": "object", "properties": {**SAID, "times": TIMES, "repair": LINE}}}


def play(call: AiCall) -> AiAnswer:
    """Raises AiError: as the script says, for one that is none, and for an output that does not fit."""
    script = _script(call)
    turn, again = _place(call)
    line = _line(script["answers"], turn, again)
    if line is None:
        line = {"text": "{{last}}"} if call.output_schema is None else {"output": _last(call)}
    line = _filled(line, {"{{last}}": _last(call), "{{turn}}": turn + 1})
    _require(LINE, line, "")
    report = _report(call, line, script)
    if "error" in line:
        raise _error(line["error"], report)
    if "calls" in line:
        text = _text(line["text"]) if line.get("text") is not None else None
        return AiAnswer(None, PROVIDER, NAME, report, _calls(line["calls"], turn), text)
    output = line["output"] if "output" in line else line.get("text", "")
    if call.output_schema is not None and (found := faults(call.output_schema, output)):
        message = f"The answer does not fit the output schema. {found[0].path or '/'}: {found[0].message}"
        raise AiError("invalid_output", message, report=report, answered=_text(output))
    if call.output_schema is None and not isinstance(output, str):
        output = _text(output)
    return AiAnswer(output, PROVIDER, NAME, report)


def _script(call: AiCall) -> Mapping[str, Json]:
    for given in (call.input, call.context):
        if isinstance(given, dict) and isinstance(given.get("answers"), list):
            _require(SCRIPT, given["answers"], "/answers")
            return given
    raise AiError("bad_request", f"{NAME} plays what `input` or `context` says as {{answers: […]}}; neither does.")


def _require(schema: Json, value: Json, path: str) -> None:
    found = faults(schema, value, path)
    if found:
        raise AiError("bad_request", f"{NAME}: the script is none. {found[0].path or '/'}: {found[0].message}")


def _place(call: AiCall) -> tuple[int, bool]:
    """The turns that were answered, and whether an answer to this one did not fit."""
    answers = [said for said in call.messages if isinstance(said, AssistantMessage)]
    last = call.messages[-1] if call.messages else None
    again = isinstance(last, UserMessage) and last.text.startswith(NOT_TAKEN)
    return len(answers) - again, again


def _line(answers: list[dict[str, Json]], turn: int, again: bool) -> Mapping[str, Json] | None:
    for answer in answers:
        times = answer.get("times", 1)
        if turn < times:
            line: Mapping[str, Json] = answer.get("repair", answer) if again else answer
            return line
        turn -= times
    return None


def _last(call: AiCall) -> Json:
    found = [said.content for said in call.messages if isinstance(said, ToolMessage)]
    if not found:
        return ""
    _, _, result = found[-1].rpartition(f"{DATA}\n")
    try:
        return json.loads(result)
    except ValueError:
        return result


def _filled(value: Json, by: Mapping[str, Json]) -> Json:
    match value:
        case str() if value in by:
            return by[value]
        case str():
            for name, each in by.items():
                value = value.replace(name, _text(each))
            return value
        case dict():
            return {name: _filled(each, by) for name, each in value.items()}
        case list():
            return [_filled(each, by) for each in value]
        case _:
            return value


def _calls(calls: Json, turn: int) -> tuple[CallMessage, ...]:
    return tuple(
        CallMessage(f"call-{turn + 1}-{place + 1}", each["tool"], each.get("arguments", {})) for place, each in enumerate(calls)
    )


def _error(error: Json, report: CallReport) -> AiError:
    kind = error.get("type", "unavailable")
    if kind not in get_args(AiErrorType):
        raise AiError("bad_request", f"{NAME}: there is no error of the type {kind}.")
    return AiError(kind, error.get("message", "The script says so."), retryable=error.get("retryable"), report=report)


def _report(call: AiCall, line: Json, script: Mapping[str, Json]) -> CallReport:
    all = (*call.before, *call.messages)
    said = [said.text or "" if isinstance(said, AssistantMessage | UserMessage) else said.content for said in all]
    sent = " ".join([call.system_prompt or "", call.text, *said])
    usage = Usage(len(sent.split()), len(_text(line).split()))
    return CallReport(0, usage, _price(script, usage), PROVIDER, NAME, "stop")


def script_price(call: AiCall, used: Usage) -> Price | None:
    """None: there is no script, or no price in it."""
    try:
        return _price(_script(call), used)
    except AiError:
        return None


def _price(script: Mapping[str, Json], used: Usage) -> Price:
    try:
        each = Decimal(str(script.get("price", 0)))
    except InvalidOperation:
        raise AiError("bad_request", f"{NAME}: the price is a number.") from None
    if not each.is_finite():
        raise AiError("bad_request", f"{NAME}: the price is a number.")
    return Price(each * (used.input_tokens + used.output_tokens), CURRENCY)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

"""What there is of each vendor's format."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.ai_kind import Kind
from domain.ai_task import Usage
from tests.worker.ai.wire import Answer, answer


@dataclass(frozen=True)
class Call:
    id: str
    tool: str
    arguments: Any
    """A text is sent as it is, where the format has room for what is no JSON."""


@dataclass(frozen=True)
class Format:
    """`texts`: {text, finish, calls} → the body of an answer. `stream`: pieces of a text → the whole of a streamed one.

    `ends`: the vendor's words for an end by itself, at the limit and by a filter. `errors`: by our name, the answer to send.
    `key_of`: the key in a request's headers. `sent`: {messages, tools, schema} as a request has them.
    """

    kind: Kind
    model: str
    path: str
    body: Callable[[str | None, str, Sequence[Call]], Any]
    ends: tuple[str, str, str | None]
    usage: Usage
    errors: dict[str, Answer]
    key_of: Callable[[dict[str, str]], str]
    told: Callable[[Any], str]
    """All that a request says, as text."""
    tools: Callable[[Any], list[str]]
    """Names of the tools in a request."""
    has_schema: Callable[[Any], bool]
    stream: Callable[[Sequence[str]], Answer]
    takes_text: bool
    """Whether arguments travel as text, and so may be malformed."""

    def answered(self, text: str | None, end: int = 0, calls: Sequence[Call] = ()) -> Answer:
        finish = self.ends[end]
        assert finish is not None
        return answer(self.body(text, finish, calls))


def events(data: Sequence[Any], named: bool = False, done: bool = False) -> Answer:
    """Server-sent events, to the end of the connection."""
    lines = [(f"event: {each['type']}\n" if named else "") + f"data: {json.dumps(each)}\n\n" for each in data]
    body = "".join(lines) + ("data: [DONE]\n\n" if done else "")
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    return Answer((head + body).encode(), cut=True)

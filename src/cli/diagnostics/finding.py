"""One line of a doctor's page."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """``words`` say what is so, ``remedy`` what to do about it."""

    state: Literal["ok", "warn", "fail"]
    what: str
    words: str
    remedy: str | None = None

    def __str__(self) -> str:
        line = f"{self.state:<6}{self.what:<22}{self.words}"
        return f"{line}\n{'':<28}→ {self.remedy}" if self.remedy else line


def ok(what: str, words: str) -> Finding:
    return Finding("ok", what, words)


def warn(what: str, words: str, remedy: str) -> Finding:
    return Finding("warn", what, words, remedy)


def fail(what: str, words: str, remedy: str) -> Finding:
    return Finding("fail", what, words, remedy)

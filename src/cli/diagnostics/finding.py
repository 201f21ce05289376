"""One line of a doctor's page."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class CheckResult:
    """``words`` say what is so, ``remedy`` what to do about it."""

    state: Literal["ok", "warn", "fail"]
    what: str
    words: str
    remedy: str | None = None

    def __str__(self) -> str:
        line = f"{self.state:<6}{self.what:<22}{self.words}"
        return f"{line}\n{'':<28}→ {self.remedy}" if self.remedy else line


def ok(what: str, words: str) -> CheckResult:
    return CheckResult("ok", what, words)


def warn(what: str, words: str, remedy: str) -> CheckResult:
    return CheckResult("warn", what, words, remedy)


def fail(what: str, words: str, remedy: str) -> CheckResult:
    return CheckResult("fail", what, words, remedy)

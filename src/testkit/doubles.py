"""What stands in for workers, models, services and other workflows, and what was asked of it.

A double is a value, which is the answer; a function of what is asked (and, if it takes two, of the `Asked`) that returns the
answer or raises; an exception, which is raised; or one of the answers below.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from client import NonRetryable
from client.protocol import encode
from domain.facts import Json
from domain.retry import Failure
from engine.durations import duration

Double: TypeAlias = Any
Kind: TypeAlias = Literal["worker", "ai", "http", "workflow"]
LEASE = timedelta(minutes=1)
"""After how long it is noticed that a worker was lost."""


class NoAnswerLeft(AssertionError):
    """A double was asked more often than it has answers."""


@dataclass(frozen=True)
class Asked:
    """One question. `input`: what a worker or workflow is given; of a model {model, prompt, system, input, context}; of a service
    {method, url, headers, body}."""

    of: str
    """The job type, the node's id, or the workflow's key."""
    kind: Kind
    input: Json
    attempt: int
    at: datetime


@dataclass(frozen=True)
class Never:
    """No answer ever comes: what follows is the node's `timeout`."""

    def __repr__(self) -> str:
        return "NEVER"


@dataclass(frozen=True)
class Lost:
    """Whoever works is lost without a word; that is noticed when the lease expires."""


@dataclass(frozen=True)
class Fails:
    failure: Failure
    retry_after: timedelta | None = None


@dataclass(frozen=True)
class Takes:
    after: timedelta
    double: Double


@dataclass(frozen=True, eq=False)
class InTurn:
    answers: tuple[Double, ...]


@dataclass(frozen=True)
class Response:
    """A service's answer. `body`: JSON, or a text."""

    status: int = 200
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)


NEVER = Never()


def lost() -> Lost:
    """The worker dies at its work: `lease_lost`, a minute later."""
    return Lost()


def fails(type: str, message: str = "", *, retryable: bool = True, retry_after: str | None = None) -> Fails:
    """The attempt fails with this type of error. `retry_after`: the pause that a model's provider asks for, ISO 8601."""
    failure = Failure(type, message or f"The double fails with {type}.", retryable)
    return Fails(failure, None if retry_after is None else duration(retry_after))


def in_turn(*answers: Double) -> InTurn:
    """The first one at the first time, and so on. Asked more often, it fails the test."""
    return InTurn(answers)


def takes(time: str, answer: Double = None) -> Takes:
    """The answer comes after so long, ISO 8601."""
    return Takes(duration(time), answer)


def response(status: int = 200, body: Json = None, **headers: str) -> Response:
    """A service's answer; `_` in the names of headers stands for `-`."""
    return Response(status, body, {name.lower().replace("_", "-"): value for name, value in headers.items()})


@dataclass(frozen=True)
class Answer:
    """What a double comes to: what it says, and after how long."""

    says: Json | Response | Fails | Lost | Never
    after: timedelta = timedelta(0)


@dataclass
class Doubles:
    """All of a scenario. `asked`: every question, in order."""

    by_kind: Mapping[Kind, Mapping[str, Double]]
    asked: list[Asked] = field(default_factory=list)
    _turns: dict[InTurn, int] = field(default_factory=dict)
    """How many answers those in turn have given, in this scenario, whatever others they serve."""

    def has(self, kind: Kind, name: str) -> bool:
        return name in self.by_kind[kind]

    def ask(self, question: Asked) -> Answer:
        self.asked.append(question)
        return self._answer(self.by_kind[question.kind][question.of], question, timedelta(0))

    def _answer(self, double: Double, asked: Asked, after: timedelta) -> Answer:
        match double:
            case Never() | Fails():
                return Answer(double, after)
            case Response():
                return Answer(replace(double, body=plain(double.body)), after)
            case Lost():
                return Answer(double, after + LEASE)
            case Takes():
                return self._answer(double.double, asked, after + double.after)
            case InTurn():
                turn = self._turns.get(double, 0)
                if turn == len(double.answers):
                    raise NoAnswerLeft(f"{asked.of} was asked more than {turn} times; the last question: {asked.input}")
                self._turns[double] = turn + 1
                return self._answer(double.answers[turn], asked, after)
            case BaseException():
                return Answer(_failed(double), after)
            case _ if callable(double):
                try:
                    if isinstance(double, type) and issubclass(double, Exception):
                        raise double
                    said = double(asked.input, asked) if _takes_two(double) else double(asked.input)
                except AssertionError:
                    raise  # the test's own
                except Exception as error:
                    return Answer(_failed(error), after)
                return self._answer(said, asked, after)
            case _:
                return Answer(_as_json(double), after)


def _as_json(said: Any) -> Json | Fails:
    """What is no JSON is the error that the SDK's worker makes of it."""
    try:
        return plain(said)
    except (TypeError, ValueError) as error:
        return Fails(Failure("invalid_output", f"What the double says is not JSON: {error}", False))


def plain(value: Any) -> Json:
    """As it goes over the wire. Raises TypeError or ValueError for what is not JSON."""
    return json.loads(encode(value))


def _failed(error: BaseException) -> Fails:
    """As the SDK's worker reports it."""
    if isinstance(error, NonRetryable):
        return Fails(Failure(error.type, str(error), False))
    return Fails(Failure(type(error).__name__, str(error)))


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    places = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return len([one for one in places if one.default is one.empty]) > 1

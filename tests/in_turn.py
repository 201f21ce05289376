"""Cases that leave nothing behind share one database: setting one up takes longer than trying twenty of them."""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import Any

import pytest

Test = Callable[..., Awaitable[None]]


def in_turn(names: str | tuple[str, ...], cases: Iterable[Any]) -> Callable[[Test], Test]:
    """As `pytest.mark.parametrize`, but all cases are tried in one test, one after the other; each that fails is reported."""
    wanted = (names,) if isinstance(names, str) else names

    def wrap(test: Test) -> Test:
        @wraps(test)
        async def tried(*, subtests: pytest.Subtests, **fixtures: Any) -> None:
            for number, case in enumerate(cases):
                values = (case,) if isinstance(names, str) else case
                given = dict(zip(wanted, values, strict=True))
                with subtests.test(msg=str(number), **{name: repr(value)[:100] for name, value in given.items()}):
                    await test(**fixtures, **given)

        signature = inspect.signature(test)
        kept = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in signature.parameters.items()
            if name not in wanted
        ]
        subtests = inspect.Parameter("subtests", inspect.Parameter.KEYWORD_ONLY, annotation=pytest.Subtests)
        tried.__signature__ = signature.replace(parameters=[*kept, subtests])  # type: ignore[attr-defined]
        return tried

    return wrap

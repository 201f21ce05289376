"""A function's code as a digest: its own, and that of all it calls within the domain, with the constants that they use.

It changes with what the code does, and with nothing else: not with comments, names of local variables, or where it stands. It
also changes with the version of Python that compiled it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from hashlib import sha256
from types import CodeType, FunctionType
from typing import Any

WITHIN = "domain"
CONSTANT = (bool, int, float, str, bytes, type(None))


def of_code(function: Callable[..., Any], within: str = WITHIN) -> str:
    """`within`: the package whose functions and classes are followed."""
    parts: list[str] = []
    seen: set[int] = set()
    waiting: list[Any] = [function]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or not _is_ours(one, within):
            continue
        seen.add(id(one))
        if isinstance(one, type):
            parts.append(f"class {one.__qualname__} {_fields_of(one)}")
            waiting += _methods_of(one)
        elif isinstance(one, FunctionType):
            parts.append(f"def {one.__qualname__} {_constant(one.__defaults__)} {_digest(one.__code__, one.__doc__)}")
            parts += _constants_of(one)
            waiting += [each for name in _names(one.__code__) for each in _within(_global(one, name))]
            waiting += [cell.cell_contents for cell in one.__closure__ or ()]
    return sha256("\n".join(sorted(parts)).encode()).hexdigest()


def _is_ours(one: Any, within: str) -> bool:
    module = getattr(one, "__module__", None) or ""
    return isinstance(one, type | FunctionType) and (module == within or module.startswith(f"{within}."))


def _fields_of(cls: type) -> str:
    if not is_dataclass(cls):
        return ""
    return ", ".join(f"{each.name}: {each.type} = {_constant(each.default)}" for each in fields(cls))


def _methods_of(cls: type) -> Iterator[Any]:
    for name, value in vars(cls).items():
        if name not in ("__init__", "__eq__", "__repr__", "__hash__", "__setattr__", "__delattr__", "__replace__"):
            yield value.fget if isinstance(value, property) else getattr(value, "__func__", value)


def _constants_of(function: FunctionType) -> Iterator[str]:
    for name in sorted(_names(function.__code__)):
        constant = _constant(_global(function, name))
        if constant:
            yield f"{name} = {constant}"


def _within(value: Any) -> Iterator[Any]:
    """What a global names: a function or class, or a registry of some."""
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, tuple | list):
        yield from value
    else:
        yield value


def _global(function: FunctionType, name: str) -> Any:
    return function.__globals__.get(name)


def _names(code: CodeType) -> set[str]:
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _constant(value: Any) -> str:
    """As text that is the same in every process; empty for what is no constant."""
    if isinstance(value, CONSTANT):
        return repr(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    if isinstance(value, frozenset | set):
        return f"{{{', '.join(sorted(map(_constant, value)))}}}"
    return ""


def _digest(code: CodeType, docstring: str | None) -> str:
    digest = sha256(code.co_code)
    digest.update(repr(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            digest.update(_digest(constant, None).encode())
        elif constant != docstring or constant is None:
            digest.update(_constant(constant).encode())
    return digest.hexdigest()

"""What a process counts beside its requests: one place for all parts of it, told by /metrics where there is one."""

from collections import Counter
from collections.abc import Iterator

_counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()


def count(name: str, **labels: str) -> None:
    """One more. `name`: as Prometheus wants it, ending in _total. Labels take few values, never what clients send."""
    _counts[name, tuple(sorted(labels.items()))] += 1


def counted(name: str, **labels: str) -> int:
    """How many since the process began."""
    return _counts[name, tuple(sorted(labels.items()))]


def lines() -> Iterator[str]:
    """All of them, in the text format of Prometheus."""
    shown = ""
    for (name, labels), number in sorted(_counts.items()):
        if name != shown:
            yield f"# TYPE {name} counter"
            shown = name
        told = ",".join(f'{label}="{value}"' for label, value in labels)
        yield f"{name}{{{told}}} {number}" if told else f"{name} {number}"

"""What this process counts, in the text format of Prometheus."""

from collections import Counter
from collections.abc import Iterator, Mapping

from runtime import counters

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds."""


class Metrics:
    """Requests by method, route and status, and how long they took by route."""

    def __init__(self) -> None:
        self.in_progress = 0
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._count: Counter[str] = Counter()

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is a template such as /v1/executions/{id}, never an address: few, whatever clients ask for."""
        self._requests[method, route, status] += 1
        self._count[route] += 1
        self._seconds[route] += seconds  # type: ignore[assignment]  # a Counter adds fractions as well
        for bound in BUCKETS:
            if seconds <= bound:
                self._buckets[route, bound] += 1

    def render(self, gauges: Mapping[str, float]) -> bytes:
        """All of it, with further gauges by name."""
        return ("\n".join(self._lines(gauges)) + "\n").encode()

    def _lines(self, gauges: Mapping[str, float]) -> Iterator[str]:
        yield "# TYPE gesta_http_requests_total counter"
        for (method, route, status), count in sorted(self._requests.items()):
            yield f'gesta_http_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
        yield "# TYPE gesta_http_request_seconds histogram"
        for route, count in sorted(self._count.items()):
            for bound in BUCKETS:
                yield f'gesta_http_request_seconds_bucket{{route="{route}",le="{bound}"}} {self._buckets[route, bound]}'
            yield f'gesta_http_request_seconds_bucket{{route="{route}",le="+Inf"}} {count}'
            yield f'gesta_http_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}'
            yield f'gesta_http_request_seconds_count{{route="{route}"}} {count}'
        yield from counters.lines()
        for name, value in {"gesta_http_requests_in_progress": self.in_progress, **gauges}.items():
            yield f"# TYPE {name} gauge"
            yield f"{name} {value}"

"""python -m bench [NAME …] [--quick]: exit code 0 unless something was lost or wrong; a missed mark is reported, not an error."""

import argparse
import sys
from collections.abc import Callable

from bench import (
    ai_overhead,
    append,
    decisions,
    flat,
    foreach,
    held_snapshot,
    hot_stream,
    http,
    lag,
    millions,
    project,
    read,
    replay,
    steps,
    timers,
)
from bench.figures import Lost, Result
from bench.sizes import FULL, QUICK, Sizes
from bench.stage import Stage, machine, stage
from runtime import process

BENCHES: dict[str, Callable[[Stage, Sizes], Result]] = {
    "append": append.bench,
    "hot_stream": hot_stream.bench,
    "project": project.bench,
    "lag": lag.bench,
    "read": read.bench,
    "replay": replay.bench,
    "http": http.bench,
    "steps": steps.bench,
    "ai_overhead": ai_overhead.bench,
    "held_snapshot": held_snapshot.bench,
    "timers": timers.bench,
    "flat": flat.bench,
    "foreach": foreach.bench,
    "decisions": decisions.bench,
}


APART: dict[str, Callable[[Stage, Sizes], Result]] = {"millions": millions.bench}
"""Which take an hour, and run where they are named."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="How fast it is, beside a peer or a limit in the same run."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"all but the last, if none is named: {', '.join([*BENCHES, *APART])}"
    )
    parser.add_argument("--quick", action="store_true", help="less work and fewer rounds: for a look, not for a claim")
    options = parser.parse_args(arguments)
    known = {**BENCHES, **APART}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"no such bench: {', '.join(unknown)}; there are {', '.join(known)}")
    lost = 0
    process.tune()  # as `gesta` does
    with stage() as on:
        print(machine(on))
        for name in options.names or BENCHES:
            print(f"\n{name}", flush=True)
            try:
                print(known[name](on, QUICK if options.quick else FULL), flush=True)
            except* Lost as group:  # bare, or one of a task group
                lost += 1
                print(f"LOST: {[str(error) for error in group.exceptions]}", flush=True)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())

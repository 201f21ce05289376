"""python -m tests.faults.chaos [--seconds 60] [--poison 10] [--seed N] [--keep]: prints what was done and what was seen.

Exits 0 if all was as it must be. The same seed gives the same blows in the same order, though not at the same moments.
"""

import argparse
import asyncio
import logging
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.chaos.run import Length, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the storm lasts")
    parser.add_argument("--poison", type=float, default=10.0, help="how long before it one tenant alone is poisoned")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--keep", action="store_true", help="leave the processes' log, and say where it is")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gesta-chaos-") as folder:
        logging.basicConfig(filename=Path(folder) / "clients.log")  # the SDK's workers complain, and are right
        length = Length(poison=arguments.poison, storm=arguments.seconds)
        report = asyncio.run(run(Path(folder), arguments.seed, length, say))
        if arguments.keep:
            say("Log: " + shutil.copy(Path(folder) / "log", tempfile.mkstemp(prefix="gesta-chaos-", suffix=".log")[1]))
    for sentence in report.broken:
        say(f"BROKEN: {sentence}")
    return int(bool(report.broken))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

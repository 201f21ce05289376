"""python -m examples.declarations.chaos PATH [--kills 10] [--seed 1] [--limit N] [--in-flight 32]

Plays the log while everything is killed again and again: at seeded moments, `kill -9` goes to the whole process group of
`gesta up` (API, projector, database) and to the player. Each time both are started again, and the player finds its place from
the API alone. Exits 0 if in the end the tables say what the log says, `gesta replay` finds no difference, and `gesta verify`
finds everything in order.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from examples.server import Server

SHORTEST, LONGEST = 2.0, 9.0  # seconds of load between two kills


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.declarations.chaos", description=__doc__)
    parser.add_argument("path", type=Path, metavar="PATH")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--in-flight", type=int, default=32)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "examples.declarations", str(arguments.path), "--in-flight", str(arguments.in_flight)]
    if arguments.limit:
        command += ["--limit", str(arguments.limit)]
    with tempfile.TemporaryDirectory(prefix="gesta-chaos-") as folder:
        server = Server(Path(folder))
        try:
            return _rounds(server, command, arguments.kills, random.Random(arguments.seed))
        finally:
            server.stop()


def _rounds(server: Server, command: list[str], kills: int, moments: random.Random) -> int:
    for number in range(1, kills + 1):
        print(f"round {number}: ready after {server.start():.1f} s", flush=True)
        player = subprocess.Popen(
            command, env=server.environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        pause = moments.uniform(SHORTEST, LONGEST)
        try:
            code = player.wait(timeout=pause)
        except subprocess.TimeoutExpired:
            server.kill()
            os.killpg(player.pid, signal.SIGKILL)
            player.wait()
            print(f"round {number}: killed everything after {pause:.1f} s of load", flush=True)
        else:
            print(f"round {number}: the player was through before the kill, with exit {code}", flush=True)
            server.kill()
    print(f"the rest: ready after {server.start():.1f} s", flush=True)
    begun = time.monotonic()
    codes = [subprocess.run(command, env=server.environment, check=False).returncode]
    for words in (("replay",), ("verify",)):
        ended = server.gesta(*words)
        print(f"gesta {' '.join(words)}: exit {ended.returncode}\n{ended.stdout}{ended.stderr}", end="")
        codes.append(ended.returncode)
    print(f"{kills} kills; the rest took {time.monotonic() - begun:.0f} s; {'all is well' if not any(codes) else 'BROKEN'}")
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())

"""A worker in a process of its own, for the tests: crew.py URL KEY. It says when it begins a job, and waits for a line then."""

import sys

from client import Client, Worker


def main(url: str, key: str) -> None:
    worker = Worker(Client(url, key), concurrency=2, lease_seconds=30)

    @worker.task("resize-image")
    def resize(input: dict[str, str]) -> dict[str, str]:
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        sys.stdin.readline()
        return {"url": input["url"].replace("png", "jpg")}

    worker.run()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""python -m examples.demo.converter URL KEY [--stall]: an external worker, which knows rates of exchange and nothing of Gesta."""

import argparse
import threading

from client import Client, Worker

EURO = {"EUR": 1.0, "USD": 0.9, "CHF": 1.05, "GBP": 1.2}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.demo.converter", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("--stall", action="store_true", help="take a job and never finish it")
    arguments = parser.parse_args()
    worker = Worker(Client(arguments.url, arguments.key), lease_seconds=2)

    @worker.task("convert-currency")
    def convert(input: dict[str, object]) -> dict[str, float]:
        print("took a job", flush=True)
        if arguments.stall:
            threading.Event().wait()
        rate = EURO[str(input["currency"])]
        return {"eur": round(float(str(input["amount"])) * rate, 2), "rate": rate}

    worker.run()


if __name__ == "__main__":
    main()

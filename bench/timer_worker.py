"""A worker as a process of its own: `python -m bench.timer_worker URL`. Says "ready" when it begins."""

import asyncio
import logging
import signal
import sys

import uvloop

from engine.cel import CelEvaluator
from engine.engine import Engine
from runtime.settings import load_settings
from worker.ai.registry import Providers
from worker.worker import open_worker


async def work(url: str) -> None:
    logging.disable(logging.ERROR)  # timers that are meant to fail, fail
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_worker(url, Engine(CelEvaluator()), Providers(load_settings())) as worker:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await worker.run(stop)


if __name__ == "__main__":
    uvloop.run(work(sys.argv[1]))

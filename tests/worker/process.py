"""A worker as a process of its own, to be killed: `python -m tests.worker.process URL FILE`.

It does tasks of type "step", calls services on loopback, and a model that writes a line to FILE for each call: it answers "done",
or as `offline/script` plays it. Says "ready"
when it begins.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from domain.facts import Json
from runtime.master_keys import KEY_BYTES, MasterKeys
from runtime.settings import load_settings
from store.jobs import LeasedJob
from tests.worker.house import ENGINE, ScriptedProvider
from tests.worker.outbound.servers import LOOPBACK
from worker.ai.provider import AiAnswer, AiCall
from worker.ai.scripted import NAME as SCRIPTED
from worker.ai.scripted import play
from worker.mailing import mailing
from worker.outbound.client import Outbound
from worker.worker import open_worker


class Playing(ScriptedProvider):
    async def call(self, call: AiCall) -> AiAnswer:
        answer = await super().call(call)
        return play(call) if call.model == SCRIPTED else answer


MASTER_KEYS = MasterKeys([b"k" * KEY_BYTES])


async def run(url: str, file: Path) -> None:
    counted = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def count(call: AiCall) -> None:
        os.write(counted, f"{call.prompt}\n".encode())

    async def step(_job: LeasedJob) -> Json:
        os.write(counted, b"step\n")
        return "done"

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    way_out = Outbound(permitted=LOOPBACK)
    async with open_worker(
        url,
        ENGINE,
        Playing(before=count),
        tasks={"step": step},
        outbound=way_out,
        master_keys=MASTER_KEYS,
        mailing=mailing(load_settings()),
    ) as worker:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await worker.run(stop)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], Path(sys.argv[2])))

"""Work that is too heavy for the event loop, done in child processes that can be stopped.

The libraries that do it hold the interpreter's lock, so that a thread would stop everything just as well; and what is under way
in one cannot be stopped. A child has a time for each piece of work, after which the kernel ends it whatever it is at, also
when its parent is gone; and it gets no more memory than it may have. It is started when it is first needed, and ends when
nothing came for a while. What goes to and fro is plain data: nothing that was read makes code run.
"""

import asyncio
import marshal
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from typing import Any

MEMORY = 1 << 30
"""Bytes of address space of a child."""
CHILDREN = 2
WAITING = 64
"""Pieces of work that may wait for a child. Of one group at most one is under way: a tenant does not keep the others waiting."""
IDLE_SECONDS = 60.0
START_SECONDS = 30.0
NICENESS = 2
PATIENCE = 15
"""By how much longer than its time on a processor a piece of work may take on a busy machine."""
LENGTH = struct.Struct("<I")
TASK = struct.Struct("<Id")
"""How long it is, and the seconds of a processor that it may take."""
PLAIN = 2
"""The version of marshal in which equal values are equal bytes."""


class Stopped(Exception):
    """It took more time or memory than it may."""


class Busy(Exception):
    """Too much work waits already."""


def plain(value: Any) -> bytes:
    """None, booleans, numbers, texts, bytes, lists, tuples and dicts as bytes. Raises ValueError for anything else."""
    return marshal.dumps(value, PLAIN)


class Aside:
    """`entry`: a module whose `answer` a child calls with each piece of work; plain data in and out."""

    def __init__(self, entry: str, *, memory: int = MEMORY, children: int = CHILDREN) -> None:
        self._arguments = entry, memory
        self._free = asyncio.Semaphore(children)
        self._groups: dict[object, asyncio.Lock] = {}
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._under_way = 0
        self._closed = False
        self._sweeper: asyncio.TimerHandle | None = None

    async def do(self, group: object, work: bytes, seconds: float) -> tuple[float, Any]:
        """The seconds of a processor that a piece of work took, and what `answer` made of it. Raises Stopped, or at once Busy.

        `work` is `plain`; `seconds`: what it may take of a processor.
        """
        if self._under_way >= WAITING:
            raise Busy
        self._under_way += 1
        lock = self._groups.setdefault(group, asyncio.Lock())
        try:
            async with lock, self._free:
                return await self._do(work, seconds)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._groups.clear()

    async def _do(self, work: bytes, seconds: float) -> tuple[float, Any]:
        child = self._idle.pop() if self._idle else await self._started()
        self._busy.add(child)
        try:
            answer = await child.ask(work, seconds)
        except BaseException:
            child.end()
            raise
        finally:
            self._busy.discard(child)
        if self._closed:
            child.end()
            return answer
        self._idle.append(child)
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._sweeper = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_idle)
        return answer

    async def _started(self) -> "Child":
        """A child that is being started when its caller leaves is not left alone."""
        if self._closed:
            raise Stopped
        starting = asyncio.ensure_future(Child.start(*self._arguments))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_end_started)
            raise

    def close(self) -> None:
        """End the children; what is under way is Stopped, and nothing new begins."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for child in self._busy:
            child.end()
        self._end_idle()

    def _end_idle(self) -> None:
        for child in self._idle:
            child.end()
        self._idle.clear()


class Child:
    """One process, doing one piece of work at a time."""

    def __init__(self, process: "subprocess.Popen[bytes]", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, entry: str, memory: int) -> "Child":
        ours, theirs = socket.socketpair()
        arguments = [sys.executable, "-m", "runtime.aside", entry, str(theirs.fileno()), str(memory)]
        with theirs:
            process = await asyncio.to_thread(subprocess.Popen, arguments, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        child = cls(process, *await asyncio.open_connection(sock=ours))
        try:
            async with asyncio.timeout(START_SECONDS):
                await child._read()
        except (OSError, EOFError, TimeoutError) as error:
            child.end()
            raise Busy from error
        return child

    async def ask(self, work: bytes, seconds: float) -> tuple[float, Any]:
        try:
            async with asyncio.timeout(seconds * PATIENCE):  # it ends itself, unless it gets no time at all
                self._writer.write(TASK.pack(len(work), seconds) + work)
                await self._writer.drain()
                took, answer = marshal.loads(await self._read())
                return took, answer
        except (OSError, EOFError, TimeoutError) as error:
            raise Stopped from error

    async def _read(self) -> bytes:
        """Raises EOFError (asyncio.IncompleteReadError) where the child has ended."""
        (size,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
        return await self._reader.readexactly(size)

    def end(self) -> None:
        self._writer.close()
        self._process.kill()
        threading.Thread(target=self._process.wait, daemon=True).start()  # a large one takes its time to go


def _end_started(starting: "asyncio.Future[Child]") -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().end()


def serve(entry: str, link: socket.socket, memory: int) -> None:
    """The child: answer what comes until the parent is gone."""
    answer = import_module(entry).answer
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who goes when all is settled
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with link.makefile("rwb") as stream:
        _send(stream, b"")
        while head := stream.read(TASK.size):
            size, seconds = TASK.unpack(head)
            work = stream.read(size)
            signal.setitimer(signal.ITIMER_PROF, seconds)
            began = time.process_time()
            result = answer(marshal.loads(work))
            result = plain((time.process_time() - began, result))
            signal.setitimer(signal.ITIMER_PROF, 0)
            _send(stream, result)


def _send(stream: Any, data: bytes) -> None:
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


if __name__ == "__main__":
    _entry, _link, _memory = sys.argv[1:]
    serve(_entry, socket.socket(fileno=int(_link)), int(_memory))

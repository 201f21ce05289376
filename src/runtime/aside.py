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
        self._starting: set[asyncio.Task[Child]] = set()
        self._going: set[asyncio.Task[None]] = set()
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
            if child in self._busy:
                self._end(child)
            raise
        finally:
            self._busy.discard(child)
        if self._closed:
            return answer
        self._idle.append(child)
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._sweeper = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_idle)
        return answer

    async def _started(self) -> "Child":
        """A child that is being started when its caller leaves is not left alone."""
        self._must_be_open()
        starting = asyncio.create_task(Child.start(*self._arguments))
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)
        try:
            await asyncio.wait([starting])
        except asyncio.CancelledError:
            starting.add_done_callback(self._end_started)
            starting.cancel()
            raise
        if starting.cancelled():
            raise Stopped
        child = starting.result()
        if self._closed:
            self._end(child)
        self._must_be_open()
        return child

    def _must_be_open(self) -> None:
        if self._closed:
            raise Stopped

    async def aclose(self) -> None:
        """End the children and see them gone; what is under way is Stopped, and nothing new begins."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for starting in self._starting:
            if not starting.cancelling():  # or its cleaning up would be cancelled
                starting.cancel()
        while self._busy:
            self._end(self._busy.pop())
        self._end_idle()
        while pending := [*self._starting, *self._going]:
            await asyncio.wait(pending)

    def _end_idle(self) -> None:
        while self._idle:
            self._end(self._idle.pop())

    def _end_started(self, starting: "asyncio.Task[Child]") -> None:
        if not starting.cancelled() and starting.exception() is None:
            self._end(starting.result())

    def _end(self, child: "Child") -> None:
        """It goes by itself; who closes waits for that."""
        going = asyncio.create_task(child.end())
        self._going.add(going)
        going.add_done_callback(self._going.discard)


class Child:
    """One process, doing one piece of work at a time."""

    def __init__(self, process: "subprocess.Popen[bytes]", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, entry: str, memory: int) -> "Child":
        spawning = asyncio.get_running_loop().run_in_executor(None, _spawn, entry, memory)
        try:
            process, link = await asyncio.shield(spawning)
        except asyncio.CancelledError:
            process, link = await spawning
            link.close()
            await _killed(process)
            raise
        try:
            streams = await asyncio.open_connection(sock=link)
        except BaseException:
            await _killed(process)
            raise
        child = cls(process, *streams)
        try:
            async with asyncio.timeout(START_SECONDS):
                await child._read()
        except BaseException as error:
            await child.end()
            if isinstance(error, OSError | EOFError | TimeoutError):
                raise Busy from error
            raise
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

    async def end(self) -> None:
        self._writer.close()
        await _killed(self._process)
        with suppress(OSError):
            await self._writer.wait_closed()


async def _killed(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    await asyncio.to_thread(process.wait)  # a large one takes its time to go


def _spawn(entry: str, memory: int) -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """A child, and the link to it."""
    ours, theirs = socket.socketpair()
    arguments = [sys.executable, "-m", "runtime.aside", entry, str(theirs.fileno()), str(memory)]
    with theirs:
        try:
            return subprocess.Popen(arguments, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL), ours
        except BaseException:
            ours.close()
            raise


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

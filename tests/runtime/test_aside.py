"""Work in a process of its own: done, stopped when it takes too much, and never in anybody's way."""

import asyncio
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from runtime import aside
from runtime.aside import Aside, Busy, Stopped, plain


def answer(work: Any) -> Any:
    """What the children of these tests do."""
    match work:
        case ("add", one, other):
            return one + other
        case ("endless",):
            while True:
                pass
        case ("large", size):
            return len(bytearray(size))
        case ("raise",):
            raise ValueError("a fault of ours")
    return work


@pytest.fixture
async def others() -> AsyncIterator[Aside]:
    made = Aside("tests.runtime.test_aside", memory=400 << 20, children=2)
    yield made
    await made.aclose()


async def test_what_is_plain_goes_to_and_fro(others: Aside) -> None:
    value = {"a": [1, 2**70, -1.5, None, True, "ä€😀", "\ud800"], "b": {"": []}}
    took, found = await others.do("t", plain(value), 5)
    assert found == value
    assert 0 <= took < 1


@pytest.mark.parametrize("work", [("endless",), ("large", 4 << 30), ("raise",)])
async def test_what_takes_too_much_is_stopped_and_others_go_on(others: Aside, work: Any) -> None:
    with pytest.raises(Stopped):
        await others.do("t", plain(work), 0.2)
    assert (await others.do("t", plain(("add", 1, 2)), 5))[1] == 3


async def test_of_one_group_one_piece_is_under_way_and_another_group_does_not_wait_for_it(others: Aside) -> None:
    endless = [asyncio.create_task(others.do("loud", plain(("endless",)), 600)) for _ in range(3)]
    await asyncio.sleep(0)
    assert (await others.do("quiet", plain(("add", 1, 2)), 5))[1] == 3
    assert not any(task.done() for task in endless)
    await others.aclose()
    assert [type(found) for found in await asyncio.gather(*endless, return_exceptions=True)] == [Stopped] * 3


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - it looks at other processes
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("when", ["not yet spawned", "starting", "busy", "idle"])
@pytest.mark.parametrize("caller", ["waits", "has left"])
async def test_who_closes_sees_the_children_gone(when: str, caller: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spawned: list[subprocess.Popen[bytes]] = []
    may_spawn = threading.Event()
    spawn = aside._spawn

    def noted(entry: str, memory: int) -> Any:
        assert may_spawn.wait(60)
        process, link = spawn(entry, memory)
        spawned.append(process)
        return process, link

    monkeypatch.setattr(aside, "_spawn", noted)
    made = Aside("tests.runtime.test_aside", memory=400 << 20)
    task = asyncio.create_task(made.do("t", plain(1 if when == "idle" else ("endless",)), 600))
    await asyncio.sleep(0)
    if when != "not yet spawned":
        may_spawn.set()
        await until({"starting": lambda: spawned, "busy": lambda: made._busy, "idle": lambda: made._idle}[when])
    if caller == "has left":
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    closing = asyncio.create_task(made.aclose())
    await asyncio.sleep(0)
    may_spawn.set()
    await closing
    [process] = spawned
    assert process.returncode is not None
    found: Any = (await asyncio.gather(task, return_exceptions=True))[0]
    if when != "idle":
        assert isinstance(found, Stopped if caller == "waits" else asyncio.CancelledError)
    with pytest.raises(Stopped):
        await made.do("t", plain(1), 5)


async def test_too_much_at_once_is_refused_at_once(others: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "WAITING", 2)
    two = [asyncio.create_task(others.do("t", plain(("add", n, 1)), 5)) for n in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await others.do("t", plain(("add", 1, 1)), 5)
    assert [found for _, found in await asyncio.gather(*two)] == [1, 2]


async def test_a_child_is_used_again_and_goes_when_nothing_comes(others: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "IDLE_SECONDS", 60)
    await others.do("t", plain(1), 5)
    [child] = others._idle
    monkeypatch.setattr(aside, "IDLE_SECONDS", 0.05)
    await others.do("t", plain(2), 5)
    assert others._idle == [child]
    await until(lambda: child._process.returncode is not None)
    assert others._idle == []


async def test_a_caller_that_leaves_takes_its_work_along(others: Aside) -> None:
    task = asyncio.create_task(others.do("t", plain(("endless",)), 60))
    await until(lambda: others._busy)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not others._busy
    assert (await others.do("t", plain(("add", 1, 2)), 5))[1] == 3


def test_equal_values_are_equal_bytes() -> None:
    text = "abc"
    assert plain([text, text]) == plain(["abc", "ab" + "c"])
    with pytest.raises(ValueError, match="unmarshallable"):
        plain(object())

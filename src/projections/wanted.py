"""Whom the projector is to look at: the ledgers that it was told of since it last looked, and from time to time all."""

import asyncio
from collections.abc import Collection
from uuid import UUID


class TenantsToProject:
    """Notifications may be lost and may lie: the checkpoints know. So every `sweep_seconds` all ledgers are wanted."""

    def __init__(self, sweep_seconds: float) -> None:
        self._sweep_seconds = sweep_seconds
        self._swept = asyncio.get_running_loop().time()
        self._tenants: set[UUID] = set()
        self._all = False
        self._woken = asyncio.Event()

    def add(self, tenant_ids: Collection[UUID] = ()) -> None:
        """These; without any, those who wait for the platform's tables."""
        self._tenants.update(tenant_ids)
        self._woken.set()

    def add_all(self) -> None:
        self._all = True
        self._woken.set()

    async def wait(self, stop: asyncio.Event, seconds: float | None, at_most: float) -> set[UUID] | None:
        """The ledgers to look at; None: all, also when so many seconds have passed, or the time of a sweep has come.

        Raises TimeoutError where nothing has happened for `at_most` seconds.
        """
        loop = asyncio.get_running_loop()
        to_sweep = max(self._swept + self._sweep_seconds - loop.time(), 0.0)
        waits = [asyncio.create_task(self._woken.wait()), asyncio.create_task(stop.wait())]
        try:
            timeout = to_sweep if seconds is None else min(seconds, to_sweep)
            done, _ = await asyncio.wait(waits, timeout=min(timeout, at_most), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
        if not done and at_most < timeout:
            raise TimeoutError
        tenants = None if self._all or not done else self._tenants
        if tenants is None:
            self._swept = loop.time()
        self._tenants, self._all = set(), False
        self._woken.clear()
        return tenants

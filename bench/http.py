"""Commands a second through the real API, `gesta up` as it is; the limit is a route that does nothing."""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from bench.client import Client, requests_a_second
from bench.figures import Contender, Lost, Ratio, Result, in_turn
from bench.played import DEFINITION, ROLE
from bench.sizes import Sizes
from bench.stage import Stage, run
from examples.server import Server

SLUG = "bench"
PERMISSIONS = ("executions:start", "executions:read", "approvals:read", "approvals:decide")
PATIENCE = 30.0
WARM = 50


@dataclass
class Api:
    """Our server with a tenant, a published workflow and an approver's key."""

    server: Server
    clients: int
    slug: str = SLUG
    port: int = 0
    key: str = ""
    platform_key: str = ""
    tenant_id: str = ""
    started: list[Any] = field(default_factory=list)
    """Answers to executions started and not decided yet."""

    def set_up(self) -> None:
        self.port = urlsplit(self.server.url).port or 80
        self.platform_key = self.server.gesta("key", "create", "--platform").stdout.split()[-1]
        self.tenant_id = self._post("/tenants", {"slug": self.slug, "name": "Bench"}, within=False)["id"]
        role = self._post("/roles", {"key": ROLE, "name": "Signer", "permissions": PERMISSIONS})
        user = self._post("/users", {"email": f"ada@{self.slug}.example", "display_name": "Ada"}, within=False)
        self._post("/members", {"user_id": user["id"], "role_ids": [role["id"]]})
        self.key = self.token(PERMISSIONS, user["id"])
        self.publish(DEFINITION)

    def publish(self, definition: Any) -> None:
        workflow = self._post("/workflows", {"definition": definition})
        self._post(f"/workflows/{workflow['id']}/publish", {"note": "bench"})

    def token(self, permissions: Sequence[str], user_id: str | None = None) -> str:
        """A new key: of a user, or of a service."""
        key = self._post("/api-keys", {"name": "bench", "user_id": user_id, "permissions": list(permissions)})
        return str(key["token"])

    def _post(self, path: str, body: Any, *, within: bool = True) -> Any:
        """`within`: the tenant; else as the platform."""
        headers = {"Authorization": f"Bearer {self.platform_key}"} | ({"Gesta-Tenant": self.slug} if within else {})
        answer = httpx2.post(f"{self.server.url}/v1{path}", json=body, headers=headers, timeout=PATIENCE)
        if answer.status_code >= 400:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
        return answer.json()

    def starts_a_second(self, count: int) -> float:
        async def start(client: Client, number: int) -> None:
            body = {"workflow_key": DEFINITION["key"], "input": {"amount": 101 + number}}
            self.started.append(await client.post("/v1/executions", body))

        return run(requests_a_second(self.port, self.key, self.clients, count, start))

    def decisions_a_second(self) -> float:
        """Decides all that was started. Raises Lost."""
        waiting, self.started = self.started, []

        async def decide(client: Client, number: int) -> None:
            request = waiting[number]["open"][0]["id"]
            answer = await client.post(f"/v1/approvals/{request}/decide", {"outcome": "approved"})
            if answer["execution"]["status"] != "completed":
                raise Lost(f"decided, and yet {answer}")

        return run(requests_a_second(self.port, self.key, self.clients, len(waiting), decide))

    def completed(self) -> int:
        """How many executions are completed, says the ledger."""
        counted = "SELECT count(*) FROM ledger.events WHERE topic = 'execution.completed.v1'"  # of the one tenant that there is
        _heading, _line, count, *_ = self.server.psql(counted, "system").split("\n")
        return int(count)


def our_api(on: Stage, clients: int) -> Api:
    """One for all benches."""
    return on.share("api", lambda: _api(clients))


@contextmanager
def _api(clients: int) -> Iterator[Api]:
    with tempfile.TemporaryDirectory(prefix="gesta-bench-") as directory:
        server = Server(Path(directory))
        server.start()
        try:
            api = Api(server, clients)
            api.set_up()
            yield api
        finally:
            server.stop()


@contextmanager
def a_server_that_does_nothing() -> Iterator[int]:
    """Its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([sys.executable, "-m", "bench.nothing", str(port)])
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx2.TransportError):
                httpx2.post(f"http://127.0.0.1:{port}/nothing")
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def nothings_a_second(port: int, clients: int, count: int) -> float:
    async def ask(client: Client, number: int) -> None:
        await client.post("/nothing", {"amount": number})

    return run(requests_a_second(port, "none", clients, count, ask))


def bench(on: Stage, sizes: Sizes) -> Result:
    with a_server_that_does_nothing() as port:
        api = our_api(on, sizes.clients)
        before = api.completed()
        warm = min(WARM, sizes.requests)
        api.starts_a_second(warm)  # plans, caches and connections, as in a server that has been up for a second
        api.decisions_a_second()
        rates = in_turn(
            [
                Contender("executions started", partial(api.starts_a_second, sizes.requests)),
                Contender("approvals decided", api.decisions_a_second),
                Contender("a route that does nothing", partial(nothings_a_second, port, sizes.clients, sizes.requests)),
            ],
            sizes.rounds,
            fixed=True,
        )
        expected = before + warm + sizes.requests * sizes.rounds
        if (found := api.completed()) != expected:
            raise Lost(f"{found} executions were completed, not {expected}")
    starts, decisions, nothing = rates
    return Result(
        f"requests a second, {sizes.clients} clients",
        rates,
        [Ratio(starts, nothing), Ratio(decisions, nothing)],
        ("the projector, the database and the clients run on the same cores",),
    )

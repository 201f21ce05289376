"""The company of the demo: its people, each with a key of their own, and the workers that it hires."""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx2

from client import Client, ExecutionResult
from examples.server import Server

PEOPLE = {"Ada": "employee", "Max": "manager", "Fay": "finance", "Lee": "legal", "Sue": "assistant", "Dan": "director"}
SHARED = ("executions:read", "executions:start", "approvals:read", "approvals:decide")
PATIENCE = 30.0  # seconds that something which happens by itself may take


class Company:
    """`say` is told what somebody did."""

    def __init__(self, server: Server, say: Callable[[str], None]) -> None:
        self._server = server
        self._say = say
        platform_key = server.gesta("key", "create", "--platform").stdout.split()[-1]
        self.admin = Admin(server.url, platform_key)
        self.tenant_id: str = self.admin.post("/tenants", {"slug": "acme", "name": "Acme"}, inside=False)["id"]
        self.people: dict[str, Client] = {}
        self.ids: dict[str, str] = {}
        for name, role in PEOPLE.items():
            self._employ(name, role)
        self._worker_key = self.admin.post("/api-keys", {"name": "converter", "permissions": ["jobs:work"]})["token"]
        self._workers: list[subprocess.Popen[str]] = []

    def _employ(self, name: str, role_key: str) -> None:
        role = self.admin.post("/roles", {"key": role_key, "name": role_key.title(), "permissions": SHARED})
        user = self.admin.post("/users", {"email": f"{name.lower()}@acme.example", "display_name": name})
        self.admin.post("/members", {"user_id": user["id"], "role_ids": [role["id"]]})
        key = self.admin.post("/api-keys", {"name": f"{name}'s laptop", "user_id": user["id"], "permissions": SHARED})
        self.people[name] = Client(self._server.url, key["token"])
        self.ids[name] = user["id"]
        self._say(f"{name} is {role_key}")

    # Workers

    def hire(self, *options: str) -> subprocess.Popen[str]:
        """Start an external worker: a process of its own that knows the API's address and its key."""
        command = [sys.executable, "-m", "examples.demo.converter", self._server.url, self._worker_key, *options]
        with self._server.log.open("ab") as log:
            self._workers.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True))
        return self._workers[-1]

    def dismiss(self) -> None:
        """Ask the last worker to stop: it finishes what it holds and leases no more."""
        self._workers[-1].terminate()
        self._workers[-1].wait()

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()

    # Work

    def publish(self, definition: dict[str, Any], note: str | None = None) -> Any:
        workflow = self.admin.post("/workflows", {"definition": definition})
        return self.admin.post(f"/workflows/{workflow['id']}/publish", {} if note is None else {"note": note})

    def start(self, business_key: str, amount: float, currency: str, purpose: str) -> ExecutionResult:
        claim = {"amount": amount, "currency": currency, "purpose": purpose}
        return self.people["Ada"].start("expense", claim, business_key=business_key, idempotency_key=business_key)

    def claim(self, business_key: str, amount: float, currency: str, purpose: str) -> str:
        started = self.start(business_key, amount, currency, purpose)
        self._say(f"Ada claims {amount:,.2f} {currency} for {purpose!r} ({business_key}); open: {self.open(started)}")
        self._say(f"the manager reads: {self.pending(started.id, 'manager')!r}")
        return started.id

    def decide(self, name: str, execution_id: str, node: str, outcome: str, **more: Any) -> None:
        self.pending(execution_id, node)
        requests = self.people[name].approvals(execution_id=execution_id, status="pending")
        request = next(request for request in requests.items if request.node_id == node)
        after = self.people[name].decide(request.id, outcome, **more).execution
        assert after is not None
        where = f"open: {self.open(after)}" if after.open else f"the execution is {after.status}"
        self._say(f"{name} on {node}: {outcome}; {where}")

    def pending(self, execution_id: str, node: str) -> str:
        """Wait until a request of this node is open; its title."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for request in self.people["Max"].approvals(execution_id=execution_id, status="pending").items:
                if request.node_id == node:
                    return request.title
            time.sleep(0.05)
        raise RuntimeError(f"{node} of {execution_id} did not open within {PATIENCE:.0f} s")

    def history(self, execution_id: str) -> tuple[Any, ...]:
        return tuple(self.people["Max"].history(execution_id, limit=200).items)

    @staticmethod
    def open(execution: ExecutionResult) -> str:
        return ", ".join(f"{item.node_id} ({item.kind})" for item in execution.open) or "nothing"


class Admin:
    """What a platform's administrator asks of the API, which the client for workflows has no words for."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx2.Client(base_url=url + "/v1", headers={"Authorization": f"Bearer {key}"}, timeout=30)

    def post(self, path: str, body: dict[str, Any], *, inside: bool = True) -> Any:
        return self._said(path, self._http.post(path, json=body, headers={"Gesta-Tenant": "acme"} if inside else {}))

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._said(path, self._http.put(path, json=body, headers={"Gesta-Tenant": "acme"}))

    def get(self, path: str, **query: str) -> Any:
        return self._said(path, self._http.get(path, params=query, headers={"Gesta-Tenant": "acme"}))

    @staticmethod
    def _said(path: str, response: httpx2.Response) -> Any:
        if response.status_code >= 400:
            raise RuntimeError(f"{path}: {response.status_code} {response.text}")
        return response.json()

"""python -m examples.demo: an expense claim in a company of a few people, from the empty folder to the replay that matches."""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console

from examples.server import Server

DEFINITION = json.loads((Path(__file__).parent / "expense.json").read_text())
PEOPLE = {
    "Ada": ("employee", ("executions:start",)),
    "Max": ("manager", ()),
    "Fay": ("finance", ()),
    "Lee": ("legal", ()),
}
SHARED = ("executions:read", "approvals:read", "approvals:decide", "workflows:read")


class Refused(Exception):
    """A request that was refused: its status and problem document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem['code']}: {problem['detail']}")


class Client:
    """One person's way to the API."""

    def __init__(self, url: str, key: str, tenant: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} | ({"Gesta-Tenant": tenant} if tenant else {})
        self._http = httpx2.Client(base_url=url + "/v1", headers=headers, timeout=30)

    def get(self, path: str, **params: Any) -> Any:
        return self._answer(self._http.get(path, params=params))

    def post(self, path: str, body: Any, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._answer(self._http.post(path, json=body, headers=named))

    @staticmethod
    def _answer(response: httpx2.Response) -> Any:
        if response.status_code >= 400:
            raise Refused(response.status_code, response.json())
        return response.json()


class Demo:
    def __init__(self, server: Server, console: Console) -> None:
        self.server = server
        self.console = console
        self.begun = time.monotonic()
        self.people: dict[str, Client] = {}
        self.tenant_id = ""

    def title(self, text: str) -> None:
        self.console.print(f"\n[bold]{text}[/bold]", highlight=False)

    def say(self, text: str) -> None:
        self.console.print(f"{time.monotonic() - self.begun:7.2f} s  {text}", highlight=False, soft_wrap=True)

    def rows(self, role: str, statement: str) -> None:
        """What an analyst sees: as `gesta_api`, whose rows are the tenant's and nobody else's."""
        self.console.print(f"[dim]{statement.strip()}[/dim]", highlight=False, soft_wrap=True)
        setting = f"SET gesta.tenant_id = '{self.tenant_id}';"
        self.console.print(self.server.psql(f"{setting} {statement}", role), highlight=False, soft_wrap=True)

    def run(self) -> None:
        self.title("1. An empty folder, one command")
        self.say(f"gesta up: PostgreSQL, API and projector are ready after {self.server.start():.1f} s")
        self.company()
        self.publish()
        self.claims()
        self.crash()
        self.analyst()
        self.proof()

    def company(self) -> None:
        self.title("2. A company: a tenant, four roles, four people, a key for each")
        platform_key = self.server.gesta("key", "create", "--platform").stdout.split()[-1]
        tenant = Client(self.server.url, platform_key).post("/tenants", {"slug": "acme", "name": "Acme"})
        self.tenant_id = tenant["id"]
        admin = Client(self.server.url, platform_key, "acme")
        for name, (role_key, extra) in PEOPLE.items():
            permissions = [*SHARED, *extra]
            role = admin.post("/roles", {"key": role_key, "name": role_key.title(), "permissions": permissions})
            user = admin.post("/users", {"email": f"{name.lower()}@acme.example", "display_name": name})
            admin.post("/members", {"user_id": user["id"], "role_ids": [role["id"]]})
            key = admin.post("/api-keys", {"name": f"{name}'s laptop", "user_id": user["id"], "permissions": permissions})
            self.people[name] = Client(self.server.url, key["token"])
            self.say(f"{name} is {role_key}")
        self.people["admin"] = admin

    def publish(self) -> None:
        self.title("3. A workflow: what a visual builder would draw")
        admin = self.people["admin"]
        broken = {**DEFINITION, "edges": DEFINITION["edges"][:-1]}
        findings = admin.post("/workflows/validate", {"definition": broken})["findings"]
        for finding in (finding for finding in findings if finding["severity"] == "error"):
            self.say(f"with an edge missing it says: {finding['node_id']}: {finding['message']}")
        workflow = admin.post("/workflows", {"definition": DEFINITION})
        published = admin.post(f"/workflows/{workflow['id']}/publish", {"note": "first version"})
        nodes, edges = len(DEFINITION["nodes"]), len(DEFINITION["edges"])
        self.say(f"published {published['key']} version {published['published_version']}: {nodes} nodes, {edges} edges")

    def start(self, business_key: str, amount: float, purpose: str) -> Any:
        body = {"workflow_key": "expense", "business_key": business_key, "input": {"amount": amount, "purpose": purpose}}
        started = self.people["Ada"].post("/executions", body, Idempotency_Key=business_key)
        self.say(f"Ada claims {amount:,.2f} EUR for {purpose!r} ({business_key}); open: {self.open(started)}")
        return started

    def decide(self, name: str, execution: Any, node: str, outcome: str, **more: Any) -> Any:
        request = next(item for item in execution["open"] if item["node_id"] == node)
        answer = self.people[name].post(f"/approvals/{request['id']}/decide", {"outcome": outcome, **more})
        after = answer["execution"]
        where = f"open: {self.open(after)}" if after["open"] else f"the execution is {after['status']}"
        self.say(f"{name} on {node}: {outcome}; {where}")
        return after

    @staticmethod
    def open(execution: Any) -> str:
        return ", ".join(item["node_id"] for item in execution["open"]) or "nothing"

    def claims(self) -> None:
        self.title("4. A small claim, and one that is sent back")
        small = self.start("EXP-1", 84.5, "train to Lyon")
        try:
            self.decide("Fay", small, "manager", "approved")
        except Refused as refused:
            self.say(f"Fay tries to approve it: {refused}")
        self.decide("Max", small, "manager", "approved")
        again = self.start("EXP-2", 130, "lunch")
        again = self.decide("Max", again, "manager", "changes", comment="With whom?")
        again = self.decide("Ada", again, "rework", "resubmitted", form={"purpose": "lunch with the auditors"})
        self.decide("Max", again, "manager", "approved")
        self.title("5. The same request sent twice does one thing")
        self.start("EXP-2", 130, "lunch")

    def crash(self) -> None:
        self.title("6. A large claim: finance and legal side by side, and a crash between them")
        large = self.start("EXP-3", 4200, "trade fair")
        large = self.decide("Max", large, "manager", "approved")
        large = self.decide("Fay", large, "finance", "approved")
        self.server.kill()
        self.say("kill -9: API, projector and database are gone, all at once")
        self.say(f"gesta up: ready again after {self.server.start():.1f} s; what was answered is there")
        found = self.people["Lee"].get("/executions", business_key="EXP-3")["items"][0]
        waiting = self.people["Lee"].get("/approvals", execution_id=found["id"], status="pending")["items"]
        self.say(f"EXP-3 is {found['status']}, waiting for: {', '.join(request['node_id'] for request in waiting)}")
        self.decide("Lee", {"open": waiting}, "legal", "approved")

    def analyst(self) -> None:
        self.title("7. What an analyst queries: tables, projected from the events")
        self.rows(
            "api",
            "SELECT business_key, status, input->>'amount' AS amount, output, metrics->>'completed' AS visits"
            " FROM projections.workflow_executions ORDER BY business_key;",
        )
        self.rows(
            "api",
            "SELECT r.title, d.role, d.outcome, u.display_name, d.comment FROM projections.approval_decisions d"
            " JOIN projections.approval_requests r ON (r.tenant_id, r.id) = (d.tenant_id, d.request_id)"
            " JOIN projections.users u ON u.id = d.user_id ORDER BY d.created_at;",
        )
        self.title("8. The audit trail: the events themselves; who, from where, and what was refused")
        self.rows(
            "api",
            "SELECT a.position AS pos, a.action, a.outcome, u.display_name AS who, host(a.ip_address) AS ip, a.description"
            " FROM projections.audit_logs a LEFT JOIN projections.users u ON u.id = a.user_id"
            " WHERE a.action LIKE 'approval.%' AND (a.outcome = 'refused' OR a.position > 66) ORDER BY a.position;",
        )

    def proof(self) -> None:
        self.title("9. Replay: the tables equal a fresh fold of the ledger")
        self.replay(0)
        self.say("now somebody alters one cell by hand, as the owner of the database")
        set_output = "UPDATE projections.workflow_executions SET output = {} WHERE business_key = 'EXP-3' AND tenant_id = '{}';"
        without_guard = "ALTER TABLE projections.workflow_executions NO FORCE ROW LEVEL SECURITY; {} ALTER TABLE projections."
        without_guard += "workflow_executions FORCE ROW LEVEL SECURITY;"
        raised = """'{"paid": true, "amount": 9999}'"""
        self.server.psql(without_guard.format(set_output.format(raised, self.tenant_id)), "owner")
        self.replay(1)
        honest = """'{"paid": true, "amount": 4200}'"""
        self.server.psql(without_guard.format(set_output.format(honest, self.tenant_id)), "owner")
        verified = self.server.gesta("verify", "--tenant", "acme")
        self.say(f"put right; gesta verify: exit {verified.returncode}")
        self.console.print(verified.stdout.rstrip(), highlight=False, soft_wrap=True)
        if verified.returncode != 0:
            raise RuntimeError(verified.stderr)

    def replay(self, wanted: int) -> None:
        replayed = self.server.gesta("replay", "--tenant", "acme")
        self.say(f"gesta replay: exit {replayed.returncode}")
        self.console.print(replayed.stdout.rstrip(), highlight=False, soft_wrap=True)
        if replayed.returncode != wanted:
            raise RuntimeError(f"expected exit {wanted}: {replayed.stderr}")


def main() -> int:
    console = Console()
    with tempfile.TemporaryDirectory(prefix="gesta-demo-") as folder:
        server = Server(Path(folder))
        try:
            Demo(server, console).run()
        finally:
            server.stop()
    console.print(
        "\nThat was it. `make run` serves on http://127.0.0.1:8080: see /docs, or play examples/declarations.", highlight=False
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

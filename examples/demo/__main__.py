"""python -m examples.demo: an expense claim in a company of a few people, from the empty folder to the replay that matches.

A model classifies the claim, a worker of another process converts the currency, people decide; an agent asks before it pays.
A worker is killed in the middle of its job, then everything at once; nothing is lost. At the end: what an analyst queries, the
audit trail, and the proof.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from client import ApiError
from examples.demo.company import PATIENCE, Company
from examples.demo.telling import Telling
from examples.server import Server

HERE = Path(__file__).parent
DEFINITION = json.loads((HERE / "expense.json").read_text())
SUPPLIER = json.loads((HERE / "supplier.json").read_text())
QUESTION = json.loads((HERE / "question.json").read_text())
REFUND = json.loads((HERE / "refund.json").read_text())
SUPPORT = json.loads((HERE / "support.json").read_text())
DEAR = [
    {"calls": [{"tool": "refund", "arguments": {"order": 7, "amount": amount}} for amount in (5000, 900)]},
    {"text": "You get your money back: {{last}}"},
]
"""What the model says, turn by turn: `offline/script` plays it, so that the demo needs no network."""
CHEAP = [{"calls": [{"tool": "refund", "arguments": {"order": 8, "amount": 50}}]}, {"text": "You get your money back."}]
FALSIFIED = """UPDATE projections.workflow_executions SET output = '{"paid": true, "eur": 9999.0, "account": "travel"}'
 WHERE business_key = 'EXP-3';"""
PUT_RIGHT = """UPDATE projections.workflow_executions SET output = '{"paid": true, "eur": 3780.0, "account": "travel"}'
 WHERE business_key = 'EXP-3';"""
FAREWELL = """
That was all of it, and it is gone again. `make run` serves; then open:
  http://127.0.0.1:8080/docs     the API, to try
  http://127.0.0.1:8080/studio   the tables, with a key; `gesta db studio` needs none
  http://127.0.0.1:8080/readyz   how the platform is"""
LARGER = 'size.branches=[{"handle": "large", "when": "nodes.convert.output.eur > 5000"}]'


class Demo:
    def __init__(self, server: Server) -> None:
        self.server = server
        telling = Telling()
        self.closing = ExitStack()
        self.title, self.say, self.show = telling.title, telling.say, telling.show

    def rows(self, statement: str) -> None:
        """What an analyst sees: as `gesta_api`, whose rows are the tenant's and nobody else's."""
        self.show(statement)
        self.show(self.server.psql(f"SET gesta.tenant_id = '{self.company.tenant_id}'; {statement}", "api"))

    def run(self) -> None:
        self.title("1. An empty folder, one command")
        self.say(f"gesta up: PostgreSQL, API, projector and worker are ready after {self.server.start():.1f} s")
        self.found_company()
        self.publish()
        self.claims()
        self.question()
        self.committee()
        self.agent()
        self.killed_worker()
        self.crash()
        self.analyst()
        self.what_if()
        self.proof()

    def stop(self) -> None:
        self.closing.close()
        self.server.stop()

    # The story

    def found_company(self) -> None:
        self.title("2. A company: a tenant, six roles, six people, a key for each, and one for a worker")
        self.company = Company(self.server, self.say)
        self.closing.callback(self.company.close)

    def publish(self) -> None:
        self.title("3. A workflow: what a visual builder would draw")
        broken = {**DEFINITION, "edges": DEFINITION["edges"][:-1]}
        findings = self.company.admin.post("/workflows/validate", {"definition": broken})["findings"]
        for finding in (finding for finding in findings if finding["severity"] == "error"):
            self.say(f"with an edge missing it says: {finding['node_id']}: {finding['message']}")
        published = self.company.publish(DEFINITION, "first version")
        nodes, edges = len(DEFINITION["nodes"]), len(DEFINITION["edges"])
        self.say(f"published {published['key']} version {published['published_version']}: {nodes} nodes, {edges} edges")
        self.say("the model is offline/echo, which needs no network; another is one word in the definition")

    def claims(self) -> None:
        self.title("4. A small claim: classified by a model, converted by a worker, decided by a person")
        self.company.hire()
        small = self.company.claim("EXP-1", 84.5, "CHF", "train travel to Lyon")
        try:
            self.company.decide("Fay", small, "manager", "approved")
        except ApiError as refused:
            self.say(f"Fay tries to approve it: {refused.status} {refused.code}: {refused.detail}")
        self.company.decide("Max", small, "manager", "approved")
        self.title("5. One that is sent back, corrected and classified again")
        again = self.company.claim("EXP-2", 130, "EUR", "four persons")
        self.company.decide("Max", again, "manager", "changes", comment="What was it?")
        self.company.decide("Ada", again, "rework", "resubmitted", form={"purpose": "meals with the auditors, four persons"})
        self.company.decide("Max", again, "manager", "approved")
        repeated = self.company.start("EXP-2", 130, "EUR", "four persons")
        self.say(f"the start of EXP-2 is sent once more: the same execution, {repeated.id == again}")

    def question(self) -> None:
        self.title("6. A model and a person in turns: what one process opens, another one decides")
        self.company.publish(QUESTION)
        asked = self.company.people["Ada"].start("question", {"question": "May I take a taxi at night?"}, business_key="Q-1")
        self.say(f"Ada asks whether she may take a taxi at night (Q-1); open: {self.company.open(asked)}")
        for outcome, comment in (("again", "Say from which hour on."), ("send", None)):
            title = self.company.pending(asked.id, "check")
            self.say(f"the worker's process has heard the model, and opened the request: {title!r}")
            self.company.decide("Max", asked.id, "check", outcome, comment=comment)
        self.say(f"Q-1 is {self.company.people['Ada'].wait(asked.id).status}")

    def committee(self) -> None:
        self.title("7. Two of three: one of them is away, another does not answer")
        self.company.publish(SUPPLIER)
        away = {
            "from_user_id": self.company.ids["Fay"],
            "to_user_id": self.company.ids["Sue"],
            "kind": "absence",
            "reason": "On leave",
        }
        self.company.admin.post("/delegations", away)
        self.say("Fay is on leave; Sue stands in for her")
        asked = self.company.people["Ada"].start("supplier", {"supplier": "Paper & Ink"}, business_key="SUP-1")
        self.say(f"Ada proposes a supplier (SUP-1): {self.company.pending(asked.id, 'committee')!r}; Max, Fay and Lee are asked")
        try:
            self.company.decide("Sue", asked.id, "committee", "approved")
        except ApiError as refused:
            self.say(f"Sue answers for herself: {refused.status} {refused.code}: {refused.detail}")
        self.company.decide("Sue", asked.id, "committee", "approved", on_behalf_of=self.company.ids["Fay"])
        self.escalated(asked.id)
        self.company.decide("Dan", asked.id, "committee", "approved")
        self.say(f"SUP-1 is {self.company.people['Ada'].wait(asked.id).status}")
        self.rows(
            "SELECT u.display_name AS who, b.display_name AS for, d.outcome, r.required_approvals AS needed,"
            " r.escalation_level AS level, r.reminders_sent AS reminders FROM projections.approval_decisions d"
            " JOIN projections.approval_requests r ON (r.tenant_id, r.id) = (d.tenant_id, d.request_id)"
            " JOIN projections.users u ON u.id = d.user_id LEFT JOIN projections.users b ON b.id = d.on_behalf_of"
            " WHERE r.title LIKE 'Take on%' ORDER BY d.created_at;"
        )

    def escalated(self, execution_id: str) -> None:
        """Wait until the moment has come at which the director is asked besides."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            (request,) = self.company.admin.get("/approvals", execution_id=execution_id, status="pending")["items"]
            if request["escalation_level"]:
                self.say("two seconds without another answer: they were reminded, and now the director is asked besides")
                return
            time.sleep(0.1)
        raise RuntimeError(f"nothing was escalated within {PATIENCE:.0f} s")

    def agent(self) -> None:
        self.title("8. An agent with a tool: its policy denies, allows or asks; and a budget that holds")
        for definition in (REFUND, SUPPORT):
            self.company.publish(definition)
        limits = {"scope": "workflow", "subject": "support", "period": "day", "limits": {"calls": 3}}
        self.company.admin.put("/budgets/support-daily", limits)
        self.say("the agent's tool is a workflow; a budget allows its models three calls a day")
        asked = self.ask_support("S-1", DEAR)
        self.company.pending(asked, "agent")
        (request,) = self.company.people["Max"].approvals(execution_id=asked, status="pending").items
        self.say(f"it wants to refund 5000, which its policy denies, and 900, of which Max is asked: {request.title!r}")
        self.company.decide("Max", asked, "agent", "approved", form={"order": 7, "amount": 90}, comment="The order was 90.")
        self.say(f"S-1 is {self.company.people['Ada'].wait(asked).status}, and the model was told what Max had made of its call")
        ended = self.company.people["Ada"].wait(self.ask_support("S-2", CHEAP))
        self.say(f"S-2 refunds 50 unasked, and ends with {json.dumps(ended.output)}: one call of a model more than there may be")
        self.rows(
            "SELECT e.business_key, c.turn, c.arguments->>'amount' AS wanted, c.called_with->>'amount' AS called_with, c.status,"
            " c.denial_reason, u.display_name AS decided_by FROM projections.ai_agent_tool_calls c"
            " JOIN projections.ai_agent_tasks t ON (t.tenant_id, t.id) = (c.tenant_id, c.task_id)"
            " JOIN projections.workflow_executions e ON (e.tenant_id, e.id) = (t.tenant_id, t.execution_id)"
            " LEFT JOIN projections.users u ON u.id = c.decided_by ORDER BY e.business_key, c.turn, c.place;"
        )

    def ask_support(self, business_key: str, answers: Sequence[object]) -> str:
        said = {"message": "The press is broken.", "answers": answers}
        return self.company.people["Ada"].start("support", said, business_key=business_key).id

    def killed_worker(self) -> None:
        self.title("9. A worker is killed in the middle of its job")
        self.company.dismiss()
        stalled = self.company.hire("--stall")
        self.claim_id = self.company.start("EXP-3", 4200, "USD", "travel to the trade fair").id
        assert stalled.stdout is not None
        stalled.stdout.readline()
        stalled.kill()
        stalled.wait()
        self.say("a worker has taken the conversion of EXP-3, and is killed before it answers")
        self.company.hire()
        title = self.company.pending(self.claim_id, "manager")
        retries = next(item for item in self.company.history(self.claim_id) if item["topic"] == "activation.retried.v1")
        self.say(f"its lease lapsed ({retries['data']['error']['type']}), another worker did it: the manager reads {title!r}")

    def crash(self) -> None:
        self.title("10. A large claim: finance and legal side by side, and everything killed between them")
        self.company.decide("Max", self.claim_id, "manager", "approved")
        self.company.decide("Fay", self.claim_id, "finance", "approved")
        self.server.kill()
        self.say("kill -9: API, projector, worker and database are gone, all at once")
        self.say(f"gesta up: ready again after {self.server.start():.1f} s; what was answered is there")
        waiting = self.company.people["Lee"].approvals(execution_id=self.claim_id, status="pending")
        self.say(f"EXP-3 waits for: {', '.join(str(request.node_id) for request in waiting.items)}")
        self.company.decide("Lee", self.claim_id, "legal", "approved")
        ended = self.company.people["Ada"].wait(self.claim_id)
        self.say(f"EXP-3 is {ended.status}: {json.dumps(ended.output)}")

    def analyst(self) -> None:
        self.title("11. What an analyst queries: tables, projected from the events")
        self.rows(
            "SELECT business_key, status, input->>'amount' AS amount, input->>'currency' AS currency, output"
            " FROM projections.workflow_executions ORDER BY business_key;"
        )
        self.rows(
            "SELECT r.title, d.role, d.outcome, u.display_name, d.comment FROM projections.approval_decisions d"
            " JOIN projections.approval_requests r ON (r.tenant_id, r.id) = (d.tenant_id, d.request_id)"
            " JOIN projections.users u ON u.id = d.user_id ORDER BY d.created_at;"
        )
        self.say("spend by model")
        self.rows(
            "SELECT a.provider, a.model, count(*) AS calls, sum(a.input_tokens) AS tokens_in, sum(a.output_tokens) AS tokens_out,"
            " sum(a.cost) AS cost, a.currency FROM projections.ai_agent_attempts a GROUP BY 1, 2, a.currency ORDER BY 1, 2;"
        )
        self.rows("SELECT budget, subject, used_calls, limit_calls, highest_share FROM projections.budget_use;")
        self.title("12. The audit trail: the events themselves; who, from where, what came of it, and what was refused")
        self.rows(
            "SELECT a.position AS pos, a.action, a.outcome, coalesce(u.display_name, a.actor_type) AS who,"
            " host(a.ip_address) AS ip, a.description, coalesce(a.reason, a.payload->>'comment', a.payload->>'reason') AS why"
            " FROM projections.audit_logs a"
            " LEFT JOIN projections.users u ON u.id = a.user_id WHERE a.outcome = 'refused' OR a.action LIKE 'ai_task.%'"
            " OR a.action IN ('activation.retried', 'approval.decided', 'execution.completed') ORDER BY a.position;"
        )

    def what_if(self) -> None:
        self.title("13. What if only more than 5,000 euros had been large? Finished claims, played again without an effect")
        self.tried(0, "--workflow", "expense")
        self.tried(1, "--workflow", "expense", "--set", LARGER)

    def tried(self, wanted: int, *words: str) -> None:
        found = self.server.gesta("what-if", "--tenant", "acme", *words)
        self.show(found.stdout)
        if found.returncode != wanted:
            raise RuntimeError(f"expected exit {wanted}: {found.stdout} {found.stderr}")

    def proof(self) -> None:
        self.title("14. Replay: the tables equal a fresh fold of the ledger")
        self.replay(0)
        self.say("now somebody with the owner's password alters one cell")
        self.alter(FALSIFIED)
        self.replay(1)
        self.alter(PUT_RIGHT)
        verified = self.server.gesta("verify", "--tenant", "acme")
        self.say(f"put right; gesta verify: exit {verified.returncode}")
        self.show(verified.stdout)
        if verified.returncode != 0:
            raise RuntimeError(verified.stderr)

    def studio(self, stays: bool) -> None:
        """Where the tables can be looked at: for as long as somebody wants who sits before it."""
        self.title("15. The tables in a browser")
        command = [self.server.program, "db", "studio", "--tenant", "acme"]
        with subprocess.Popen(command, env=self.server.environment, stdout=subprocess.PIPE, text=True) as studio:
            try:
                assert studio.stdout is not None
                told = studio.stdout.readline()
                if not told:
                    raise RuntimeError("the studio did not start")
                self.say(f"gesta db studio --tenant acme\n{told.rstrip()}")
                if stays:
                    self.say("Enter, or Ctrl-C, ends the demo.")
                    input()
            finally:
                studio.terminate()
                self.show(studio.communicate()[0])

    def alter(self, statement: str) -> None:
        """As the owner of the tables, who is held by row-level security too, and has to lift it first."""
        off, on = (f"ALTER TABLE projections.workflow_executions {mode} ROW LEVEL SECURITY;" for mode in ("NO FORCE", "FORCE"))
        self.server.psql(f"{off} {statement} {on}", "owner")

    def replay(self, wanted: int) -> None:
        replayed = self.server.gesta("replay", "--tenant", "acme")
        self.say(f"gesta replay: exit {replayed.returncode}")
        self.show(replayed.stdout)
        if replayed.returncode != wanted:
            raise RuntimeError(f"expected exit {wanted}: {replayed.stderr}")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="gesta-demo-") as folder:
        demo = Demo(Server(Path(folder)))
        try:
            demo.run()
            demo.studio(stays=sys.stdin.isatty() and sys.stdout.isatty())
        except KeyboardInterrupt:
            pass
        finally:
            demo.stop()
    print(FAREWELL)
    return 0


if __name__ == "__main__":
    sys.exit(main())

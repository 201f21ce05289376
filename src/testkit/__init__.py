"""A test kit for authors of workflows: given a definition and doubles of what it calls, when things happen, then it went so.

    with scenario(definition, workers={"charge": {"ok": True}}) as s:
        run = s.start({"amount": 80})
        run.approve("review", by="ann", roles=["manager"])
        assert run.completed == {"paid": True}

Without a server it plays the engine itself, under a clock that the test moves on. With `on=Server(client)` the same scenario
runs on a platform; docs/how-to/test-a-workflow.md says what differs there.
"""

from testkit.doubles import NEVER, Asked, NoAnswerLeft, Response, fails, in_turn, lost, response, takes
from testkit.people import Member
from testkit.publishing import NotPublishable
from testkit.runs import NotSo, Run
from testkit.scenario import Delegation, Scenario, scenario
from testkit.server import Server
from testkit.stage import Refused

__all__ = [
    "NEVER",
    "Asked",
    "Delegation",
    "Member",
    "NoAnswerLeft",
    "NotPublishable",
    "NotSo",
    "Refused",
    "Response",
    "Run",
    "Scenario",
    "Server",
    "fails",
    "in_turn",
    "lost",
    "response",
    "scenario",
    "takes",
]

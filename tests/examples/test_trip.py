"""The README's first workflow: it is published without a warning, and goes as it says."""

import json
from pathlib import Path

from testkit import scenario

TRIP = json.loads((Path(__file__).parents[2] / "examples" / "trip.json").read_text("utf-8"))


def test_an_approver_decides_or_nobody_does_in_time() -> None:
    with scenario(TRIP, strict=True) as s:
        approved, refused, late = [s.start({"to": "Lyon", "days": 2}) for _ in range(3)]
        approved.approve("review", by="ann", roles=["approver"])
        assert approved.completed == {"approved_by": s.id_of("ann")}
        refused.reject("review", by="ann", roles=["approver"])
        assert refused.failed["code"] == "refused"
        s.pass_time("P3D")
        assert late.failed["code"] == "late"

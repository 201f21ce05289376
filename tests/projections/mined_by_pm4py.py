"""Reads logs with PM4Py and says what it found, as JSON.

A program for PM4Py's own environment: it is under the AGPL, and no part of Gesta or of its tests imports it.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main(directory: Path) -> dict[str, Any]:
    import pm4py  # type: ignore[import-not-found]  # in an environment of its own
    from pm4py.objects.ocel.validation import ocel20_rel_validation  # type: ignore[import-not-found]  # in an environment of its own

    log = pm4py.read_xes(str(directory / "log.xes"))
    _, broken = ocel20_rel_validation.apply(str(directory / "log.sqlite"))
    ocels = {}
    for name, ocel in (
        ("json", pm4py.read_ocel2_json(str(directory / "log.json"))),
        ("sqlite", pm4py.read_ocel2_sqlite(str(directory / "log.sqlite"))),
    ):
        ocels[name] = [len(ocel.events), len(ocel.objects)]
        assert pm4py.discover_ocdfg(ocel)["activities"]
    decided = log[log["gesta:kind"] == "decision"]
    return {
        "traces": int(log["case:concept:name"].nunique()),
        "events": len(log),
        "resources": sorted(decided["org:resource"].unique()),
        "activities": sorted(decided["concept:name"].unique()),
        "follows": len(pm4py.discover_dfg(log)[0]),
        "variants": len(pm4py.get_variants(decided)),
        "broken": broken,
        "ocel": ocels,
    }


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main(Path(sys.argv[1]))) + "\n")

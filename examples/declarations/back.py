"""The log as Gesta gives it back: cases read from an XES file that `gesta export xes --only decision` wrote of what was
played."""

import gzip
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

from examples.declarations.log import PAYMENTS, ROLES, Case, Step

XES = "{http://www.xes-standard.org/}"
ACTIVITIES = {outcome: activity for activity, outcome in PAYMENTS.items()}
NAMES = {key: name for name, key in ROLES.items()}


def cases_of(path: Path) -> list[Case]:
    """`amount` is the search attribute of that name."""
    opener = gzip.open if path.suffix == ".gz" else open
    found = []
    with opener(path, "rb") as file:
        for _, element in ElementTree.iterparse(file):
            if element.tag == f"{XES}trace":
                found.append(_case(element))
                element.clear()
    return found


def activity(step: Step) -> str:
    """As the log called it."""
    return ACTIVITIES.get(step.outcome) or f"Declaration {step.outcome.upper()} by {NAMES[step.role]}"


def _case(trace: ElementTree.Element) -> Case:
    about = _values(trace)
    steps = tuple(
        Step(event["org:role"], event["gesta:outcome"], datetime.fromisoformat(event["time:timestamp"]))
        for event in map(_values, trace.iter(f"{XES}event"))
    )
    return Case(about["concept:name"], float(about["amount"]), steps)


def _values(element: ElementTree.Element) -> dict[str, str]:
    return {child.attrib["key"]: child.attrib["value"] for child in element if "key" in child.attrib}

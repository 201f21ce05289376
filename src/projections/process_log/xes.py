"""XES (IEEE 1849-2016): a trace for each execution, with the standard extensions concept, time, lifecycle and organizational.

Written as it is read: nothing of it is kept. What XML cannot hold (most control characters) is shown as U+FFFD.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID
from xml.sax.saxutils import quoteattr

from projections.exporting.files import Counted
from projections.process_log.cases import AttributeType, Reading, fitting
from projections.process_log.entries import Case, Entry, Kind, Value

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
HEADER = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849-2016" xes.features="" xmlns="http://www.xes-standard.org/">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>
<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
<global scope="trace">
<string key="concept:name" value=""/>
</global>
<global scope="event">
<string key="concept:name" value=""/>
<date key="time:timestamp" value="1970-01-01T00:00:00.000Z"/>
<string key="lifecycle:transition" value="complete"/>
</global>
<classifier name="Activity" keys="concept:name"/>
<classifier name="Activity and lifecycle" keys="concept:name lifecycle:transition"/>
<classifier name="Resource" keys="org:resource"/>
<string key="lifecycle:model" value="standard"/>
"""


class Written(NamedTuple):
    traces: int
    events: int


async def write(reading: Reading, file: Counted, name: str, kinds: Collection[Kind] | None = None) -> Written:
    """`name`: of the log. `kinds`: of the events it has; a trace may then have none."""
    traces = events = 0
    file.write((HEADER + _attribute("concept:name", name) + _attribute("gesta:position", reading.position)).encode())
    types = await reading.attribute_types()
    async with aclosing(reading.told()) as told:
        async for case, entry in told:
            if entry is None:
                file.write((("</trace>\n" if traces else "") + "<trace>\n" + "".join(_of_case(case, types))).encode())
                traces += 1
            elif kinds is None or entry.kind in kinds:
                file.write(("<event>\n" + "".join(_of_entry(entry)) + "</event>\n").encode())
                events += 1
    file.write((("</trace>\n" if traces else "") + "</log>\n").encode())
    return Written(traces, events)


def _of_case(case: Case, types: Mapping[str, AttributeType]) -> Iterator[str]:
    yield _attribute("concept:name", case.name)
    yield _attribute("gesta:id", case.id)
    about: dict[str, str | int | None] = {
        "workflow": case.workflow_key,
        "workflow_version": case.version,
        "number": case.number,
        "status": case.status,
    }
    for name, value in about.items():
        if value is not None:
            yield _attribute(f"gesta:{name}", value)
    for name, own in case.attributes.items():
        yield _attribute(name, fitting(types, name, own))


def _of_entry(entry: Entry) -> Iterator[str]:
    yield _attribute("concept:name", entry.activity)
    yield _attribute("concept:instance", entry.instance)
    yield _attribute("time:timestamp", entry.at)
    yield _attribute("lifecycle:transition", entry.transition)
    yield _attribute("org:resource", entry.resource)
    if entry.role is not None:
        yield _attribute("org:role", entry.role)
    yield _attribute("gesta:kind", entry.kind)
    for name, value in entry.attributes.items():
        yield _attribute(f"gesta:{name}", value)


def _attribute(key: str, value: Value | UUID) -> str:
    match value:
        case bool():
            type, text = "boolean", "true" if value else "false"
        case int():
            type, text = "int", str(value)
        case float():
            type, text = "float", repr(value)
        case datetime():
            type, text = "date", value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case UUID():
            type, text = "id", str(value)
        case _:
            type, text = "string", value
    return f"<{type} key={quoteattr(NOT_XML.sub('�', key))} value={quoteattr(NOT_XML.sub('�', text))}/>\n"

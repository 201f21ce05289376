"""How it is told what would have gone another way: case by case, and all of them together."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.trying.cases import Case
from engine.what_if.comparing import Difference

VERDICTS = ("same", "other_output", "elsewhere", "undecided", "not_played")
WORDS = {
    "same": "the same",
    "other_output": "the same way, with another output",
    "elsewhere": "elsewhere",
    "undecided": "undecided",
    "not_played": "not played",
}
MOST_LINES = 50
"""Executions that are told one by one to people; JSON has all of them."""
MOST_KINDS = 1_000
"""Differences, and reasons, that are told apart."""
OTHERS = "others"
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def described(case: Case) -> dict[str, Any]:
    """As JSON: one execution."""
    found, compared = case.played, case.compared
    told: dict[str, Any] = {"execution_id": str(case.id), **case.about}
    if found is None or compared is None:
        return {**told, "verdict": "not_played", "why": case.why}
    return {
        **told,
        "verdict": compared.verdict,
        "difference": None if compared.difference is None else _difference(compared.difference),
        "ended": dict(compared.ended),
        "would_end": dict(compared.would_end),
        "why": compared.why,
        "unknown": [_at(key, why) for key, why in found.unknown.items()],
        "assumed": [_at(*note) for note in found.assumed],
        "left_out": [_at(*note) for note in found.left_out],
    }


def _difference(found: Difference) -> dict[str, Any]:
    node_id, visit = found.key or (None, None)
    told = {"node_id": node_id, "visit": visit, "taken": dict(found.taken), "would": dict(found.would)}
    return told if found.message is None else {**told, "message": found.message}


def _at(key: tuple[str, int], message: str) -> dict[str, Any]:
    return {"node_id": key[0], "visit": key[1], "message": message}


@dataclass
class Totals:
    """What is kept of all of them, however many there are."""

    verdicts: Counter[str] = field(default_factory=Counter)
    differences: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    """How those that went elsewhere would end."""
    why: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """What is undecided, not played, taken for granted or left out: of what kind, at which node, why."""
    more: bool = False

    @property
    def same(self) -> bool:
        return self.verdicts.keys() <= {"same"}

    def add(self, told: Mapping[str, Any]) -> None:
        verdict = told["verdict"]
        self.verdicts[verdict] += 1
        if verdict == "not_played":
            _count(self.why, ("not_played", "", told["why"]))
            return
        if verdict == "elsewhere":
            _count(self.differences, json.dumps(_kind(told["difference"]), sort_keys=True))
            _count(self.ends, json.dumps(told["would_end"], sort_keys=True))
        elif verdict == "undecided":
            first = next(iter(told["unknown"]), {"node_id": ""})
            _count(self.why, ("undecided", first["node_id"], told["why"]))
        for kind in ("assumed", "left_out"):
            for node_id in {note["node_id"] for note in told[kind]}:
                messages = {_without_names(note["message"]) for note in told[kind] if note["node_id"] == node_id}
                for message in messages:
                    _count(self.why, (kind, node_id, message))

    def as_json(self, about: Mapping[str, Any]) -> dict[str, Any]:
        def of(wanted: str) -> list[dict[str, Any]]:
            found = ((at, why, count) for (kind, at, why), count in self.why.most_common() if kind == wanted)
            return [{"node_id": at or None, "why": why, "executions": count} for at, why, count in found]

        return {
            **about,
            "executions": self.verdicts.total(),
            "more": self.more,
            "verdicts": {verdict: self.verdicts[verdict] for verdict in VERDICTS},
            "differences": [{**json.loads(each), "executions": count} for each, count in self.differences.most_common()],
            "would_end": [{**json.loads(each), "executions": count} for each, count in self.ends.most_common()],
            **{kind: of(kind) for kind in ("undecided", "not_played", "assumed", "left_out")},
        }


def _kind(difference: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is of one execution alone."""
    return {name: difference[name] for name in ("node_id", "taken", "would")}


def _count(counter: Counter[Any], key: Any) -> None:
    if key not in counter and len(counter) >= MOST_KINDS:
        key = '{"others": true}' if isinstance(key, str) else (key[0], "", OTHERS)
    counter[key] += 1


def _without_names(message: str) -> str:
    """Decisions of different people that do not count for one reason are told together."""
    before, of, after = message.partition("” of ")
    return message if not of else f"{before}” of somebody does not count:{after.partition('does not count:')[2]}"


# For people ---------------------------------------------------------------------------------------------------------------


def case_lines(told: Mapping[str, Any], people: Mapping[str, str]) -> Iterator[str]:
    """Of one that is not simply the same. `people`: what they are called."""
    name = told.get("business_key") or told["execution_id"]
    about = f"{name} ({told['execution_id']})" if told.get("business_key") else name
    match told["verdict"]:
        case "elsewhere":
            yield f"  {about}: {point(told['difference'])}; {end(told['would_end'])}"
            if "message" in told["difference"]:
                yield f"      {told['difference']['message']}"
        case "other_output":
            yield f"  {about}: the same way, with another output"
        case "undecided" | "not_played":
            at = f"{told['unknown'][0]['node_id']}: " if told.get("unknown") else ""
            yield f"  {about}: {WORDS[told['verdict']]}. {at}{told['why']}"
        case _:
            pass
    for note in told.get("left_out", ()):
        yield f"      {note['node_id']}: {ID.sub(lambda found: people.get(found[0], found[0]), note['message'])}"


def lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """All of them together."""
    count, more = summary["executions"], " (there are more: --limit)" if summary["more"] else ""
    if not count:
        yield f"No finished execution of {summary['workflow']} is among those asked for: nothing was played."
        return
    finished = "finished " if summary["workflow"] else ""
    yield f"{count:,} {finished}{'execution' if count == 1 else 'executions'}{more} {summary['through']}:"
    for verdict, number in summary["verdicts"].items():
        if number or verdict == "same":
            yield f"  {number:>7,} {WORDS[verdict]}"
        if verdict == "elsewhere":
            yield from (f"  {each['executions']:>15,} {point(each)}" for each in summary["differences"])
        elif verdict in ("undecided", "not_played"):
            yield from (f"  {each['executions']:>15,} {_why(each)}" for each in summary[verdict])
    if summary["would_end"]:
        yield "Those that went elsewhere:"
        yield from (f"  {each['executions']:>7,} {end(each)}" for each in summary["would_end"])
    for kind, words in (("assumed", "Taken for granted:"), ("left_out", "Left out:")):
        if summary[kind]:
            yield words
            yield from (f"  {each['executions']:>7,} {_why(each)}" for each in summary[kind])


def _why(each: Mapping[str, Any]) -> str:
    return f"{each['node_id']}: {each['why']}" if each["node_id"] else str(each["why"])


def point(difference: Mapping[str, Any]) -> str:
    """`size: small to pay → large to director`."""
    if difference.get("others"):
        return OTHERS
    where = difference["node_id"] or "the execution"
    if (difference.get("visit") or 1) > 1:
        where += f" (visit {difference['visit']})"
    return f"{where}: {side(difference['taken'])} → {side(difference['would'])}"


def side(side: Mapping[str, Any]) -> str:
    code = f" ({side['code']})" if "code" in side else ""
    match side["what"]:
        case "left":
            to = ", ".join(side["to"])
            return f"{side['handle']}{code}{f' to {to}' if to else ''}"
        case "waits":
            return "still waiting"
        case "not_entered":
            return "not entered"
        case "not_started":
            return f"not started: {side['message']}"
        case what:
            return f"{what}{code}"


def end(end: Mapping[str, Any]) -> str:
    at = ", ".join(end.get("at", ()))
    match end.get("status"):
        case None:
            return OTHERS
        case "waiting":
            return f"would still wait at {at}"
        case "unknown":
            return f"unknown from {at} on"
        case "not_started":
            return "would not have started"
        case "completed":
            return "would have completed"
        case status:
            code = f" ({end['code']})" if "code" in end else ""
            return f"would have {'been ' if status == 'cancelled' else ''}{status}{code}"

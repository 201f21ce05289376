"""One execution as a test sees it: what it does to it, and what it holds it to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.facts import Json
from testkit.doubles import plain
from testkit.stage import Deciding, Happening, Person, Stage
from testkit.telling import standing

ENDS = {f"{whose}.{how}": how for whose in ("execution", "item") for how in ("completed", "failed", "cancelled")}


class NotSo(AssertionError):
    """The execution is not as the test says. The message tells how it stands."""


@dataclass(frozen=True)
class Open:
    """A visit that has begun and not ended. `waits`: {kind, id, about} of each thing it waits for."""

    activation_id: str
    node_id: str
    node_type: str
    waits: tuple[Json, ...]

    def waits_for(self, kind: str) -> str | None:
        return next((str(wait["id"]) for wait in self.waits if wait["kind"] == kind), None)


class Run:
    """An execution. What is asked of it is as of now: on a server, after what the doubles had to do."""

    def __init__(self, stage: Stage, id: str) -> None:
        self._stage = stage
        self.id = id

    # When

    def decide(
        self,
        node: str,
        outcome: str,
        *,
        by: str | None = None,
        roles: Sequence[str] = (),
        role: str | None = None,
        comment: str | None = None,
        form: Json = None,
        reason: str | None = None,
        step: str | None = None,
        on_behalf_of: str | None = None,
    ) -> "Run":
        """Decide the request of a node that was opened first. Raises Refused where `by`, with these roles, may not.

        `on_behalf_of`: for whom `by` stands in, by a delegation.
        """
        said = Deciding(outcome, role, comment, plain(form), reason, step, on_behalf_of)
        self._stage.decide(self._waiting(node, "approval"), Person(by, tuple(roles)), said)
        return self

    def approve(self, node: str, **more: Any) -> "Run":
        """By the outcome of the kind `approve`."""
        return self.decide(node, self._outcome(node, "approve"), **more)

    def reject(self, node: str, **more: Any) -> "Run":
        """By the outcome of the kind `reject`."""
        return self.decide(node, self._outcome(node, "reject"), **more)

    def complete(self, node: str, output: Json = None) -> "Run":
        """Do by hand what a node asks for that no double does, or never does."""
        self._stage.report(self._waiting(node, "job"), plain(output), None)
        return self

    def fail(self, node: str, type: str, message: str = "", *, retryable: bool = True) -> "Run":
        self._stage.report(self._waiting(node, "job"), None, (type, message or f"The test fails it with {type}.", retryable))
        return self

    def signal(self, name: str, payload: Json = None) -> "Run":
        self._stage.do(self.id, "signal", {"name": name, "payload": plain(payload)})
        return self

    def cancel(self, reason: str | None = None) -> "Run":
        return self._do("cancel", reason)

    def terminate(self, reason: str | None = None) -> "Run":
        return self._do("terminate", reason)

    def pause(self, reason: str | None = None) -> "Run":
        return self._do("pause", reason)

    def resume(self, reason: str | None = None) -> "Run":
        return self._do("resume", reason)

    # Then

    @property
    def history(self) -> Sequence[Happening]:
        return self._stage.history(self.id)

    @property
    def status(self) -> str:
        status = "running"
        for each in self.history:
            status = {"execution.paused": "paused", "execution.resumed": "running", **ENDS}.get(each.topic, status)
        return status

    @property
    def completed(self) -> Json:
        """Its output. Raises NotSo where it has not completed."""
        return self._ended("completed").data["output"]

    @property
    def failed(self) -> Json:
        """Its error: {code, message, node_id}. Raises NotSo where it has not failed."""
        data = self._ended("failed").data
        return {name: data.get(name) for name in ("code", "message", "node_id")}

    @property
    def cancelled(self) -> str | None:
        """The reason. Raises NotSo where it is not cancelled."""
        reason: str | None = self._ended("cancelled").data.get("reason")
        return reason

    @property
    def visited(self) -> list[str]:
        """The nodes in the order in which their visits began."""
        return [str(each.data["node_id"]) for each in self.history if each.topic == "activation.started"]

    @property
    def waiting(self) -> list[str]:
        """The nodes whose visits have not ended, in the order of their beginning."""
        return [each.node_id for each in self.open]

    @property
    def open(self) -> list[Open]:
        found: dict[str, Open] = {}
        for each in self.history:
            data = each.data
            match each.topic:
                case "activation.started":
                    waits = tuple(data.get("waits") or ())
                    found[data["activation_id"]] = Open(data["activation_id"], data["node_id"], data["node_type"], waits)
                case "activation.waiting":
                    before = found[data["activation_id"]]
                    ended = {str(id) for id in data.get("ended") or ()}
                    kept = [wait for wait in before.waits if str(wait["id"]) not in ended]
                    waits = (*kept, *(data.get("added") or ()))
                    found[before.activation_id] = Open(before.activation_id, before.node_id, before.node_type, waits)
                case "activation.completed" | "activation.failed" | "activation.cancelled":
                    found.pop(data["activation_id"], None)
                case _:
                    pass
        return list(found.values())

    def asked(self, node: str) -> Json:
        """Who may decide now, of those who are named: {users, roles}; both empty: everybody."""
        return self._stage.asked(self._waiting(node, "approval"))

    @property
    def overdue(self) -> list[str]:
        """The nodes whose requests are past their `due_in`."""
        asked = [(each.node_id, id) for each in self.open if (id := each.waits_for("approval")) is not None]
        return [node for node, id in asked if (due := self._stage.due(id)) is not None and due <= self._stage.now]

    def output_of(self, node: str) -> Json:
        """Of its latest visit that completed."""
        done = [each for each in self.history if each.topic == "activation.completed" and each.data["node_id"] == node]
        if not done:
            raise NotSo(f"No visit of {node} has completed.\n{self.standing}")
        return done[-1].data["output"]

    def error_of(self, node: str) -> Json:
        """{type, message, attempts} of its latest visit that failed."""
        failed = [each for each in self.history if each.topic == "activation.failed" and each.data["node_id"] == node]
        if not failed:
            raise NotSo(f"No visit of {node} has failed.\n{self.standing}")
        return {name: value for name, value in failed[-1].data["error"].items() if value is not None}

    @property
    def children(self) -> list["Run"]:
        """Executions that its nodes have started and wait for, or waited."""
        waits = [wait for each in self.history for wait in each.data.get("waits") or () if each.topic == "activation.started"]
        return [Run(self._stage, str(wait["id"])) for wait in waits if wait["kind"] == "execution"]

    def items(self, node: str) -> list["Run"]:
        """Those of a foreach that have begun, in the order of the list, each like an execution. Without a server only."""
        return [Run(self._stage, id) for id in self._stage.items(self.id, node)]

    @property
    def standing(self) -> str:
        """How it stands, in words: what it waits for, and how it came there."""
        return standing(self.status, self.open, self.history, self._stage.unserved(self.id))

    def __repr__(self) -> str:
        return f"<Run {self.status}: visited {', '.join(self.visited)}; waits at {', '.join(self.waiting) or 'nothing'}>"

    def _do(self, what: str, reason: str | None) -> "Run":
        self._stage.do(self.id, what, {"reason": reason})
        return self

    def _ended(self, how: str) -> Happening:
        self._stage.until(lambda: any(each.topic in ENDS for each in self.history))
        found = next((each for each in self.history if ENDS.get(each.topic) == how), None)
        if found is None:
            raise NotSo(f"The execution is not {how}. {self.standing}")
        return found

    def _waiting(self, node: str, kind: str) -> str:
        what = {"approval": "a decision", "job": "work"}[kind]
        self._stage.until(lambda: self._found(node, kind) is not None)
        found = self._found(node, kind)
        if found is None:
            raise NotSo(f"{node} does not wait for {what}. {self.standing}")
        return found

    def _found(self, node: str, kind: str) -> str | None:
        return next((id for each in self.open if each.node_id == node and (id := each.waits_for(kind))), None)

    def _outcome(self, node: str, kind: str) -> str:
        offered = self._stage.outcomes(self._waiting(node, "approval"))
        names = [name for name, of in offered if of == kind]
        if len(names) != 1:
            said = ", ".join(f"{name} ({of})" for name, of in offered)
            raise NotSo(f"{node} has not one outcome of the kind {kind}, but: {said}. Use decide() with its name.")
        return names[0]

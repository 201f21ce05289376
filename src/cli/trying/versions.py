"""Through what executions are played: another version, a definition in a file, or their own, with fields set otherwise."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import typer

if TYPE_CHECKING:
    from domain.workflow import Workflow
    from engine.plan import Plan
    from engine.what_if.playing import Version

MOST_FINDINGS = 10
"""Shown of a definition that is not sound."""


@dataclass(frozen=True)
class Setting:
    path: tuple[str, ...]
    value: Any

    @classmethod
    def parse(cls, text: str) -> "Setting":
        place, given, value = text.partition("=")
        path = tuple(place.strip().split("."))
        if not given or len(path) < 2 or not all(path):
            raise typer.BadParameter(f"{text} is not NODE.FIELD=VALUE.", param_hint="--set")
        return cls(path, _value(value, "--set"))


def assumption(text: str) -> tuple[str, Any]:
    """`director=approved`, or `charge={"output": …}`."""
    node_id, given, value = text.partition("=")
    if not given or not node_id:
        raise typer.BadParameter(f"{text} is not NODE=OUTCOME.", param_hint="--assume")
    found = _value(value, "--assume")
    if isinstance(found, str):
        return node_id, {"outcome": found}
    if not isinstance(found, dict) or found.keys() - {"outcome", "form", "output", "error"} or not found:
        raise typer.BadParameter(
            f'{text}: after = goes an outcome, or {{"outcome", "form"}}, {{"output"}}, or {{"error": {{"type", "message"}}}}.',
            param_hint="--assume",
        )
    if "error" in found and not (isinstance(found["error"], dict) and isinstance(found["error"].get("type"), str)):
        raise typer.BadParameter(f"{text}: an error has a type.", param_hint="--assume")
    return node_id, found


def renaming(text: str) -> tuple[str, str]:
    old, given, new = text.partition("=")
    if not given or not old or not new:
        raise typer.BadParameter(f"{text} is not OLD=NEW.", param_hint="--rename")
    return old, new


def _value(text: str, hint: str) -> Any:
    """JSON; @FILE: what is in a file; anything else as it is."""
    if text.startswith("@"):
        return read(Path(text[1:]), hint)
    try:
        return json.loads(text)
    except RecursionError:
        raise typer.BadParameter("The value is nested too deeply.", param_hint=hint) from None
    except ValueError:
        if text[:1] in ("{", "["):
            raise typer.BadParameter(f"{text} is no JSON.", param_hint=hint) from None
        return text


def read(file: Path, hint: str) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except RecursionError:
        raise typer.BadParameter(f"{file} is nested too deeply.", param_hint=hint) from None
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}", param_hint=hint) from None


@dataclass
class Versions:
    """`number`: of the version that all are played through; `definition`: another one; neither: each through its own."""

    number: int | None = None
    definition: Any = None
    settings: tuple[Setting, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    """What nodes are called otherwise in what they are played through."""
    _known: dict[tuple[UUID, int], "Version"] = field(default_factory=dict)
    _before: dict[tuple[UUID, int], "Plan"] = field(default_factory=dict)

    def check(self, workflow: "Workflow") -> None:
        """What can be found wrong before anything is played. Exits with 2."""
        from engine.what_if.record import NotPlayed

        if not workflow.versions:
            raise typer.BadParameter(f"The workflow {workflow.key} has never been published.", param_hint="--workflow")
        if self.number is not None and self.number not in workflow.versions:
            raise typer.BadParameter(f"The workflow {workflow.key} has no version {self.number}.", param_hint="--version")
        if self.definition is not None and not self.is_of(workflow):
            raise typer.BadParameter(f"It is no definition of the workflow {workflow.key}.", param_hint="--definition")
        if self.are_own and not self.settings:
            return
        numbers = sorted(workflow.versions, reverse=True) if self.are_own else [self._number(workflow)]
        problems: list[str] = []
        for number in numbers:
            try:
                found = self._version(workflow.versions[number] if self.are_own else self._target(workflow), number)
            except NotPlayed as error:
                problems.append(str(error))
            else:
                self._check_names({node["id"] for node in found.definition["nodes"]})
                return
        raise typer.BadParameter(problems[0], param_hint="--set" if self.settings else "--definition")

    def _check_names(self, nodes: set[str]) -> None:
        if len({*self.names.values()}) < len(self.names):
            raise typer.BadParameter("Two nodes cannot be called the same.", param_hint="--rename")
        for old, new in self.names.items():
            if new not in nodes:
                raise typer.BadParameter(f"There is no node {new}, which {old} is to be called.", param_hint="--rename")

    def check_assumed(self, workflow: "Workflow", node_ids: Iterable[str]) -> None:
        """Whether there are these nodes in what is played through; in any version, where each goes through its own."""
        targets = workflow.versions.values() if self.are_own else [self._target(workflow)]
        known = {node["id"] for definition in targets for node in definition["nodes"]}
        for node_id in node_ids:
            if node_id not in known:
                raise typer.BadParameter(f"There is no node {node_id}.", param_hint="--assume")

    def is_of(self, workflow: "Workflow") -> bool:
        return isinstance(self.definition, dict) and self.definition.get("key") == workflow.key

    @property
    def are_own(self) -> bool:
        return self.number is None and self.definition is None

    def _target(self, workflow: "Workflow") -> Any:
        return workflow.versions[self.number] if self.number is not None else self.definition

    def of(self, workflow_id: UUID, workflow: "Workflow", ran_by: int) -> "tuple[Plan, Version]":
        """The plan by which an execution ran, and what it is played through. Raises NotPlayed."""
        from engine.definition import parse
        from engine.plan import compile_plan
        from engine.what_if.changing import with_names

        key = (workflow_id, ran_by)
        if key not in self._known:
            self._before[key] = compile_plan(parse(with_names(workflow.versions[ran_by], self.names)))
            self._known[key] = self._own(workflow, ran_by) if self.are_own else self._shared(workflow_id, workflow)
        return self._before[key], self._known[key]

    def _own(self, workflow: "Workflow", ran_by: int) -> "Version":
        return self._version(workflow.versions[ran_by], ran_by)

    def _shared(self, workflow_id: UUID, workflow: "Workflow") -> "Version":
        """One for all, so that it is compiled once."""
        found = next((each for (id, _), each in self._known.items() if id == workflow_id), None)
        if found is not None:
            return found
        return self._version(self._target(workflow), self._number(workflow))

    def _number(self, workflow: "Workflow") -> int:
        """Of a definition that is not published: the one that it would get."""
        return self.number if self.number is not None else (workflow.published_version or 0) + 1

    def _version(self, definition: Any, number: int) -> "Version":
        from engine.cel import CelEvaluator
        from engine.context import Engine
        from engine.what_if.changing import NoSuchField, with_field
        from engine.what_if.kinds import NODE_TYPES
        from engine.what_if.playing import Version
        from engine.what_if.record import NotPlayed

        if self.definition is not None:
            _require_sound(definition)
        for setting in self.settings:
            try:
                definition = with_field(definition, setting.path, setting.value)
            except NoSuchField as error:
                raise NotPlayed(f"Version {number}: {error}") from None
        if self.settings:
            _require_sound(definition)
        return Version(definition, number, Engine(CelEvaluator(), node_types=NODE_TYPES))

    @property
    def words(self) -> str:
        through = "each through its own version" if self.number is None else f"through version {self.number}"
        through = "through the definition given" if self.definition is not None else through
        told = [f"{'.'.join(each.path)} = {json.dumps(each.value, ensure_ascii=False)}" for each in self.settings]
        return through + (f", with {', '.join(told)}" if told else "")


def _require_sound(definition: Any) -> None:
    """Raises NotPlayed: it could not be published."""
    from engine.cel import CelEvaluator
    from engine.validate import errors, validate
    from engine.what_if.record import NotPlayed

    found = errors(validate(definition, CelEvaluator()))
    if found:
        more = f"; and {len(found) - MOST_FINDINGS} more" if len(found) > MOST_FINDINGS else ""
        told = "; ".join(f"{each.path}: {each.message}" for each in found[:MOST_FINDINGS])
        raise NotPlayed(f"It could not be published: {told}{more}")

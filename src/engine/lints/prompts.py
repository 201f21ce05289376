"""The prompts that a definition names: whoever knows how they stand says what is wrong with how they are used."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.facts import Json
from domain.prompt import Prompt
from engine.definition import Finding
from engine.lints.everywhere import nodes_in
from engine.node_prompts import faults_of

MOST_LOOKED_AT = 50
"""Prompts that are looked for: each is a stream that is read."""


def named_prompts(definition: Json) -> list[str]:
    """Keys, each once; the definition may be anything."""
    return list(dict.fromkeys(key for _, _, prompt in _uses(definition) if isinstance(key := prompt.get("key"), str)))


def prompt_findings(definition: Json, known: Mapping[str, Prompt]) -> Iterator[Finding]:
    """`known`: by key, those that were looked for. One that is not there is warned of: it may be by the time it is needed."""
    for node_id, pointer, prompt in _uses(definition):
        state = known.get(str(prompt.get("key")))
        if state is not None:
            for fault in faults_of(prompt, state):
                yield Finding(fault.severity, node_id, f"{pointer}{fault.path}", fault.code, fault.message)


def _uses(definition: Json) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for node, pointer in nodes_in(definition):
        config = node.get("config")
        if node.get("type") == "ai_agent" and isinstance(config, dict) and isinstance(config.get("prompt"), dict):
            yield str(node.get("id")), f"{pointer}/config/prompt", config["prompt"]

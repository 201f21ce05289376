"""The secrets that a definition names: whoever knows which there are says which are missing."""

from collections.abc import Collection, Iterator
from typing import Any

from domain.facts import Json
from engine.definition import Finding
from engine.lints.everywhere import nodes_in
from engine.prompt_references import secrets_in

MOST_LOOKED_AT = 200
"""Names that publishing looks for: each is a stream that it reads."""


def named_secrets(definition: Json) -> dict[str, list[tuple[str | None, str]]]:
    """By name: node id and JSON pointer of each place that names it. The definition may be anything."""
    found: dict[str, list[tuple[str | None, str]]] = {}
    for node_id, pointer, name in _places(definition):
        if isinstance(name, str):
            found.setdefault(name, []).append((node_id, pointer))
    return found


def _places(definition: Json) -> Iterator[tuple[str | None, str, Any]]:
    for node, pointer in nodes_in(definition):
        config = node.get("config")
        if node.get("type") == "ai_agent" and isinstance(config, dict):
            for name, secret in secrets_in(config.get("prompt")).items():
                yield str(node.get("id")), f"{pointer}/config/prompt/variables/{name}/secret", secret
        if node.get("type") != "http" or not isinstance(config, dict):
            continue
        id, auth, headers = str(node.get("id")), config.get("auth"), config.get("headers")
        if isinstance(auth, dict):
            yield id, f"{pointer}/config/auth/secret", auth.get("secret")
        for name, value in headers.items() if isinstance(headers, dict) else ():
            if isinstance(value, dict):
                yield id, f"{pointer}/config/headers/{name.replace('~', '~0').replace('/', '~1')}/secret", value.get("secret")
    triggers = definition.get("triggers") if isinstance(definition, dict) else None
    for index, trigger in enumerate(triggers if isinstance(triggers, list) else ()):
        if isinstance(trigger, dict):
            yield None, f"/triggers/{index}/secret", trigger.get("secret")


def unknown_secrets(definition: Json, there: Collection[str]) -> Iterator[Finding]:
    """Warnings: they may be there by the time that they are needed."""
    for name, places in named_secrets(definition).items():
        if name not in there:
            for node_id, path in places:
                yield Finding("warning", node_id, path, "unknown_secret", f"There is no secret {name}.")

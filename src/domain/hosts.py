"""Hosts that a tenant names: where its requests may go, and where a secret may be sent."""

import re
from collections.abc import Collection

from domain.facts import Invalid, Json

LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST = re.compile(rf"(?:\*\.)?(?:{LABEL}\.)*{LABEL}|[0-9a-f:.]*:[0-9a-f:.]*")
MOST_HOSTS = 200
LONGEST_HOST = 253


def require_hosts(hosts: Json, path: str, most: int = MOST_HOSTS) -> None:
    if not isinstance(hosts, list | tuple) or len(hosts) > most:
        raise Invalid(f"hosts must be a list of at most {most}.", path)
    for number, host in enumerate(hosts):
        if host != "*" and (not isinstance(host, str) or len(host) > LONGEST_HOST or not HOST.fullmatch(host)):
            raise Invalid(
                "A host must be written as api.example.com, *.example.com or *: in lower case, without scheme, port or path.",
                f"{path}/{number}",
            )


def is_listed(host: str, hosts: Collection[str]) -> bool:
    """Whether a host is one of those, or within one that begins with `*.`; `*` is any."""
    name = host.rstrip(".").lower()
    return any(each == "*" or (name.endswith(each[1:]) if each.startswith("*.") else name == each) for each in hosts)


def require_outbound(settings: Json) -> None:
    """What a tenant's settings say of its requests: `outbound`, with `hosts`. Raises Invalid."""
    if not isinstance(settings, dict) or "outbound" not in settings:
        return
    outbound = settings["outbound"]
    if not isinstance(outbound, dict) or outbound.keys() - {"hosts"}:
        raise Invalid("outbound must be an object with hosts and no other field.", "/settings/outbound")
    if "hosts" in outbound:
        require_hosts(outbound["hosts"], "/settings/outbound/hosts")


def hosts_of(settings: Json) -> tuple[str, ...] | None:
    """Where a tenant's requests may go; None: to every host on the public internet. What cannot be read lets nothing through."""
    try:
        require_outbound(settings)
    except Invalid:
        return ()
    outbound = settings.get("outbound", {}) if isinstance(settings, dict) else {}
    return tuple(outbound["hosts"]) if "hosts" in outbound else None

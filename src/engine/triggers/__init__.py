"""Every type of trigger there is. A new one is one file beside this one, and one line here."""

from collections.abc import Mapping

from engine.triggers.event import EVENT
from engine.triggers.kind import TriggerSpec
from engine.triggers.manual import MANUAL
from engine.triggers.mcp import MCP
from engine.triggers.schedule import SCHEDULE
from engine.triggers.webhook import WEBHOOK

TRIGGER_TYPES: tuple[TriggerSpec, ...] = (MANUAL, SCHEDULE, WEBHOOK, EVENT, MCP)
BY_NAME: Mapping[str, TriggerSpec] = {each.name: each for each in TRIGGER_TYPES}

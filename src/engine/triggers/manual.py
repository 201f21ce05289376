"""A workflow that people start. It has nothing to remember: whoever may start executions, may."""

from engine.triggers.kind import TriggerSpec

MANUAL = TriggerSpec("manual", remembers=False)

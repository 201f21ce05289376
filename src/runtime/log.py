"""Logging: one line a record, for people at a terminal or as JSON for machines. Every record names an action.

Say ``logger.info("Appended %s events", n, extra={"action": "append", "tenant_id": tenant})``: what stands in ``extra``
becomes fields of the line. A record without an action (other people's libraries') gets its logger's name.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

import orjson

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "action", "color_message"}

OURS = ("api", "cli", "domain", "engine", "projections", "runtime", "store", "worker")
"""The rooms whose DEBUG is shown. Libraries say at DEBUG what is sent and answered: credentials and prompts, for two."""

CHATTY = ("httpx", "httpx2")
"""Libraries that say each request at INFO: a line for each call of a model is nothing to act on. DEBUG has them."""


class ActionFilter(logging.Filter):
    """Gives every record an ``action``."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "action"):
            record.action = record.name
        return True


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "action", "message", "logger", …fields, "exception"?}``"""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "action": getattr(record, "action", record.name),
            "message": record.getMessage(),
            "logger": record.name,
            **fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class PlainFormatter(logging.Formatter):
    """``09:30:00 INFO append: Appended 5 events tenant_id=…``"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(action)s: %(message)s", datefmt="%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the standard library's name
        return " ".join([super().formatMessage(record), *(f"{name}={value}" for name, value in fields(record).items())])


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What the caller put in ``extra``, but for the action."""
    return {name: value for name, value in vars(record).items() if name not in STANDARD}


def configure_logging(level: str, style: Literal["auto", "plain", "json"] = "auto", stream: TextIO | None = None) -> None:
    """Send every record of this level or above to ``stream`` (default: standard error). Replaces an earlier configuration."""
    target = stream or sys.stderr
    plain = style == "plain" or (style == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.addFilter(ActionFilter())
    handler.setFormatter(PlainFormatter() if plain else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    threshold = logging.getLevelNamesMapping()[level]
    root.setLevel(max(threshold, logging.INFO))
    for room in OURS:
        logging.getLogger(room).setLevel(threshold)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.INFO if threshold <= logging.DEBUG else max(threshold, logging.WARNING))

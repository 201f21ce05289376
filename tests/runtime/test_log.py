"""Every line names an action, whoever wrote it."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from runtime.log import configure_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_json_line_has_the_action_and_the_callers_fields(stream: io.StringIO) -> None:
    configure_logging("INFO", "json", stream)
    logging.getLogger("store").info("Appended %s events", 5, extra={"action": "append", "tenant": "acme"})
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "info", "action": "append", "message": "Appended 5 events", "logger": "store", "tenant": "acme"}


def test_a_library_s_record_has_its_logger_as_action_and_a_traceback_stays_one_line(stream: io.StringIO) -> None:
    configure_logging("INFO", "json", stream)
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("somebody.else").exception("Failed")
    (text,) = stream.getvalue().splitlines()
    line = json.loads(text)
    assert line["action"] == "somebody.else"
    assert "ValueError: odd" in line["exception"]


def test_a_plain_line_is_for_people(stream: io.StringIO) -> None:
    configure_logging("INFO", "plain", stream)
    logging.getLogger("store").debug("not shown")
    logging.getLogger("store").info("Appended", extra={"action": "append", "tenant": "acme"})
    assert stream.getvalue().split(" ", 1)[1] == "INFO append: Appended tenant=acme\n"


@pytest.mark.parametrize(("level", "told"), [("INFO", ["Slow."]), ("DEBUG", ["200 OK", "Slow."])])
def test_a_line_for_each_request_is_for_those_who_look_for_faults(stream: io.StringIO, level: str, told: list[str]) -> None:
    configure_logging(level, "json", stream)
    logging.getLogger("httpx2").info("200 OK")
    logging.getLogger("httpx2").warning("Slow.")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == told

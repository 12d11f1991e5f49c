"""A line of the log is one line, whatever is in it, and says to which request it belongs."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from service.telemetry.log_lines import JsonLines, RequestIds, TextLines, current_request, escaped, rfc3339

HOSTILE = "a\r\n2026-11-29T10:00:00.000+00:00 INFO forged\x1b[2J\x00\u2028\u202e\udcff"


@pytest.fixture
def request_ids() -> Iterator[RequestIds]:
    """The ids of a request that is being worked on."""
    ids = RequestIds("abc", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    entered = current_request.set(ids)
    yield ids
    current_request.reset(entered)


def record(message: object, *arguments: object, name: str = "service.app") -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, "file.py", 1, message, arguments, None)


def failed(message: str) -> logging.LogRecord:
    """A record with the traceback of an exception."""
    try:
        raise ValueError(message)
    except ValueError:
        return logging.LogRecord("service.app", logging.ERROR, "file.py", 1, "it failed", (), sys.exc_info())


def test_a_time_is_rfc_3339_with_its_offset() -> None:
    """Local time, to the millisecond."""
    text = rfc3339(1_700_000_000.1236)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", text)
    assert abs(datetime.fromisoformat(text).timestamp() - 1_700_000_000.1236) < 0.001
    assert datetime.fromisoformat(text).utcoffset() == datetime.now().astimezone().utcoffset() or timedelta()


def test_control_characters_are_escaped() -> None:
    """Line ends of every kind, terminal sequences, changes of direction, and halves of surrogate pairs."""
    text = escaped(HOSTILE)
    assert text.isprintable()
    assert text.startswith(r"a\r\n2026")
    assert text.endswith(r"\x1b[2J\x00\u2028\u202e\udcff")
    assert escaped("Käse, 猫") == "Käse, 猫"


@pytest.mark.parametrize("lines", [TextLines("frontend 1"), JsonLines("frontend 1")])
def test_a_record_is_one_line(lines: logging.Formatter) -> None:
    """Also when its arguments hold line ends."""
    line = lines.format(record("came: %s", HOSTILE))
    assert len(line.splitlines()) == 1
    assert "frontend 1" in line


def test_text_names_the_loggers_of_libraries_only() -> None:
    """The service's own lines are short."""
    assert TextLines().format(record("said %d", 7)).split(" ", 1)[1] == "WARNING said 7"
    assert TextLines().format(record("said", name="asyncio")).split(" ", 1)[1] == "WARNING asyncio: said"
    assert TextLines("engine 0").format(record("said")).split(" ", 1)[1] == "WARNING [engine 0] said"


def test_a_traceback_in_text_is_indented() -> None:
    """So that no line of it, whatever an exception says, looks like a record."""
    first, *others = TextLines().format(failed(HOSTILE)).split("\n")
    assert first.endswith("ERROR it failed")
    assert len(others) >= 3
    assert all(line.startswith("    ") and line.isprintable() for line in others)


def test_json_holds_all_of_a_record() -> None:
    """The exception too, in a field of its own; the text comes back as it was."""
    found = json.loads(JsonLines("engine 0").format(failed("why\nand how")))
    assert found.pop("time").startswith("20")
    assert found.pop("exception").endswith("ValueError: why\nand how")
    assert found == {"level": "error", "process": "engine 0", "logger": "service.app", "message": "it failed"}
    assert json.loads(JsonLines().format(record("%s", HOSTILE)))["message"] == HOSTILE


def test_lines_of_a_request_have_its_ids(request_ids: RequestIds) -> None:
    """In text at the end, in JSON as fields."""
    assert (
        TextLines()
        .format(record("said"))
        .endswith(f"said (request {request_ids.request_id}, trace {request_ids.trace_id})")
    )
    found = json.loads(JsonLines().format(record("said")))
    assert request_ids._asdict().items() <= found.items()


def test_a_notice_is_a_line_in_either_form() -> None:
    """The reason of an end, for example."""
    assert TextLines().notice("cannot listen\n") == r"snellen: cannot listen\n"
    found = json.loads(JsonLines().notice("cannot listen"))
    assert (found["level"], found["message"]) == ("error", "cannot listen")

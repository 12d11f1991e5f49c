"""The log never makes a request wait, whoever reads it."""

import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from service.telemetry.log import MAX_LINES, QueuedLog, write_line

SPEAKING = """
import logging, threading, warnings
from service.telemetry import log

log.configure(**{options!r})
for name in ("service.app", "service.access", "PIL.PngImagePlugin", "uvicorn.error"):
    for level in ("debug", "info", "warning"):
        getattr(logging.getLogger(name), level)("%s %s", name, level)
warnings.warn("old")
log.write_line("the end")
if fails:
    threading.Thread(target=lambda: 1 / 0).start()
    raise ValueError("why")
"""


class Pipe:
    """A pipe of a page that is read only when told to."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, 4096)

    def read_until(self, text: bytes) -> bytes:
        read = b""
        while text not in read:
            read += os.read(self.reading, 65536)
        return read


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.reading)


def logger_of(log: QueuedLog) -> logging.Logger:
    logger = logging.Logger("test", logging.INFO)
    log.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(log)
    return logger


def test_lines_are_written_in_their_order(pipe: Pipe) -> None:
    """With what the formatter adds."""
    log = QueuedLog(pipe.writing)
    logger = logger_of(log)
    for number in range(3):
        logger.info("line %d", number)
    log.flush()
    assert os.read(pipe.reading, 1000) == b"INFO line 0\nINFO line 1\nINFO line 2\n"


def test_a_log_that_is_not_read_blocks_nothing_and_says_later_what_is_missing(pipe: Pipe) -> None:
    """The queue is bounded, each dropped line is counted, and the number is said once."""
    dropped = []
    log = QueuedLog(pipe.writing, lambda: dropped.append(1))
    logger = logger_of(log)
    for number in range(2 * MAX_LINES):
        logger.info("line %d", number)
        assert log.queue.qsize() <= MAX_LINES
    while log.queue.qsize() < MAX_LINES:  # until the pipe is full, lines leave the queue
        logger.info("one more")
    assert MAX_LINES - 1000 <= len(dropped) <= MAX_LINES
    read = pipe.read_until(b"standard error was not read\n")
    logger.info("the next line")
    read += pipe.read_until(b"the next line\n")
    assert read.endswith(
        b"snellen: %d lines of the log were dropped: standard error was not read\nINFO the next line\n" % len(dropped)
    )
    assert read.count(b"dropped") == 1


def test_the_end_of_the_process_does_not_wait_for_a_log_that_is_not_read(pipe: Pipe) -> None:
    """Longer than a second."""
    log = QueuedLog(pipe.writing)
    logger = logger_of(log)
    for number in range(1000):
        logger.info("line %d", number)
    ended = threading.Thread(target=log.flush)
    ended.start()
    ended.join(10)
    assert not ended.is_alive()
    assert log.queue.qsize()


def test_a_reader_that_has_left_is_no_error(pipe: Pipe) -> None:
    """The lines are counted as dropped."""
    dropped = []
    reading, writing = os.pipe()
    os.close(reading)
    log = QueuedLog(writing, lambda: dropped.append(1))
    logger_of(log).info("a line")
    log.flush()
    assert dropped


def spoken(*, fails: bool = False, **options: Any) -> list[str]:
    """The lines of a process whose log is configured with these options."""
    code = f"fails = {fails}\n{SPEAKING.replace('{options!r}', repr(options))}"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == fails
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("options", "logged"),
    [
        ({"level": "debug"}, ["app debug", "app info", "app warning", "access debug", "access info", "access warning"]),
        ({"level": "info"}, ["app info", "app warning", "access info", "access warning"]),
        ({"level": "info", "first": False}, ["app warning", "access info", "access warning"]),
        ({"level": "warning"}, ["app warning", "access warning"]),
        ({"level": "error"}, []),
    ],
)
def test_libraries_are_heard_only_when_something_is_wrong(options: dict[str, Any], logged: list[str]) -> None:
    """At level debug too; processes that others of their kind speak for log requests and warnings."""
    lines = [" ".join(line.rsplit(" ", 2)[1:]) for line in spoken(**options) if " service." in line]
    assert lines == [f"service.{each}" for each in logged]
    others = [line for line in spoken(**options) if "PIL" in line or "uvicorn" in line]
    assert len(others) == (0 if options["level"] == "error" else 2)
    assert all(line.endswith("warning") for line in others)


def test_every_line_of_the_json_log_is_an_object() -> None:
    """Warnings of Python and the reason of the end too."""
    lines = [json.loads(line) for line in spoken(level="debug", process="frontend 1", log_format="json")]
    assert {line["process"] for line in lines} == {"frontend 1"}
    assert any(line["logger"] == "py.warnings" for line in lines)
    assert lines[-1]["message"] == "the end"


def test_an_error_that_nothing_expected_is_in_the_log() -> None:
    """In the form of the log, whether it ends the process or a thread."""
    thread, process = (json.loads(line) for line in spoken(level="error", log_format="json", fails=True)[-2:])
    assert (process["message"], process["level"]) == ("an unexpected error", "critical")
    assert process["exception"].endswith("ValueError: why")
    assert thread["exception"].endswith("ZeroDivisionError: division by zero")


def test_control_characters_are_escaped(pipe: Pipe, capfd: pytest.CaptureFixture[str]) -> None:
    """A name of a folder or an option must not clear the terminal; line ends of a traceback stay."""
    logger_of(QueuedLog(pipe.writing)).info("a folder \x1b[2J\u202e \udc80 in\ntwo lines, naïve")
    assert pipe.read_until(b"ve\n") == "INFO a folder \\x1b[2J\\u202e \\udc80 in\ntwo lines, naïve\n".encode()
    write_line("there is no option --\x1b[31m\r")
    assert capfd.readouterr().err == "snellen: there is no option --\\x1b[31m\\r\n"

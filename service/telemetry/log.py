"""The log: a bounded queue and a thread that writes it to standard error, so that no request waits for a reader."""

import logging
import os
import queue
import select
import sys
import threading
from collections.abc import Callable
from logging.handlers import QueueHandler
from types import TracebackType

from service.telemetry.log_lines import JsonLines, TextLines, escaped

MAX_LINES = 10_000
"""Limit of lines that wait to be written to standard error; further ones are dropped and counted."""
ACCESS = "service.access"
"""Name of the logger of the access log."""
_END_S = 1.0
"""Seconds that the end of the process waits for lines to be written."""


class QueuedLog(QueueHandler):
    """A handler that never waits; a thread writes its lines to `descriptor`.

    dropped: called for each line that does not fit into the queue or cannot be written.
    """

    queue: "queue.SimpleQueue[bytes | threading.Event]"

    def __init__(self, descriptor: int, dropped: Callable[[], None] = lambda: None) -> None:
        super().__init__(queue.SimpleQueue())  # a lock in Python could be held where an object's end is logged
        self.dropped = dropped
        self._descriptor = descriptor
        self._dropped_lines = 0
        threading.Thread(target=self._write_lines, name="log", daemon=True).start()

    def prepare(self, record: logging.LogRecord) -> bytes:
        """Return the line."""
        return _line(self.format(record))

    def enqueue(self, record: bytes) -> None:  # type: ignore[override]
        """Put a line into the queue, or drop it.

        The handler of the standard library would write to standard error instead.
        """
        if self.queue.qsize() < MAX_LINES:
            self.queue.put(record)
        else:
            self._drop()

    def flush(self) -> None:
        """Wait until all lines are written, at most a second. `logging` calls it at the end of the process."""
        written = threading.Event()
        self.queue.put(written)
        written.wait(_END_S)

    def notice(self, text: str) -> None:
        """Put a line that is not a record into the queue."""
        self.enqueue(self._notice(text))

    def _notice(self, text: str) -> bytes:
        lines = self.formatter if isinstance(self.formatter, JsonLines | TextLines) else TextLines()
        return _line(lines.notice(text))

    def _drop(self) -> None:
        self._dropped_lines += 1
        self.dropped()

    def _write_lines(self) -> None:
        while True:
            item = self.queue.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            try:
                self._write(item)
                if self._dropped_lines and self.queue.empty():
                    lines, self._dropped_lines = self._dropped_lines, 0
                    self._write(self._notice(f"{lines} lines of the log were dropped: standard error was not read"))
            except OSError:
                self._drop()

    def _write(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])


_log: QueuedLog | None = None


def configure(level: str, process: str = "", *, log_format: str = "text", first: bool = True) -> None:
    """Send the log of this process to standard error.

    level: least severe one of the service's own lines; of libraries, warnings and errors are logged in any case.
    process: its name, if there are several. log_format: `text` or `json`. first: whether this is the first process of
    its kind; the others would repeat what it says about models and its start, so they log only requests and warnings.
    """
    global _log  # noqa: PLW0603  there is one standard error
    _log = QueuedLog(sys.stderr.fileno())
    _log.setFormatter(JsonLines(process) if log_format == "json" else TextLines(process))
    wanted, warning = logging.getLevelNamesMapping()[level.upper()], logging.WARNING
    logging.root.addHandler(_log)
    logging.root.setLevel(max(wanted, warning))
    logging.getLogger("service").setLevel(wanted if first or level == "debug" else max(wanted, warning))
    logging.getLogger(ACCESS).setLevel(wanted)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda error: _log_uncaught(error.exc_type, error.exc_value, error.exc_traceback)
    # It warns about what a client sends, with a line per request. The client gets the same as a problem document.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    """Log an exception that ends the process or a thread, instead of printing it."""
    if error is not None and not issubclass(kind, KeyboardInterrupt | SystemExit):
        logging.getLogger("service").critical("an unexpected error", exc_info=(kind, error, traceback))


def count_dropped_lines(dropped: Callable[[], None]) -> None:
    """Call `dropped` for each line that is dropped from now on."""
    if _log is not None:
        _log.dropped = dropped


def write_line(text: str) -> None:
    """Write a line for the operator, in order with the lines of the log."""
    if _log is not None:
        _log.notice(text)
    else:
        os.write(sys.stderr.fileno(), _line(TextLines().notice(text)))


def _line(text: str) -> bytes:
    """Return the bytes of a line; control characters that a formatter left are escaped, except ends of lines."""
    return f"{escaped(text, keep=chr(10))}\n".encode(errors="backslashreplace")


def flush() -> None:
    """Wait for the log, at most a second, before the process ends without Python's shutdown."""
    if _log is not None:
        _log.flush()

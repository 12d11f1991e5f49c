"""The log: a bounded queue and a thread that writes it to standard error, so that no request waits for a reader."""

import logging
import os
import queue
import select
import sys
import threading
from collections.abc import Callable
from logging.handlers import QueueHandler

MAX_LINES = 10_000
"""Limit of lines that wait to be written to standard error; further ones are dropped and counted."""
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
                    self._write(b"%d lines of the log were dropped: standard error was not read\n" % lines)
            except OSError:
                self._drop()

    def _write(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])


_log: QueuedLog | None = None


def configure(level: str, process: str = "") -> None:
    """Send the log of this process to standard error. process: its name, if there are several."""
    global _log  # noqa: PLW0603  there is one standard error
    _log = QueuedLog(sys.stderr.fileno())
    name = f"[{process}] " if process else ""
    _log.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {name}%(name)s: %(message)s"))
    logging.root.addHandler(_log)
    logging.root.setLevel(level.upper())
    # It warns about what a client sends, with a line per request. The client gets the same as a problem document.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)


def count_dropped_lines(dropped: Callable[[], None]) -> None:
    """Call `dropped` for each line that is dropped from now on."""
    if _log is not None:
        _log.dropped = dropped


def write_line(text: str) -> None:
    """Write a line for the operator, in order with the lines of the log."""
    line = _line(f"snellen: {text}")
    if _log is not None:
        _log.enqueue(line)
    else:
        os.write(sys.stderr.fileno(), line)


def _line(text: str) -> bytes:
    """Return the bytes of a line; control characters, as names of folders may hold them for a terminal, are escaped."""
    shown = "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)
    return f"{shown}\n".encode(errors="backslashreplace")


def flush() -> None:
    """Wait for the log, at most a second, before the process ends without Python's shutdown."""
    if _log is not None:
        _log.flush()

"""How a line of the log looks: text for people, or one JSON object for machines. Both escape control characters."""

import json
import logging
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NamedTuple

_OWN = ("service", "__main__")
"""First parts of the names of the service's own loggers; text leaves these names out."""


class RequestIds(NamedTuple):
    """What tells in a log line to which request it belongs.

    trace_id, span_id: 32 and 16 hexadecimal digits of W3C trace context; None where the request has no trace, or where
    the service makes no span.
    """

    request_id: str
    trace_id: str | None = None
    span_id: str | None = None


current_request: ContextVar[RequestIds | None] = ContextVar("current_request", default=None)
"""The request that the running task, or the thread that it waits for, works on."""


def escaped(text: str, keep: str = "") -> str:
    r"""Return `text` with characters that are not printed written as escapes such as `\n`, `\x1b` and `\u202e`.

    keep: characters that are not escaped.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else ascii(each)[1:-1] for each in text)


def rfc3339(seconds: float) -> str:
    """Return a time as local time with milliseconds and the offset from UTC. seconds: since 1970."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")


class TextLines(logging.Formatter):
    """Lines for people: time, level, process, message; a traceback follows in indented lines."""

    def __init__(self, process: str = "") -> None:
        """Create a formatter. process: name of this process, empty if there is only one."""
        super().__init__()
        self._process = f"[{process}] " if process else ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or several for an exception."""
        source = "" if record.name.partition(".")[0] in _OWN else f"{record.name}: "
        head = f"{rfc3339(record.created)} {record.levelname} {self._process}{source}"
        line = f"{head}{escaped(record.getMessage())}{_ids_in_text(record)}"
        return "\n    ".join([line, *map(escaped, _traceback(self, record).splitlines())])

    def notice(self, text: str) -> str:
        """Return a line that is not a record: a reason why the service ends, or a loss of lines."""
        return f"snellen: {escaped(text)}"


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII.

    Fields: time, level, process where there are several, logger, message, request_id, trace_id, span_id, exception, and
    those of a message that has `fields`.
    """

    def __init__(self, process: str = "") -> None:
        """Create a formatter. process: name of this process, empty if there is only one."""
        super().__init__()
        self._process = {"process": process} if process else {}

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        found: dict[str, Any] = {"time": rfc3339(record.created), "level": record.levelname.lower(), **self._process}
        found["logger"] = record.name
        fields: dict[str, Any] | None = getattr(record.msg, "fields", None)
        if fields is not None:
            found |= {"message": "request", **fields}
        else:
            found["message"] = record.getMessage()
            found |= {name: value for name, value in _ids().items() if value is not None}
        if traceback := _traceback(self, record):
            found["exception"] = traceback
        return json.dumps(found, separators=(",", ":"), default=str)

    def notice(self, text: str) -> str:
        """Return a line that is not a record: a reason why the service ends, or a loss of lines."""
        return self.format(logging.LogRecord("service", logging.ERROR, "", 0, text, None, None))


def _ids() -> dict[str, str | None]:
    ids = current_request.get()
    return {} if ids is None else ids._asdict()


def _ids_in_text(record: logging.LogRecord) -> str:
    """Return the ids of the request at the end of a line, unless the message is about the request as a whole."""
    ids = current_request.get()
    if ids is None or hasattr(record.msg, "fields"):
        return ""
    return f" (request {ids.request_id}{f', trace {ids.trace_id}' if ids.trace_id else ''})"


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    traceback = formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
    return "\n".join(part for part in (traceback, record.stack_info) if part)

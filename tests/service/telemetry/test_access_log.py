"""The access log says of each request what is known of it, for people and for machines."""

import json
import logging
from typing import Any

from service.telemetry.access_log import AccessLine
from service.telemetry.log_lines import JsonLines, TextLines

LEAST: dict[str, Any] = {
    "method": "GET",
    "path": "/livez",
    "status": 200,
    "request_id": "abc",
    "trace_id": None,
    "span_id": None,
    "client": None,
    "key": None,
    "model": None,
    "version": None,
    "problems": [],
    "bytes_in": None,
    "images": None,
    "stages": {},
}
MOST: dict[str, Any] = {
    "method": "POST",
    "path": "/v1/classify",
    "status": 200,
    "request_id": "abc",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "span_id": "b7ad6b7169203331",
    "client": "192.0.2.7",
    "key": "shop",
    "model": "imagenet",
    "version": 1,
    "problems": ["/problems/corrupt-image", "/problems/corrupt-image", "/vision/problems/too-small"],
    "bytes_in": 61_300,
    "images": 3,
    "stages": {"receive": 0.0005, "total": 0.0042319},
}


def formatted(lines: logging.Formatter, **changes: Any) -> str:
    line = AccessLine(**(LEAST | changes))
    return lines.format(logging.LogRecord("service.access", logging.INFO, "", 0, line, (), None))


def test_the_text_is_short() -> None:
    """What was answered comes first."""
    assert str(AccessLine(**LEAST)) == "GET /livez 200, request abc"
    assert str(AccessLine(**MOST)) == (
        "POST /v1/classify 200 corrupt-image too-small in 4.2 ms, imagenet/1, 3 images, 61.3 kB, key shop, "
        "from 192.0.2.7, request abc, trace 0af7651916cd43dd8448eb211c80319c"
    )
    assert "7 bytes" in str(AccessLine(**MOST | {"bytes_in": 7}))


def test_json_has_a_field_for_each_fact() -> None:
    """Times in milliseconds, problems by the last part of their addresses, each once."""
    found = json.loads(formatted(JsonLines(), **MOST))
    assert found.pop("time")
    assert found == {
        "level": "info",
        "logger": "service.access",
        "message": "request",
        **{name: value for name, value in MOST.items() if name != "stages"},
        "problems": ["corrupt-image", "too-small"],
        "receive_ms": 0.5,
        "total_ms": 4.232,
    }


def test_what_a_request_does_not_have_is_left_out() -> None:
    """No field is null."""
    found = json.loads(formatted(JsonLines()))
    assert found.keys() - {"time", "level", "logger", "message"} == {"request_id", "method", "path", "status"}


def test_a_path_cannot_forge_a_line() -> None:
    """Control characters are escaped, and a long path is cut."""
    path = "/a\r\nGET /admin 200\x1b[2J" + "x" * 1000
    for lines in (TextLines(), JsonLines()):
        line = formatted(lines, path=path)
        assert len(line.splitlines()) == 1
        assert len(line) < 600
        assert "\x1b" not in line

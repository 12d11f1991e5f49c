"""A body of the largest size that is accepted, whatever its bytes are: short steps, and bounded memory."""

import base64
import time
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar, cast

import pytest

from service.api.v1.body_parser import parse_body
from service.errors import ServiceError

SIZE = 32 * 1024 * 1024
MAX_IMAGES = 64
FORM = "multipart/form-data; boundary=cut"
JSON = "application/json"
T = TypeVar("T")
Shape = tuple[str, Callable[[], bytes]]


def result_of(steps: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine, which waits for nothing, without an event loop, which may keep or print its result."""
    while True:
        try:
            steps.send(None)
        except StopIteration as end:
            return cast(T, end.value)


def in_json(*texts: bytes) -> bytes:
    return b'{"images": ["' + b'", "'.join(texts) + b'"]}'


def filled(piece: bytes, size: int = SIZE) -> bytes:
    """`piece` again and again."""
    return piece * (size // len(piece))


def part(head: bytes, data: bytes) -> bytes:
    return b'--cut\r\nContent-Disposition: form-data; name="a"; filename="b"' + head + b"\r\n\r\n" + data + b"\r\n"


SHAPES: dict[str, Shape] = {
    "json: lists": (JSON, lambda: b"[" + filled(b"[],") + b"[]]"),
    "json: objects": (JSON, lambda: b"[" + filled(b"{},") + b"{}]"),
    "json: numbers": (JSON, lambda: b"[" + filled(b"0,") + b"0]"),
    "json: deep": (JSON, lambda: filled(b"[")),
    "json: blank lines, then an object": (JSON, lambda: filled(b"\n") + b'{"images": ["aGk="]}'),
    "json: numbers as images": (JSON, lambda: b'{"images": [' + filled(b"0,") + b"0]}"),
    "json: lists as images": (JSON, lambda: b'{"images": [' + filled(b"[],") + b"[]]}"),
    "json: empty strings": (JSON, lambda: b'{"images": [' + filled(b'"",') + b'""]}'),
    "json: names": (JSON, lambda: b"{" + filled(b'"a":0,') + b'"b":0}'),
    "json: a long name": (JSON, lambda: b'{"' + filled(b"a") + b'": 0}'),
    "json: one image": (JSON, lambda: in_json(base64.b64encode(bytes(SIZE // 4 * 3)))),
    "json: many images": (JSON, lambda: in_json(*[base64.b64encode(bytes(SIZE // 64 // 4 * 3))] * MAX_IMAGES)),
    "json: blanks between characters": (JSON, lambda: in_json(filled(b"aG k="[:2] + b" "))),
    "json: blanks only": (JSON, lambda: in_json(filled(b" "))),
    "json: escaped slashes": (JSON, lambda: in_json(filled(rb"\/"))),
    "json: escaped letters": (JSON, lambda: in_json(filled(rb"\u0039\u0038"))),
    "json: many images of escapes": (JSON, lambda: in_json(*[rb"\u0039" * 10_832] * MAX_IMAGES)),
    "json: many images of wrong escapes": (JSON, lambda: in_json(*[rb"\u00e9" * 10_832] * MAX_IMAGES)),
    "json: escaped line breaks": (JSON, lambda: in_json(filled(rb"aaaa\r\n"))),
    "json: escaped backslashes": (JSON, lambda: in_json(filled(rb"\\"))),
    "json: escaped quotation marks": (JSON, lambda: in_json(filled(rb"\""))),
    "json: four bytes a character": (JSON, lambda: in_json(filled("\N{GRINNING FACE}".encode()))),
    "json: one character of four bytes": (JSON, lambda: in_json(filled(b"a") + "\N{GRINNING FACE}".encode())),
    "json: padding in every place": (JSON, lambda: in_json(filled(b"aGk="))),
    "json: a data URL without an end": (JSON, lambda: in_json(b"data:" + filled(b"a"))),
    "json: URL-safe, without padding": (JSON, lambda: in_json(filled(b"_-") + b"_-")),
    "json: a long option": (JSON, lambda: b'{"top_k": "' + filled(b"a") + b'"}'),
    "json: a long number": (JSON, lambda: b'{"top_k": ' + filled(b"1") + b"}"),
    "json: not UTF-8": (JSON, lambda: filled(b"\xff")),
    "form: one file": (FORM, lambda: part(b"", bytes(SIZE)) + b"--cut--\r\n"),
    "form: 100,000 parts": (FORM, lambda: part(b"", b"") * 100_000 + b"--cut--\r\n"),
    "form: nested": (FORM, lambda: part(b"\r\nContent-Type: multipart/mixed; boundary=x", filled(b"--x\r\n\r\n"))),
    "form: huge headers": (FORM, lambda: part(b"\r\nX: " + filled(b"a"), b"") + b"--cut--\r\n"),
    "form: many headers": (FORM, lambda: part(filled(b"\r\nX: a"), b"") + b"--cut--\r\n"),
    "form: semicolons in a header": (FORM, lambda: part(b";" * 4000, b"") * 64 + b"--cut--\r\n"),
    "form: many dispositions": (FORM, lambda: part(b"\r\nContent-Disposition: a;" + b";" * 900, b"") * 64),
    "form: long file names": (FORM, lambda: part(b";" * 900, b"") * MAX_IMAGES + b"--cut--\r\n"),
    "form: a long option": (FORM, lambda: b'--cut\r\nContent-Disposition: a; name="top_k"\r\n\r\n' + filled(b"1")),
    "form: nearly boundaries": (FORM, lambda: part(b"", filled(b"\r\n--cu")) + b"--cut--\r\n"),
    "form: carriage returns": (FORM, lambda: part(b"", filled(b"\r")) + b"--cut--\r\n"),
    "form: blanks behind a boundary": (FORM, lambda: part(b"", b"") + b"--cut" + filled(b" ") + b"\r\n"),
    "form: line breaks before": (FORM, lambda: filled(b"\r\n") + part(b"", b"") + b"--cut--\r\n"),
    "form: text before": (FORM, lambda: filled(b"\r\n--cu") + part(b"", b"") + b"--cut--\r\n"),
    "form: text behind": (FORM, lambda: part(b"", b"") + b"--cut--\r\n" + filled(b"a")),
    "form: a long Content-Type": (FORM + ";" * 60_000, lambda: b"--cut--\r\n"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_no_step_holds_the_event_loop(name: str) -> None:
    """For 50 ms; counted is what the processor takes, and of each step the least of three runs.

    Other processes empty the caches that a step needs, which doubles its time.
    """
    content_type, make = SHAPES[name]
    body = make()
    runs = [list(step_seconds(body, content_type)) for _ in range(3)]
    assert max(map(min, zip(*runs, strict=True))) < 0.05


def step_seconds(body: bytes, content_type: str) -> Iterator[float]:
    """Parse a body; yield what the processor took for each step."""
    steps = parse_body(body, content_type, MAX_IMAGES)
    ended = False
    while not ended:
        started_s = time.thread_time()
        try:
            steps.send(None)
        except (StopIteration, ServiceError):
            ended = True
        yield time.thread_time() - started_s


@pytest.mark.parametrize("name", SHAPES)
def test_memory_is_in_proportion_to_the_body(name: str) -> None:
    """Three times as much, itself included."""
    content_type, make = SHAPES[name]
    body = make()
    tracemalloc.start()
    try:
        kept = result_of(parse_body(body, content_type, MAX_IMAGES))
        del kept
    except ServiceError as error:
        assert len(error.detail) < 1000
    finally:
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak_bytes <= 2 * len(body) + 1024 * 1024

"""Bodies that are compressed with gzip are decompressed in short steps and within limits."""

import gzip
import random
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from service.api.v1.content_encoding import gunzip, is_gzip
from service.batching.admission import CapacityLimiter
from service.errors import BodyTooLarge, MalformedBody, QueueFull, ServiceError

CASES = Path(__file__).parents[3] / "cases/requests"
SIZE = 32 * 1024 * 1024


def unlimited() -> CapacityLimiter:
    return CapacityLimiter(2 * SIZE, "bytes")


def result_of(steps: Coroutine[Any, Any, bytes]) -> tuple[bytes | ServiceError, list[float]]:
    """Run the coroutine, which waits for nothing; return its result and the processor seconds of each step."""
    seconds: list[float] = []
    while True:
        started_s = time.thread_time()
        try:
            steps.send(None)
        except StopIteration as end:
            return end.value, seconds
        except ServiceError as error:
            return error, seconds
        finally:
            seconds.append(time.thread_time() - started_s)


def decompressed(body: bytes, max_bytes: int = SIZE, limiter: CapacityLimiter | None = None) -> bytes | ServiceError:
    with (limiter or unlimited()).hold(0) as held:
        return result_of(gunzip(body, max_bytes, held))[0]


@pytest.mark.parametrize("header", [b"gzip", b"GZIP", b" x-gzip "])
def test_gzip_has_two_names_in_any_case(header: bytes) -> None:
    """RFC 9110, section 8.4.1.3."""
    assert is_gzip(header)


@pytest.mark.parametrize("header", [b"", b"identity"])
def test_identity_is_no_compression(header: bytes) -> None:
    """Some clients name it."""
    assert not is_gzip(header)


@pytest.mark.parametrize("header", [b"br", b"deflate", b"gzip, gzip", b"zstd" * 1000, b"\xff"])
def test_another_encoding_is_refused_with_what_to_send(header: bytes) -> None:
    """Status 415, with the encoding that is read in Accept-Encoding (RFC 9110, section 12.5.3)."""
    with pytest.raises(HTTPException) as caught:
        is_gzip(header)
    assert caught.value.status_code == 415
    assert caught.value.headers == {"Accept-Encoding": "gzip"}
    assert "send the body with gzip, or without compression" in caught.value.detail
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize("size", [0, 1, 16_384, 131_071, 131_072, 131_073, 1_000_000])
@pytest.mark.parametrize("level", [0, 9])
def test_what_was_compressed_is_read(size: int, level: int) -> None:
    """Whether it becomes much smaller or larger, and wherever a step ends."""
    for data in (bytes(size), random.Random(1).randbytes(size)):
        assert decompressed(gzip.compress(data, level)) == data


def test_a_compressed_image_of_a_client_is_read() -> None:
    """A PNG, as it was sent."""
    image = decompressed((CASES / "gz_image").read_bytes())
    assert isinstance(image, bytes)
    assert image.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (lambda body: b"", "stops before its end"),
        (lambda body: body[:-1], "stops before its end"),
        (lambda body: body[:12], "stops before its end"),
        (lambda body: b"\xff\xd8\xff" + body, "is no gzip or damaged"),
        (lambda body: body[:-8] + bytes(8), "is no gzip or damaged"),
        (lambda body: body + b"x", "something follows"),
        (lambda body: body * 2, "something follows"),
        (lambda body: body + bytes(100_000), "something follows"),
    ],
)
def test_damaged_gzip_is_malformed(damaged: Callable[[bytes], bytes], reason: str) -> None:
    """The detail says whether it is cut off, damaged, or followed by something."""
    error = decompressed(damaged(gzip.compress(bytes(1000))))
    assert isinstance(error, MalformedBody)
    assert reason in error.detail


def test_the_limit_of_a_body_holds_without_compression() -> None:
    """A small body that becomes a large one is refused as soon as it exceeds the limit."""
    body = gzip.compress(bytes(1_000_001))
    assert isinstance(decompressed(body, 1_000_000), BodyTooLarge)
    assert decompressed(body, 1_000_001) == bytes(1_000_001)


def test_decompressed_bytes_count_as_bytes_of_bodies() -> None:
    """The limit of all bodies together holds for them, and they are given back at the end."""
    limiter = CapacityLimiter(500_000, "bytes")
    assert isinstance(decompressed(gzip.compress(bytes(600_000)), limiter=limiter), QueueFull)
    assert limiter.inside == 0


SHAPES: dict[str, Callable[[], bytes]] = {
    "zeros up to the limit": lambda: gzip.compress(bytes(SIZE)),
    "far more than the limit": lambda: gzip.compress(bytes(8 * SIZE)),
    "noise": lambda: gzip.compress(random.Random(1).randbytes(SIZE // 2), 1),
    "a long file name": lambda: b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * SIZE,
    "empty blocks": lambda: b"\x1f\x8b\x08\x00" + bytes(6) + b"\x00\x00\x00\xff\xff" * (SIZE // 5),
    "something behind": lambda: gzip.compress(b"a") + bytes(SIZE),
}


@pytest.mark.parametrize("name", SHAPES)
def test_no_step_holds_the_event_loop_and_memory_is_bounded(name: str) -> None:
    """50 ms, the least of three runs for each step; twice the limit of a body."""
    body = SHAPES[name]()
    runs = []
    for _ in range(3):
        with unlimited().hold(0) as held:
            runs.append(result_of(gunzip(body, SIZE, held))[1])
    assert max(map(min, zip(*runs, strict=True))) < 0.05
    tracemalloc.start()
    try:
        decompressed(body)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes <= 2 * SIZE + 1024 * 1024

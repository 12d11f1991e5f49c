"""The messages to and from a decode worker, and its main loop."""

import json
import subprocess
import sys

import numpy as np
import pytest

from models.contract import Preprocessing
from service.decoding.decode import DecodeLimits, decode
from service.decoding.worker_ipc import HEAD_BYTES, Message, lengths_of
from service.decoding.worker_main import READY, decode_reply, encode_request
from service.errors import ImageError, UnsupportedFormat
from service.settings import MIB
from tests.support.bundles import INPUT
from tests.support.pictures import BLUE, RED, picture

HOW = Preprocessing()
LIMITS = DecodeLimits(("PNG",), 10_000)


def answered(*requests: Message) -> list[Message]:
    """Return the replies of a worker process that receives the requests and then the end of its input."""
    command = [sys.executable, "-m", "service.decoding.worker_main", "10", str(1024 * MIB)]
    sent = b"".join(part for request in requests for part in request.packed())
    process = subprocess.run(command, input=sent, capture_output=True, check=True, timeout=60)
    assert process.stdout.startswith(READY)
    left = process.stdout.removeprefix(READY)
    replies = []
    while left:
        head, payload = lengths_of(left[:HEAD_BYTES])
        text, left = left[HEAD_BYTES : HEAD_BYTES + head], left[HEAD_BYTES + head :]
        replies.append(Message(json.loads(text), left[:payload]))
        left = left[payload:]
    return replies


def test_a_worker_answers_each_request_and_ends_with_its_input() -> None:
    """Replies come in the order of the requests, and an image that is refused does not end the process."""
    red, refused, blue, native = answered(
        encode_request(picture(RED), INPUT, HOW, LIMITS),
        encode_request(picture(RED, image_format="JPEG"), INPUT, HOW, LIMITS),
        encode_request(picture(BLUE), INPUT, HOW, LIMITS),
        encode_request(picture(RED, (40, 30)), INPUT, HOW, LIMITS, dense_pixels=2000),
    )
    for reply, body in ((red, picture(RED)), (blue, picture(BLUE))):
        expected = decode(body, INPUT, HOW, LIMITS)
        found = decode_reply(reply)
        assert (found.pixels == expected.pixels).all()
        assert (found.size, found.pixels.shape) == (expected.size, INPUT.shape)
    with pytest.raises(UnsupportedFormat, match="accepted are PNG"):
        decode_reply(refused)
    assert decode_reply(native).pixels.shape == (30, 40, 3)


@pytest.mark.parametrize("error", ImageError.__subclasses__())
def test_each_error_of_an_image_is_raised_by_the_parent(error: type[ImageError]) -> None:
    """A reply holds the name and the detail of the error, and no pickled object."""
    with pytest.raises(error, match="what to change"):
        decode_reply(Message({"error": error.__name__, "detail": "what to change"}, b""))


def test_a_reply_becomes_pixels_of_its_shape() -> None:
    """The payload holds the pixels in C order, and the head their shape and the size of the image."""
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    done = decode_reply(Message({"shape": [2, 2, 3], "size": [40, 30], "seconds": 0.5}, pixels.tobytes()))
    assert (done.pixels.tolist(), done.size, done.seconds) == (pixels.tolist(), (40, 30), 0.5)

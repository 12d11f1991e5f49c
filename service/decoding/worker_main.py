"""The decode worker process. Reaching a limit of time or memory ends this process and no other.

`python -m service.decoding.worker_main TIME_LIMIT_S MEMORY_LIMIT_BYTES` reads requests from its standard input and
writes replies to its standard output, each a packed `Message`. The process ends at the end of its input. The parent
unpickles nothing that a worker sends. What libraries print while decoding is discarded: libtiff prints warnings about a
file, and a full pipe would block the worker.
"""

import json
import os
import resource
import signal
import sys
from typing import BinaryIO

import numpy as np

from models.contract import Input, Preprocessing
from service.decoding import heic
from service.decoding.decode import Decoded, DecodeLimits, decode
from service.decoding.worker_ipc import HEAD_BYTES, Message, lengths_of
from service.errors import ImageError

READY = b"ready"
"""The first bytes that a worker writes."""


def encode_request(
    body: bytes, target: Input, preprocessing: Preprocessing, limits: DecodeLimits, dense_pixels: int | None = None
) -> Message:
    head = {
        "target": target.model_dump(mode="json"),
        "preprocessing": preprocessing.model_dump(mode="json"),
        "formats": limits.formats,
        "max_pixels": limits.max_pixels,
        "dense_pixels": dense_pixels,
    }
    return Message(head, body)


def decode_reply(frame: Message) -> Decoded:
    """Return the decoded image of a worker's reply. Raises the ImageError of the reply."""
    if "error" in frame.head:
        known = {error.__name__: error for error in ImageError.__subclasses__()}
        raise known[frame.head["error"]](frame.head["detail"])
    pixels = np.frombuffer(frame.payload, np.uint8).reshape(frame.head["shape"])
    width, height = frame.head["size"]
    return Decoded(pixels, (width, height), frame.head["seconds"])


def _answer(frame: Message) -> Message:
    head = frame.head
    limits = DecodeLimits(tuple(head["formats"]), head["max_pixels"])
    if "HEIC" in limits.formats:
        heic.register()
    target, preprocessing = Input.model_validate(head["target"]), Preprocessing.model_validate(head["preprocessing"])
    try:
        done = decode(frame.payload, target, preprocessing, limits, head["dense_pixels"])
    except ImageError as error:
        return Message({"error": type(error).__name__, "detail": error.detail}, b"")
    return Message({"size": done.size, "shape": done.pixels.shape, "seconds": done.seconds}, done.pixels.tobytes())


def _read(source: BinaryIO) -> Message | None:
    beginning = source.read(HEAD_BYTES)
    if len(beginning) < HEAD_BYTES:
        return None
    head, payload = lengths_of(beginning)
    return Message(json.loads(source.read(head)), source.read(payload))


def main(time_limit_s: float, memory_limit_bytes: int) -> None:
    """Answer requests until the input ends.

    SIGALRM has its default action, which ends the process even inside a decoder.
    """
    try:
        resource.setrlimit(resource.RLIMIT_AS, (memory_limit_bytes, memory_limit_bytes))
    except (AttributeError, OSError, ValueError) as error:
        sys.stderr.write(f"decode_memory_bytes is not enforced on this platform: {error}\n")
        sys.stderr.flush()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    with open(os.devnull, "wb") as nowhere:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere.fileno(), stream.fileno())
    answers.write(READY)
    answers.flush()
    while (frame := _read(sys.stdin.buffer)) is not None:
        signal.setitimer(signal.ITIMER_REAL, time_limit_s)
        answer = _answer(frame)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.writelines(answer.packed())
        answers.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))

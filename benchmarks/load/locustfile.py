"""Put load on a running service with four kinds of users; every answer is checked, a wrong one is a failure.

    make load [HOST=http://127.0.0.1:8000] [USERS=8] [TIME=30s] [LOAD_FLAGS="--bad-image-weight 0 --top-k 1"]

A user sends its next request as soon as the last one is answered, so the number of users is the number of requests in
flight. A refusal (503) is a failure that the table names.
"""

import itertools
import json
import struct
import zlib
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from locust import FastHttpUser, constant, events, task
from locust.env import Environment
from urllib3.filepost import encode_multipart_formdata

GOLDEN = Path(__file__).parents[2] / "models" / "imagenet" / "1" / "golden"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}
BYTES = "application/octet-stream"


class Photo(NamedTuple):
    """An image file: its name and its bytes."""

    name: str
    encoded: bytes


class BadImage(NamedTuple):
    """A body that is not a valid image, and the expected answer: status and problem type."""

    name: str
    body: bytes
    status: int
    problem: str


class LoadSettings:
    """State that all users share; set when a test starts."""

    photos: list[Photo]
    images_per_request: int
    path: str
    first_answers: dict[str, int]


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _add_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("Snellen")
    group.add_argument("--raw-weight", type=int, default=6, help="users that send the bytes of one image")
    group.add_argument("--multipart-weight", type=int, default=2, help="users that send a form with one file")
    group.add_argument("--many-image-weight", type=int, default=1, help="users that send a form with several files")
    group.add_argument("--bad-image-weight", type=int, default=1, help="users that send invalid images")
    group.add_argument("--images-per-request", type=int, default=4, help="files of a many-image user's form")
    group.add_argument("--images", default=str(GOLDEN), help="an image, or a folder of images")
    group.add_argument("--model", default="", help="a model's name; empty for the service's default")
    group.add_argument("--top-k", type=int, default=5, help="classes in an answer")


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def _prepare(environment: Environment, **_: Any) -> None:
    options = environment.parsed_options
    assert options is not None
    RawUser.weight, MultipartUser.weight = options.raw_weight, options.multipart_weight
    ManyImageUser.weight, BadImageUser.weight = options.many_image_weight, options.bad_image_weight
    LoadSettings.photos = read_photos(Path(options.images))
    LoadSettings.images_per_request = options.images_per_request
    LoadSettings.path = f"/v1/models/{options.model}/classify" if options.model else "/v1/classify"
    LoadSettings.path += "?" + urlencode({"top_k": options.top_k})
    LoadSettings.first_answers = {}


def read_photos(path: Path) -> list[Photo]:
    """Read the image at `path` or the images in that folder, by name. Raises FileNotFoundError without any."""
    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"no image at {path}; name a file or a folder with --images")
    return [Photo(file.name, file.read_bytes()) for file in files]


def form(photos: list[Photo]) -> tuple[bytes, str]:
    """Return a multipart body with one file part per photo, and its content type."""
    return encode_multipart_formdata([("image", (photo.name, photo.encoded)) for photo in photos])


def bad_images(photo: bytes) -> list[BadImage]:
    """Return a truncated image, a body that is no image, a header that claims too many pixels, and an empty body."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    huge = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"") + _chunk(b"IEND", b"")
    return [
        BadImage("truncated", photo[: len(photo) // 2], 422, "/problems/corrupt-image"),
        BadImage("no image", b"%PDF-1.7 " + b"not an image" * 100, 415, "/problems/unsupported-format"),
        BadImage("too many pixels", huge, 422, "/problems/too-many-pixels"),
        BadImage("empty", b"", 400, "/problems/empty-body"),
    ]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def answer_error(status: int, text: str, photos: list[Photo], first_answers: dict[str, int]) -> str | None:
    """Return what is wrong with an answer about `photos`, or None.

    first_answers: class by photo name of the first answer; later answers must name the same class.
    """
    if status != 200:
        return f"{status} {_problem(text)}"
    try:
        tops = [max(result["predictions"], key=lambda p: p["probability"]) for result in json.loads(text)["results"]]
        answers = [(int(top["class_id"]), str(top["label"]), float(top["probability"])) for top in tops]
    except (ValueError, KeyError, TypeError) as error:
        return f"not the JSON that was promised: {error!r}"
    if len(answers) != len(photos):
        return f"{len(answers)} results for {len(photos)} images"
    for photo, (class_id, _, _) in zip(photos, answers, strict=True):
        if class_id != first_answers.setdefault(photo.name, class_id):
            return f"another class for {photo.name} than the first time"
    return None


def bad_image_error(status: int, text: str, bad: BadImage) -> str | None:
    """Return what is wrong with an answer about a bad image, or None."""
    problem = _problem(text)
    return None if (status, problem) == (bad.status, bad.problem) else f"{status} {problem} for {bad.name}"


def _problem(text: str) -> str:
    try:
        return str(json.loads(text)["type"])
    except (ValueError, KeyError, TypeError):
        return "without a problem document"


class ServiceUser(FastHttpUser):
    """Base class: posts bodies and reports every wrong answer as a failure."""

    abstract = True
    wait_time = constant(0)

    def on_start(self) -> None:
        """Start the cycles of photos and invalid images."""
        self.photos = itertools.cycle(LoadSettings.photos)
        self.bad_images = itertools.cycle(bad_images(LoadSettings.photos[0].encoded))

    def classify(self, name: str, body: bytes, content_type: str, photos: list[Photo]) -> None:
        """Post a body and check the answer about these photos."""
        self._post(
            name,
            body,
            content_type,
            lambda status, text: answer_error(status, text, photos, LoadSettings.first_answers),
        )

    def _post(self, name: str, body: bytes, content_type: str, judge: Callable[[int, str], str | None]) -> None:
        data: Any = body  # locust annotates the body as text but sends bytes unchanged
        headers = {"Content-Type": content_type}
        with self.client.post(
            LoadSettings.path, data=data, headers=headers, name=name, catch_response=True
        ) as response:
            wrong = judge(response.status_code, response.text or "")
            if wrong:
                response.failure(wrong)
            else:
                response.success()


class RawUser(ServiceUser):
    """Sends the bytes of one image as the body."""

    @task
    def send(self) -> None:
        """Send one request."""
        photo = next(self.photos)
        self.classify("raw", photo.encoded, BYTES, [photo])


class MultipartUser(ServiceUser):
    """Sends a form with one file, as a browser does."""

    @task
    def send(self) -> None:
        """Send one request."""
        photo = next(self.photos)
        self.classify("multipart", *form([photo]), [photo])


class ManyImageUser(ServiceUser):
    """Sends a form with several files."""

    @task
    def send(self) -> None:
        """Send one request."""
        photos = list(itertools.islice(self.photos, LoadSettings.images_per_request))
        self.classify(f"{len(photos)} images", *form(photos), photos)


class BadImageUser(ServiceUser):
    """Sends invalid images, which the service must refuse with the right problem type."""

    @task
    def send(self) -> None:
        """Send one request."""
        bad = next(self.bad_images)
        self._post(f"bad: {bad.name}", bad.body, BYTES, lambda status, text: bad_image_error(status, text, bad))

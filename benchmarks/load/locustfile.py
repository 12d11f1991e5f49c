"""Put load on a running service with four kinds of users; every answer is checked, a wrong one is a failure.

    make load [HOST=http://127.0.0.1:8000] [MIX=good] [USERS=8] [TIME=30s] [LOAD_FLAGS="--top-k 1"]
    make load-ui [HOST=http://127.0.0.1:8000] [UI_PORT=8089]

Where the service needs an API key, the variable SNELLEN_KEY has it; an option would show it in the list of processes.

A user sends its next request as soon as the last one is answered, so the number of users is the number of requests in
flight. A refusal (503) is a failure that the table names.
"""

import itertools
import json
import logging
import os
import struct
import sys
import zlib
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from difflib import get_close_matches
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import gevent  # type: ignore[import-untyped]
from locust import FastHttpUser, constant, events, task
from locust.env import Environment
from urllib3.filepost import encode_multipart_formdata

from models.contract import IMAGE_SUFFIXES, is_litter

GOLDEN = Path(__file__).parents[2] / "models" / "imagenet" / "1" / "golden"
BYTES = "application/octet-stream"
KINDS = ("raw", "multipart", "many-image", "bad-image")
MIXES = {
    "good": (6, 2, 1, 0),
    "raw": (1, 0, 0, 0),
    "many": (0, 0, 1, 0),
    "mixed": (6, 2, 1, 1),
    "hostile": (1, 0, 0, 3),
}
"""Shares of the kinds of users, in the order of KINDS."""
CHECK_S = 5
"""Time limit for the first answer of the service, before any load, in seconds."""
KEY = "SNELLEN_KEY"
"""Variable with the API key, for a service that needs one."""
MAX_REASONS = 10
"""Number of reasons of failures that are printed."""


class Photo(NamedTuple):
    """An image file: its name and its bytes."""

    name: str
    encoded: bytes


class BadImage(NamedTuple):
    """A body that is not a valid image, and the expected answer: status, and the name of the problem."""

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
    parser.add_argument("--mix", default="good", help=f"what is sent: {', '.join(MIXES)}")
    parser.add_argument("--images-per-request", type=int, default=4, help="files of a many-image user's form")
    parser.add_argument("--model", default="", help="a model's name; empty for the service's default")
    parser.add_argument("--top-k", type=int, default=0, help="classes in an answer; 0 for the service's default")
    group = parser.add_argument_group("Snellen, on the command line only")
    group.add_argument("--images", default=str(GOLDEN), help="an image, or a folder of images")
    sent = "the bytes of one image", "a form with one file", "a form with several files", "invalid images"
    for kind, body in zip(KINDS, sent, strict=True):
        text = f"share of users that send {body}, in place of the mix's"
        group.add_argument(f"--{kind}-weight", type=int, help=text)


@events.init.add_listener  # type: ignore[untyped-decorator]
def _check(environment: Environment, **_: Any) -> None:
    """End with status 2 and one sentence, before any load, where the run could only fail."""
    options = environment.parsed_options
    assert options is not None
    try:
        _apply(options)
        if options.headless and not options.worker:  # in the web UI the host may still be changed
            check_host(environment.host or "")
            check_key(environment.host or "")
    except ValueError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def _prepare(environment: Environment, **_: Any) -> None:
    options = environment.parsed_options
    assert options is not None
    try:
        _apply(options)
    except ValueError as error:  # only options of the web UI were not checked before
        logging.error(error)
        assert environment.runner is not None
        gevent.spawn(environment.runner.stop)


def _apply(options: Namespace) -> None:
    """Set what all users share. Raises ValueError with one sentence for options that cannot be."""
    shares = weights(options)
    for user, share in zip((RawUser, MultipartUser, ManyImageUser, BadImageUser), shares, strict=True):
        user.weight = share
    LoadSettings.photos = read_photos(Path(options.images))
    LoadSettings.images_per_request = options.images_per_request
    if options.images_per_request < 1:
        raise ValueError(f"--images-per-request is {options.images_per_request}: give 1 or more.")
    LoadSettings.path = f"/v1/models/{options.model}/classify" if options.model else "/v1/classify"
    if options.top_k:
        LoadSettings.path += "?" + urlencode({"top_k": options.top_k})
    LoadSettings.first_answers = {}


def weights(options: Namespace) -> tuple[int, ...]:
    """Return the shares of the kinds of users. Raises ValueError for an unknown mix, and where no user is left."""
    if options.mix not in MIXES:
        similar = get_close_matches(options.mix, MIXES, n=1)
        hint = f"did you mean {similar[0]}?" if similar else f"the mixes are {', '.join(MIXES)}."
        raise ValueError(f"There is no mix {options.mix!r}; {hint}")
    given = [getattr(options, f"{kind.replace('-', '_')}_weight") for kind in KINDS]
    shares = tuple(mix if own is None else own for own, mix in zip(given, MIXES[options.mix], strict=True))
    if min(shares) < 0 or not any(shares):
        raise ValueError("The weights of the users are negative or all 0: give at least one above 0.")
    return shares


def check_host(host: str) -> None:
    """Ask whether the service is ready. Raises ValueError with one sentence where it is not, or where none answers."""
    address = host.rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError(f"{host!r} is not the address of a service; write it as in http://127.0.0.1:8000.")
    other = "name another address with HOST=http://NAME:PORT (--host of locust)"
    try:  # without a proxy, as the users send
        build_opener(ProxyHandler({})).open(f"{address}/readyz", timeout=CHECK_S).close()
    except HTTPError as error:
        if error.code == 503:
            raise ValueError(f"The service at {address} is not ready: {_detail(error.read())}.") from None
        wrong = f"GET /readyz was answered with status {error.code}"
        raise ValueError(f"The server at {address} is not this service: {wrong}; {other}.") from None
    except HTTPException:
        raise ValueError(f"The server at {address} does not speak HTTP; {other}.") from None
    except OSError:
        raise ValueError(f"Nothing answers at {address}; start the service, or {other}.") from None


def key_headers() -> dict[str, str]:
    """Return the header with the API key; none where the variable is not set."""
    key = os.environ.get(KEY, "")
    return {"Authorization": f"Bearer {key}"} if key else {}


def check_key(host: str) -> None:
    """Post an empty body. Raises ValueError with one sentence where the service asks for an API key, or for another."""
    request = Request(  # noqa: S310 - check_host has looked at it
        host.rstrip("/") + LoadSettings.path, data=b"", headers=key_headers(), method="POST"
    )
    try:
        build_opener(ProxyHandler({})).open(request, timeout=CHECK_S).close()
    except HTTPError as error:
        if error.code in (401, 403):
            detail = _detail(error.read())
            raise ValueError(f"The service refuses the load: {detail}. The variable {KEY} has the key.") from None
    except (HTTPException, OSError):
        return  # the users see it


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return "GET /readyz was answered with status 503"


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def _print_errors(environment: Environment, **_: Any) -> None:
    """Print why requests failed, the most frequent reasons first; with --json-file locust itself does not."""
    options = environment.parsed_options
    if options is None or not options.json_file:
        return
    errors = sorted(environment.stats.errors.values(), key=lambda error: -error.occurrences)
    for error in errors[:MAX_REASONS]:
        print(f"failed {error.occurrences} times: {error.name}: {error.error}", file=sys.stderr)


def read_photos(path: Path) -> list[Photo]:
    """Read the image at `path` or the images in that folder, by name. Raises ValueError without any."""
    inside = (each for each in path.glob("*") if each.suffix.lower() in IMAGE_SUFFIXES and not is_litter(each.name))
    files = [path] if path.is_file() else sorted(inside)
    if not files:
        raise ValueError(f"There is no image at {path}; name a file or a folder with --images.")
    return [Photo(file.name, file.read_bytes()) for file in files]


def form(photos: list[Photo]) -> tuple[bytes, str]:
    """Return a multipart body with one file part per photo, and its content type."""
    return encode_multipart_formdata([("image", (photo.name, photo.encoded)) for photo in photos])


def bad_images(photo: bytes) -> list[BadImage]:
    """Return a truncated image, a body that is no image, a header that claims too many pixels, and an empty body."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    huge = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"") + _chunk(b"IEND", b"")
    return [
        BadImage("truncated", photo[: len(photo) // 2], 422, "corrupt-image"),
        BadImage("no image", b"%PDF-1.7 " + b"not an image" * 100, 415, "unsupported-format"),
        BadImage("too many pixels", huge, 422, "too-many-pixels"),
        BadImage("empty", b"", 400, "empty-body"),
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
    slug = problem.rpartition("/")[2]  # the path before it has the prefix of a proxy
    return None if (status, slug) == (bad.status, bad.problem) else f"{status} {problem} for {bad.name}"


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
        headers = {"Content-Type": content_type, **key_headers()}
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

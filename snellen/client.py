"""A client of the service in Python: typed answers, problems as exceptions, retries, folders of images.

    from snellen.client import Client

    with Client("http://localhost:8000") as client:
        print(client.classify("photo.jpg").best.label)

`AsyncClient` has the same methods for asyncio. Install it with `pip install 'snellen[client]'`. Nothing of the service
is imported: no numpy, no onnxruntime.
"""

import asyncio
import io
import math
import os
import random
import re
import ssl
import sys
import time
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Self, TypeAlias, TypedDict, TypeVar, Unpack
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

try:
    import httpx2 as httpx
except ImportError as error:  # pragma: no cover
    raise ImportError("snellen.client needs httpx2; install it with: pip install 'snellen[client]'") from error

if TYPE_CHECKING:
    from PIL.Image import Image

    ImageSource: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image

__all__ = ["AsyncClient", "Classification", "Client", "ClientError", "FileResult", "Problem", "Retries", "Unreachable"]

T = TypeVar("T", bound=BaseModel)

_REPEATED_STATUSES = (429, 502, 503)
"""Statuses after which a request is sent again: too many requests, a proxy without a service behind it, unavailable."""
_JITTER = 0.25
"""Limit of the random part by which a wait is made longer, so that clients refused together do not return together."""
_ABOUT_THE_IMAGE = {
    *("empty-body", "body-too-large", "unsupported-format", "corrupt-image"),
    *("too-many-pixels", "too-small", "too-many-cells", "decode-limit"),
}
"""Problems that another image may not have: what follows the last slash of `type`."""
_NOT_FOR_ALL = (408, 429)
"""Statuses from 400 to 499 that the next request of a folder may not get, although it has the same options."""
_BINARY = "application/octet-stream"
_PILLOW_MODES_OF_PNG = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")
_ORIENTATION = 0x0112
"""Exif tag of an image that is to be turned before it is shown."""
_SHOWN_CHARACTERS = 200
"""Characters of an answer that is not the service's which an error repeats."""


class ClientError(Exception):
    """Base of the errors of this module."""


class Unreachable(ClientError):
    """No answer.

    Nothing listens at the address, its certificate is not accepted, the connection was closed, or the time has passed.
    """


class Problem(ClientError):
    """The service, or a proxy before it, refused the request.

    status: HTTP status. type: path that identifies the kind, such as `/problems/corrupt-image`, with the prefix of a
    proxy before it if there is one; or `about:blank`.
    title: the kind in words. detail: what happened and what to change. request_id: the request's id in the log of the
    service. retry_after_s: seconds of the header Retry-After, after which to send the request again; None without it.
    """

    def __init__(
        self,
        status: int,
        type: str,  # noqa: A002 - the name of RFC 9457
        title: str,
        detail: str,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(status, type, title, detail, request_id, retry_after_s)
        self.status, self.type, self.title, self.detail = status, type, title, detail
        self.request_id, self.retry_after_s = request_id, retry_after_s

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.status} {self.title}: {self.detail}{request}"

    @property
    def is_about_the_image(self) -> bool:
        """Whether the image was refused, such as a damaged file, and not the request."""
        return self.type.rpartition("/")[2] in _ABOUT_THE_IMAGE


class _Answer(BaseModel):
    """Base of what the service answers; fields that a newer service adds are ignored."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Prediction(_Answer):
    """One class. `class_id` identifies it, since two classes may have the same label.

    probability: from 0 to 1. threshold, present: of multi-label models only, the probability from which on the class
    counts as present, and whether it is reached.
    """

    class_id: int
    label: str
    probability: float
    threshold: float | None = None
    present: bool | None = None


class PredictionSet(_Answer):
    """The classes that together hold the true one in `coverage` of all images, most probable first."""

    coverage: float
    predictions: list[Prediction]


class Region(_Answer):
    """A rectangle in fractions of the upright picture's width and height; below 0 and above 1 where the model pads."""

    left: float
    top: float
    right: float
    bottom: float


class Heatmap(_Answer):
    """Where in the picture a class was seen: `values[y][x]` from 0 to 1 over `region`."""

    class_id: int
    values: list[list[float]]
    region: Region


class Size(_Answer):
    """Height and width in pixels."""

    height: int
    width: int


class Grid(_Answer):
    """Classes of every part of a large picture.

    The cell in row r and column c begins r * stride.height pixels from the top and c * stride.width from the left.
    labels: of the classes in `class_ids`. class_ids, probabilities: [row][column] of top_k classes, most probable
    first.
    """

    rows: int
    columns: int
    image: Size
    cell: Size
    stride: Size
    labels: dict[int, str]
    class_ids: list[list[list[int]]]
    probabilities: list[list[list[float]]]


class _Result(_Answer):
    predictions: list[Prediction]
    energy: float | None = None
    unfamiliar: bool | None = None
    prediction_set: PredictionSet | None = None
    heatmap: Heatmap | None = None
    dense: Grid | None = None


class Classification(_Result):
    """The answer for one image; `predictions` has the most probable class first.

    model, version: that answered. calibrated: whether the probabilities were calibrated on held-out images.
    weak_calibration: why little can be concluded from the calibration, None if it is not weak. energy, unfamiliar: in
    nats, and whether the image probably shows none of the classes; None where the model has no threshold for it.
    prediction_set, heatmap, dense: what was asked for with `coverage`, `explain` and `dense`. request_id: the
    request's id in the log of the service. timing_ms: milliseconds by stage, such as `decode` and `infer`.
    """

    model: str
    version: str
    calibrated: bool
    weak_calibration: str | None = None
    request_id: str | None = None
    timing_ms: dict[str, float] = {}

    @property
    def best(self) -> Prediction:
        """The most probable class."""
        return self.predictions[0]


class _ProblemBody(_Answer):
    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None


class _Failed(_Answer):
    error: _ProblemBody


class _ClassifyResponse(_Answer):
    model: str
    version: str
    calibrated: bool
    weak_calibration: str | None = None
    results: list[_Result | _Failed]


class Input(_Answer):
    """What the network takes: colour mode by Pillow's name, height and width in pixels."""

    colour: str
    height: int
    width: int


class ModelSummary(_Answer):
    """One version of one model. `state` is loading, ready or failed; `reason` says why it failed."""

    name: str
    version: str
    default: bool
    state: str
    reason: str | None
    provider: str | None
    description: str
    classes: int
    input: Input


class ModelList(_Answer):
    """All models and versions. unreadable: folders that were passed over, and why."""

    default_model: str | None
    models: list[ModelSummary]
    unreadable: dict[str, str]


class ModelDetail(ModelSummary):
    """All properties of one version, with the names of the service's own document.

    labels: by class id. task: `single` or `multilabel`. coverages: values that `coverage` accepts. heatmap, dense:
    whether `explain="heatmap"` and `dense=True` are possible. The parts about preprocessing, scores, calibration and
    engine are as in the JSON; docs/api.md and docs/calibration.md explain them.
    """

    versions: list[str]
    labels: list[str]
    task: str
    preprocessing: dict[str, Any]
    metrics: dict[str, dict[str, Any]]
    calibration: dict[str, Any]
    heatmap: bool
    dense: dict[str, Any] | None
    coverages: list[float]
    engine: dict[str, Any] | None
    licence: str
    created: datetime


class Readiness(_Answer):
    """Whether the service is ready, and why not. True and false as `ready` is."""

    ready: bool
    detail: str
    models: list[ModelSummary]

    def __bool__(self) -> bool:
        return self.ready


@dataclass(frozen=True)
class FileResult:
    """The answer for one file of a folder: a classification, or the error of this file."""

    path: Path
    classification: Classification | None = None
    error: ClientError | OSError | None = None


@dataclass(frozen=True)
class Retries:
    """When a request is sent again.

    That is after 429, 502 and 503, and after a connection that was refused or closed. All other refusals are final,
    timeouts too. Where the answer has Retry-After, that time is waited, and up to a quarter more; else a time that
    doubles from `first_wait_s` up to `longest_wait_s`, shortened at random by up to a half.

    attempts: how often a request is sent at most; 1 for never again. first_wait_s, longest_wait_s: seconds. A service
    that asks for more than `longest_wait_s` is not asked again: its problem is raised, with `retry_after_s`.
    """

    attempts: int = 5
    first_wait_s: float = 0.25
    longest_wait_s: float = 30.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts}; it has to be at least 1, which means: send once")

    def wait_s(self, attempt: int, failure: ClientError) -> float | None:
        """Return the seconds to wait after the failure of attempt number `attempt`, from 1; None to give up."""
        if attempt >= self.attempts:
            return None
        if isinstance(failure, Problem):
            if failure.status not in _REPEATED_STATUSES:
                return None
            if (asked := failure.retry_after_s) is not None:
                return None if asked > self.longest_wait_s else asked * (1 + _JITTER * _random_part())
        backoff = min(self.longest_wait_s, self.first_wait_s * 2.0 ** min(attempt - 1, 32))
        return backoff * (1 - _random_part() / 2)


class Options(TypedDict, total=False):
    """What may be asked for besides the image; docs/api.md says what each means.

    model: name; the default model without it. version: of that model; its newest ready one without it. top_k: classes
    in the answer. explain: `"heatmap"`. coverage: of the prediction set, between 0 and 1. dense: a grid of classes.
    deadline_ms: milliseconds for the answer after the image has arrived. priority: `"bulk"` for work that may wait.
    """

    model: str
    version: str | int
    top_k: int
    explain: Literal["heatmap"]
    coverage: float
    dense: bool
    deadline_ms: int
    priority: Literal["interactive", "bulk"]


@dataclass(frozen=True)
class _Call:
    """One request, which can be sent several times."""

    method: str
    path: str
    params: dict[str, str | int | float] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    files: list[tuple[str, tuple[str, bytes, str]]] | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `httpx.Client.request`."""
        return {
            "method": self.method,
            "url": self.path,
            "params": self.params,
            "headers": self.headers,
            "content": self.content,
            "files": self.files,
        }


class _Settings:
    """What both clients have in common: how to reach the service, and when to send again."""

    def __init__(
        self,
        url: str = "http://localhost:8000",
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        retries: Retries | None = None,
        headers: Mapping[str, str] | None = None,
        verify: bool | str | ssl.SSLContext = True,
        max_connections: int = 100,
    ) -> None:
        """Check the arguments. Connects with the first request.

        url: of the service, with the prefix of a proxy if there is one. api_key: sent as `Authorization: Bearer`.
        timeout_s: limit in seconds for connecting, and for each pause while sending or receiving. retries: when a
        request is sent again; None for the defaults. headers: sent with each request. verify: False accepts any
        certificate; a text is the path of a file with certificates to trust; a context may also hold a certificate of
        the client. max_connections: limit of connections. Raises ValueError.
        """
        if not re.match(r"https?://[^/]", url):
            raise ValueError(f"the address {url!r} should begin with http:// or https://, as http://localhost:8000")
        if api_key is not None and not re.fullmatch(r"[!-~]+", api_key):
            raise ValueError("the API key has to be ASCII without blanks; it was probably copied with a line end")
        self.url, self._retries = url, retries or Retries()
        authorization = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._timeout_s = timeout_s
        self._open(
            base_url=url,
            headers={"Accept": "application/json, application/problem+json"} | authorization | dict(headers or {}),
            timeout=httpx.Timeout(timeout_s),
            verify=ssl.create_default_context(cafile=verify) if isinstance(verify, str) else verify,
            limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
        )

    def _open(self, **options: Any) -> None:
        """Make the HTTP client with these options of httpx."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def _unreachable(self, error: httpx.RequestError) -> Unreachable:
        """Return the error with a sentence on what to do."""
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Unreachable(
                f"the certificate of {self.url} is not accepted ({error}); name a file with its authority: verify=FILE"
            )
        if isinstance(error, httpx.ConnectError):
            return Unreachable(f"nothing answers at {self.url} ({error}); start the service, or correct the address")
        if isinstance(error, httpx.TimeoutException):
            return Unreachable(f"no answer of {self.url} within {self._timeout_s:g} s; raise timeout_s, or send less")
        return Unreachable(f"the connection to {self.url} failed: {str(error) or type(error).__name__}")

    def _wait_s(self, attempt: int, failure: ClientError) -> float | None:
        cause = failure.__cause__
        if isinstance(failure, Unreachable) and not isinstance(cause, httpx.NetworkError | httpx.RemoteProtocolError):
            return None
        return self._retries.wait_s(attempt, failure)


class Client(_Settings):
    """A client for programs without asyncio. Threads may share it. Use it in a `with` block, or close it."""

    def _open(self, **options: Any) -> None:
        self._http = httpx.Client(**options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def classify(self, image: "ImageSource", **options: Unpack[Options]) -> Classification:
        """Return the classes of one image.

        image: path of a file, bytes of an image file, file opened in binary mode, or image of Pillow. options: see
        `Options`. Raises Problem, Unreachable, OSError for a file that cannot be read.
        """
        call = _classify_call([_encoded(image)], **options)
        return _single(self._send(call), call)

    def classify_many(
        self, images: "Iterable[ImageSource]", **options: Unpack[Options]
    ) -> list[Classification | Problem]:
        """Send several images in one request, and return an answer for each, in order; a Problem for a refused image.

        The service limits their number (`max_images`, 64 by default) and the bytes of a request. Raises as `classify`
        where the whole request is refused, and ValueError without an image.
        """
        call = _classify_call([_encoded(image) for image in images], **options)
        try:
            return _all_results(self._send(call), call)
        except Problem as problem:
            return _refused_alone(call, problem)

    def classify_folder(
        self, folder: str | os.PathLike[str], *, concurrency: int = 8, **options: Unpack[Options]
    ) -> Generator[FileResult, None, None]:
        """Classify the image files of a folder and the folders in it, and yield each result as soon as it is there.

        A file counts by its suffix; hidden files and folders do not count. The results are in no order. An image that
        is refused, or a file that cannot be read, has an `error` in its place. A refusal that all other files would
        get too ends the iteration: an unknown model, an option that the model does not have, a missing key.
        concurrency: files at a time; as many are in memory at most, and further ones are read as results are taken.
        Raises NotADirectoryError, ValueError; while it yields, Problem.
        """
        paths = _images_below(folder, concurrency, options)
        return self._folder_results(paths, concurrency, options)

    def _folder_results(
        self, paths: Iterator[Path], concurrency: int, options: Options
    ) -> Generator[FileResult, None, None]:
        running: set[Future[FileResult]] = set()
        with ThreadPoolExecutor(concurrency) as pool:
            try:
                for path in paths:
                    running.add(pool.submit(self._classify_file, path, options))
                    if len(running) == concurrency:
                        done, running = wait(running, return_when=FIRST_COMPLETED)
                        yield from [each.result() for each in done]
                while running:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from [each.result() for each in done]
            finally:
                for each in running:
                    each.cancel()

    def _classify_file(self, path: Path, options: Options) -> FileResult:
        try:
            return FileResult(path, self.classify(path, **options))
        except (ClientError, OSError) as error:
            return _file_error(path, error)

    def models(self) -> ModelList:
        """Return all models and versions. Raises Problem, Unreachable."""
        return _parsed(ModelList, self._send(_Call("GET", "/v1/models")))

    def model(self, name: str, version: str | int | None = None) -> ModelDetail:
        """Return all properties of a version, by default the model's newest ready one. Raises Problem, Unreachable."""
        return _parsed(ModelDetail, self._send(_Call("GET", _model_path(name, version))))

    def ready(self) -> Readiness:
        """Return whether the service is ready, and why not; asks once. Raises Unreachable where nothing answers."""
        return _readiness(self._request(_Call("GET", "/readyz")))

    def _send(self, call: _Call) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            try:
                return _accepted(self._request(call))
            except ClientError as failure:
                wait_s = self._wait_s(attempt, failure)
                if wait_s is None:
                    raise
            time.sleep(wait_s)

    def _request(self, call: _Call) -> httpx.Response:
        try:
            return self._http.request(**call.arguments())
        except httpx.RequestError as error:
            raise self._unreachable(error) from error


class AsyncClient(_Settings):
    """A client for asyncio, with the methods of `Client`. Use it in an `async with` block, or close it."""

    def _open(self, **options: Any) -> None:
        self._http = httpx.AsyncClient(**options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def classify(self, image: "ImageSource", **options: Unpack[Options]) -> Classification:
        """Return the classes of one image, as `Client.classify`; a file is read in a thread."""
        call = _classify_call([await asyncio.to_thread(_encoded, image)], **options)
        return _single(await self._send(call), call)

    async def classify_many(
        self, images: "Iterable[ImageSource]", **options: Unpack[Options]
    ) -> list[Classification | Problem]:
        """Send several images in one request, as `Client.classify_many`."""
        call = _classify_call([await asyncio.to_thread(_encoded, image) for image in images], **options)
        try:
            return _all_results(await self._send(call), call)
        except Problem as problem:
            return _refused_alone(call, problem)

    def classify_folder(
        self, folder: str | os.PathLike[str], *, concurrency: int = 8, **options: Unpack[Options]
    ) -> AsyncGenerator[FileResult, None]:
        """Classify the image files of a folder, as `Client.classify_folder`; for `async for`."""
        paths = _images_below(folder, concurrency, options)
        return self._folder_results(paths, concurrency, options)

    async def _folder_results(
        self, paths: Iterator[Path], concurrency: int, options: Options
    ) -> AsyncGenerator[FileResult, None]:
        running: set[asyncio.Task[FileResult]] = set()
        try:
            while True:
                while len(running) < concurrency and (path := await asyncio.to_thread(next, paths, None)) is not None:
                    running.add(asyncio.create_task(self._classify_file(path, options)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for result in [each.result() for each in done]:
                    yield result
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _classify_file(self, path: Path, options: Options) -> FileResult:
        try:
            return FileResult(path, await self.classify(path, **options))
        except (ClientError, OSError) as error:
            return _file_error(path, error)

    async def models(self) -> ModelList:
        """Return all models and versions. Raises Problem, Unreachable."""
        return _parsed(ModelList, await self._send(_Call("GET", "/v1/models")))

    async def model(self, name: str, version: str | int | None = None) -> ModelDetail:
        """Return all properties of a version, as `Client.model`."""
        return _parsed(ModelDetail, await self._send(_Call("GET", _model_path(name, version))))

    async def ready(self) -> Readiness:
        """Return whether the service is ready, as `Client.ready`."""
        return _readiness(await self._request(_Call("GET", "/readyz")))

    async def _send(self, call: _Call) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            try:
                return _accepted(await self._request(call))
            except ClientError as failure:
                wait_s = self._wait_s(attempt, failure)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    async def _request(self, call: _Call) -> httpx.Response:
        try:
            return await self._http.request(**call.arguments())
        except httpx.RequestError as error:
            raise self._unreachable(error) from error


def _random_part() -> float:
    """Return a number from 0 to 1."""
    return random.random()  # noqa: S311 - spreads waits, and is no secret


def _encoded(image: "ImageSource") -> bytes:
    """Return the bytes of an image file. Raises OSError, TypeError, ValueError."""
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, str) and re.match(r"(https?|data):", image, re.IGNORECASE):
        raise ValueError("this is an address and no file: fetch the image, and pass its bytes")
    if isinstance(image, str | os.PathLike):
        return Path(image).read_bytes()
    pillow = sys.modules.get("PIL.Image")  # not imported here: without it, nothing is an image of Pillow
    if pillow is not None and isinstance(image, pillow.Image):
        return _as_png(image)
    content = image.read() if hasattr(image, "read") else None
    if isinstance(content, str):
        raise TypeError("the file is opened as text; open it in binary mode, as in open(path, 'rb')")
    if not isinstance(content, bytes):
        kind = f"{type(image).__module__}.{type(image).__qualname__}"
        raise TypeError(
            f"{kind} is no image; pass a path, bytes, a file opened in binary mode or an image of Pillow (an array "
            "becomes one by PIL.Image.fromarray)"
        )
    return content


def _as_png(image: "Image") -> bytes:
    """Return the image as a PNG of the same pixels, with the orientation of its Exif data.

    Compressed as little as possible: that takes the least time, and the service decodes it at once.
    """
    if image.mode not in _PILLOW_MODES_OF_PNG:
        image = image.convert("RGB")
    exif = image.getexif()
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1, **({"exif": exif} if _ORIENTATION in exif else {}))
    return stream.getvalue()


def _model_path(model: str, version: str | int | None = None) -> str:
    versions = "" if version is None else f"/versions/{quote(str(version), safe='')}"
    return f"/v1/models/{quote(model, safe='')}{versions}"


def _classify_call(
    images: list[bytes],
    *,
    model: str | None = None,
    version: str | int | None = None,
    deadline_ms: int | None = None,
    priority: str | None = None,
    top_k: int | None = None,
    explain: str | None = None,
    coverage: float | None = None,
    dense: bool | None = None,
) -> _Call:
    """Return the request that classifies these images: one as the body itself, several as a form."""
    if not images:
        raise ValueError("there is no image to classify")
    if version is not None and model is None:
        raise ValueError("version is of a model; name the model too")
    query = {"top_k": top_k, "explain": explain, "coverage": coverage, "dense": None if dense is None else int(dense)}
    headers = {"X-Deadline-Ms": deadline_ms, "X-Priority": priority}
    call = _Call(
        "POST",
        f"{'/v1' if model is None else _model_path(model, version)}/classify",
        params={name: value for name, value in query.items() if value is not None},
        headers={name: str(value) for name, value in headers.items() if value is not None},
    )
    if len(images) == 1:
        return replace(call, headers=call.headers | {"Content-Type": _BINARY}, content=images[0])
    files = [("image", (str(number), image, _BINARY)) for number, image in enumerate(images)]
    return replace(call, files=files)


def _accepted(response: httpx.Response) -> httpx.Response:
    """Return the response. Raises Problem where it is a refusal."""
    if not response.is_success:
        raise _problem_in(response)
    return response


def _problem_in(response: httpx.Response) -> Problem:
    """Return the problem document of a response, or a problem about a response that has none, as a proxy's."""
    retry_after_s = _retry_after_s(response.headers.get("Retry-After"))
    request_id = response.headers.get("X-Request-ID")
    try:
        body = _ProblemBody.model_validate_json(response.content)
    except ValidationError:
        return Problem(
            response.status_code,
            "about:blank",
            response.reason_phrase or "Refused",
            _about_foreign(response),
            request_id,
            retry_after_s,
        )
    return Problem(
        response.status_code, body.type, body.title, body.detail, body.request_id or request_id, retry_after_s
    )


def _about_foreign(response: httpx.Response) -> str:
    """Return a sentence on an answer that is not the service's."""
    if location := response.headers.get("Location"):
        return f"{response.url} redirects to {_shown(location)}; use that address"
    text = _shown(" ".join(response.content[: 4 * _SHOWN_CHARACTERS].decode(errors="replace").split()))
    shown = f": {text}" if text else ""
    return f"{response.url} did not answer as the service does, so it may be a proxy or another server{shown}"


def _shown(text: str) -> str:
    """Return the beginning of a text for an error message, with control characters as in a Python literal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:_SHOWN_CHARACTERS])


def _retry_after_s(header: str | None) -> float | None:
    """Return the seconds of a Retry-After, which holds seconds or a date; None for anything else."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            until = parsedate_to_datetime(header)
        except (ValueError, OverflowError):
            return None
        seconds = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _parsed(kind: type[T], response: httpx.Response) -> T:
    """Return the answer as `kind`. Raises Problem where something else answered with success."""
    try:
        return kind.model_validate_json(response.content)
    except ValidationError:
        raise _foreign_answer(response) from None


def _foreign_answer(response: httpx.Response) -> Problem:
    return Problem(response.status_code, "about:blank", "Not an answer of Snellen", _about_foreign(response))


def _readiness(response: httpx.Response) -> Readiness:
    """Return the readiness, which a service that is not ready answers with 503."""
    if response.status_code == 503:
        try:
            return Readiness.model_validate_json(response.content)
        except ValidationError:
            raise _problem_in(response) from None
    return _parsed(Readiness, _accepted(response))


def _all_results(response: httpx.Response, call: _Call) -> list[Classification | Problem]:
    """Return one result for each image of `call`. Raises Problem where the answer holds another number of them."""
    answer = _parsed(_ClassifyResponse, response)
    if len(answer.results) != (1 if call.files is None else len(call.files)):
        raise _foreign_answer(response)
    common = answer.model_dump(exclude={"results"}) | {
        "request_id": response.headers.get("X-Request-ID"),
        "timing_ms": _timing_ms(response.headers.get("Server-Timing", "")),
    }
    return [_result(result, common) for result in answer.results]


def _result(result: _Result | _Failed, common: dict[str, Any]) -> Classification | Problem:
    if isinstance(result, _Failed):
        error = result.error
        return Problem(error.status, error.type, error.title, error.detail, common["request_id"])
    return Classification(**dict(result), **common)


def _single(response: httpx.Response, call: _Call) -> Classification:
    (result,) = _all_results(response, call)
    if isinstance(result, Problem):
        raise result
    return result


def _refused_alone(call: _Call, problem: Problem) -> list[Classification | Problem]:
    """Return the problem as the result of the only image. Raises it where it is about the whole request."""
    if call.files is None and problem.is_about_the_image:
        return [problem]
    raise problem


def _timing_ms(header: str) -> dict[str, float]:
    """Return milliseconds by stage of a Server-Timing."""
    return {name: float(ms) for name, ms in re.findall(r"([\w-]+);dur=([0-9]+(?:\.[0-9]+)?)", header)}


def _images_below(folder: str | os.PathLike[str], concurrency: int, options: Options) -> Iterator[Path]:
    """Check the arguments of `classify_folder` now, and return the files one by one. Raises as that does."""
    if not os.path.isdir(folder):
        raise NotADirectoryError(f"{os.fspath(folder)} is not a folder; use classify() for a file")
    if concurrency < 1:
        raise ValueError(f"concurrency is {concurrency}; it has to be at least 1")
    _classify_call([b""], **options)
    return _walk(folder)


def _walk(folder: str | os.PathLike[str]) -> Iterator[Path]:
    from models.contract import IMAGE_SUFFIXES, is_litter

    for place, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not is_litter(name))
        for name in sorted(names):
            if not is_litter(name) and name.lower().endswith(IMAGE_SUFFIXES):
                yield Path(place, name)


def _raise(error: OSError) -> None:
    """Report a folder that may not be read; os.walk would pass it over."""
    raise error


def _file_error(path: Path, error: ClientError | OSError) -> FileResult:
    """Return the error as the result of the file. Raises it where all other files would get it too."""
    if isinstance(error, Problem):
        of_request = 400 <= error.status < 500 and error.status not in _NOT_FOR_ALL
        if of_request and not error.is_about_the_image:
            raise error
    return FileResult(path, error=error)

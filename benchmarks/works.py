"""What is classified in each measurement, and what is made for it once, under build/bench."""

import io
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from models.contract import MANIFEST, Bundle, Precision, read_bundle

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "bench"
SHIPPED = ROOT / "models"
PHOTO = SHIPPED / "imagenet" / "1" / "golden" / "espresso.jpg"
SNELLEN = ROOT / ".venv-train" / "bin" / "snellen"
_BOUNDARY = "benchmark-boundary"


@dataclass(frozen=True)
class Work:
    """An image, the bundle that classifies it, and the loads that suit it."""

    name: str
    what: str
    image: Path
    models: Path
    model: str
    precision: Precision = Precision.FP32
    connections: tuple[int, ...] = (1, 8, 32, 64, 256)
    mosec_batch: int = 4
    has_peers: bool = True

    @property
    def bundle(self) -> Bundle:
        return read_bundle(self.models / self.model / "1")

    @property
    def form(self) -> Path:
        """The image as a multipart body."""
        return self.image.with_suffix(".form")


_JPEG = BUILD / "images" / "A.jpg"
_INT8, _TWO_CONV = BUILD / "models" / "int8", BUILD / "models" / "two-conv"
WORKS = {
    work.name: work
    for work in (
        Work("A", "EfficientNet-Lite0 fp32, 500x375 JPEG of 61 KB", _JPEG, SHIPPED, "imagenet"),
        Work(
            "A-int8",
            "EfficientNet-Lite0 int8, the same JPEG",
            _JPEG,
            _INT8,
            "imagenet",
            Precision.INT8,
            has_peers=False,
        ),
        Work(
            "B",
            "two-conv network fp32, 28x28 grey PNG of 0.6 KB",
            BUILD / "images" / "B.png",
            _TWO_CONV,
            "two-conv",
            mosec_batch=8,
        ),
        Work(
            "C",
            "EfficientNet-Lite0 fp32, 4000x3000 JPEG of 1.35 MB",
            BUILD / "images" / "C.jpg",
            SHIPPED,
            "imagenet",
            connections=(1, 8, 32),
        ),
    )
}
FORM_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"
BYTES_TYPE = "application/octet-stream"


def prepare(works: Iterable[Work], say: Callable[[str], None] = print) -> list[str]:
    """Make what is missing; `say` is told what takes long. Returns the commands that made the bundles, run or not.

    Raises FileNotFoundError where training commands are needed and not installed, CalledProcessError when one fails.
    """
    (BUILD / "images").mkdir(parents=True, exist_ok=True)
    commands = []
    for work in works:
        if not work.image.exists():
            _write(work.image, _ENCODED[work.image.name]())
        if not work.form.exists():
            _write(work.form, form(work.image))
        if work.models == _INT8:
            commands.append(_int8(say))
        if work.models == _TWO_CONV:
            commands.append(_two_conv(say))
    return commands


def form(image: Path) -> bytes:
    """A multipart body of one file in the field `image`."""
    kind = "jpeg" if image.suffix == ".jpg" else image.suffix[1:]
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{image.name}"\r\n'
        f"Content-Type: image/{kind}\r\n\r\n"
    )
    return head.encode() + image.read_bytes() + f"\r\n--{_BOUNDARY}--\r\n".encode()


def jpeg(size: tuple[int, int], wanted_bytes: int) -> bytes:
    """The photo as a JPEG of width and height `size`, at the quality whose file is nearest to `wanted_bytes`."""
    picture = Image.open(PHOTO).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    low, high = 30, 100
    while high - low > 1:  # the file grows with the quality
        middle = (low + high) // 2
        low, high = (middle, high) if len(_saved(picture, middle)) <= wanted_bytes else (low, middle)
    return min((_saved(picture, quality) for quality in (low, high)), key=lambda file: abs(len(file) - wanted_bytes))


def _saved(picture: Image.Image, quality: int) -> bytes:
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=quality)
    return target.getvalue()


def small_png() -> bytes:
    """The photo as 28x28 grey pixels; in 48 levels its file has about 580 bytes."""
    grey = Image.open(PHOTO).convert("L").resize((28, 28), Image.Resampling.BICUBIC)
    target = io.BytesIO()
    grey.point([value * 48 // 256 * 256 // 48 for value in range(256)]).save(target, "PNG")
    return target.getvalue()


_ENCODED: dict[str, Callable[[], bytes]] = {
    "A.jpg": lambda: jpeg((500, 375), 61_000),
    "B.png": small_png,
    "C.jpg": lambda: jpeg((4000, 3000), 1_350_000),
}


def _two_conv(say: Callable[[str], None]) -> str:
    arguments = "--data digits --name two-conv --network two-conv --no-flip --epochs 4 --optimizer adamw --threads 1"
    paths = ["--models", str(_TWO_CONV), "--runs", str(BUILD / "runs"), "--overwrite"]
    if not (_TWO_CONV / "two-conv" / "1" / MANIFEST).exists():
        _snellen(["train", *arguments.split(), *paths], "training the two-conv network on digits: a minute", say)
    return f"snellen train {arguments}"


def _int8(say: Callable[[str], None]) -> str:
    """On a copy: the shipped bundle stays as it is."""
    folder = _INT8 / "imagenet" / "1"
    options = "--variants int8 --budget 20"
    if not _has_int8(folder):
        shutil.copytree(SHIPPED / "imagenet" / "1", folder, dirs_exist_ok=True)
        if not _has_int8(folder):
            _snellen(["optimize", str(folder), *options.split()], "quantizing EfficientNet-Lite0: some minutes", say)
        if not _has_int8(folder):
            raise FileNotFoundError(f"no int8 variant in {folder}: `snellen optimize` rejected it, see above")
    return f"snellen optimize <a copy of models/imagenet/1> {options}"


def _has_int8(folder: Path) -> bool:
    manifest = folder / MANIFEST
    return manifest.exists() and read_bundle(folder).manifest.variant(Precision.INT8) is not None


def _snellen(arguments: list[str], what: str, say: Callable[[str], None]) -> None:
    if not SNELLEN.exists():
        raise FileNotFoundError(f"{SNELLEN} is not there; `make install-training` makes it, and `make bench` does too")
    say(what)
    subprocess.run([str(SNELLEN), *arguments], check=True, cwd=ROOT)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.rename(path)

"""HEIC photos, read where the optional package is installed and the settings name the format."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image

from models.contract import FORMATS, Preprocessing, read_bundle
from service.decoding import heic
from service.decoding.decode import Decoded, DecodeLimits, decode
from service.decoding.decoder import DecoderPool
from service.decoding.worker import WorkerLimits
from service.errors import CorruptImage, ImageError, TooManyPixels, UnsupportedFormat
from service.settings import MIB
from tests.snellen.command import snellen
from tests.support.bundles import INPUT, write_bundle
from tests.support.pictures import BLUE, RED, picture
from tests.support.processes import decode_workers_of, frontends_of
from tests.support.server import running

pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed: pip install 'snellen[heic]'")

CASES = Path(__file__).parents[2] / "cases/images"
HOW = Preprocessing()
LIMITS = DecodeLimits((*FORMATS, "HEIC"), 1_000_000)


def photo(colour: tuple[int, int, int] = RED, size: tuple[int, int] = (80, 60), **options: object) -> bytes:
    """Return a HEIC file of one colour, without registering its format in this process."""
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", size, colour)).save(stream, quality=90, **options)
    return stream.getvalue()


async def decoded(body: bytes, limits: DecodeLimits = LIMITS, dense_pixels: int | None = None) -> Decoded:
    """Return the image as the service decodes it, in a worker process."""
    pool = DecoderPool(1, limits, WorkerLimits(5.0, 1536 * MIB), lambda: None)
    try:
        return await pool.decode(body, INPUT, HOW, dense_pixels)
    finally:
        await pool.stop()


async def test_a_heic_photo_is_decoded() -> None:
    """Red stays red, at the size of the photo."""
    result = await decoded(photo(), dense_pixels=10_000)
    assert result.size == (80, 60)
    assert np.abs(result.pixels[30, 40].astype(int) - RED).max() < 12


async def test_the_orientation_is_applied_once() -> None:
    """The file says how it is turned, and its decoder turns it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    assert (await decoded(photo(exif=exif.tobytes()))).size == (60, 80)


async def test_of_several_pictures_the_primary_one_counts() -> None:
    """Its thumbnail and the other pictures are left alone."""
    file = pillow_heif.from_pillow(Image.new("RGB", (80, 60), BLUE))
    file.add_from_pillow(Image.new("RGB", (400, 300), RED))
    stream = io.BytesIO()
    file.save(stream, primary_index=1, quality=90)
    assert (await decoded(stream.getvalue())).size == (400, 300)


async def test_pixels_are_counted_before_decoding() -> None:
    """As for every format."""
    with pytest.raises(TooManyPixels, match="80x60"):
        await decoded(photo(), DecodeLimits(LIMITS.formats, 4799))


@pytest.mark.parametrize("body", [photo()[:-20], photo()[:200], (CASES / "fake.heic").read_bytes()])
async def test_a_damaged_photo_is_corrupt(body: bytes) -> None:
    """Not of another format, as the service reads HEIC."""
    with pytest.raises(CorruptImage, match="truncated or damaged"):
        await decoded(body)


async def test_a_photo_is_refused_where_heic_is_not_named() -> None:
    """With what to do; and a refusal of anything else names HEIC where it is read."""
    with pytest.raises(UnsupportedFormat, match="heic in --formats"):
        await decoded(photo(), DecodeLimits(FORMATS, 1_000_000))
    with pytest.raises(UnsupportedFormat, match="AVIF, HEIC"):
        await decoded(b"%PDF-1.7 ")


async def test_other_formats_are_decoded_as_before() -> None:
    """AVIF begins as HEIC does."""
    for image_format in FORMATS:
        assert (await decoded(picture(RED, image_format=image_format))).pixels[8, 8, 0] > 200


def test_this_process_never_reads_heic() -> None:
    """Its reader is registered in workers only."""
    with pytest.raises(ImageError):
        decode(photo(), INPUT, HOW, LIMITS)
    assert "HEIF" not in Image.OPEN


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\0\0\0\x1cftypheic", True),
        (b"\0\0\0\x1cftypmif1", True),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", False),
        (b"", False),
    ],
)
def test_a_file_of_the_family_is_known_by_its_beginning(body: bytes, expected: bool) -> None:
    """Eight bytes tell."""
    assert heic.may_be_heic(body) is expected


async def test_damaged_photos_never_surprise() -> None:
    """Changed bytes: pixels or an ImageError, within the limits of the worker."""
    good, random = photo(), np.random.default_rng(4)
    pool = DecoderPool(1, LIMITS, WorkerLimits(5.0, 1536 * MIB), lambda: None)
    for _ in range(60):
        body = bytearray(good)
        for position in random.integers(12, len(body), 4):
            body[position] = random.integers(0, 256)
        try:
            assert (await pool.decode(bytes(body), INPUT, HOW)).pixels.shape == INPUT.shape
        except ImageError as error:
            assert error.detail
    await pool.stop()


@pytest.mark.parametrize("frontends", ["1", "2"])
def test_a_service_reads_heic_in_its_workers_only(tmp_path: Path, frontends: str) -> None:
    """No other process loads the library, with one process and with several."""
    write_bundle(tmp_path)
    flags = ("--formats", "jpeg,png,heic", "--frontends", frontends, "--decode-threads", "2")
    with running(tmp_path, *flags) as server:
        server.ready()
        answer = httpx.post(f"{server.url}/v1/classify", content=photo(), timeout=60)
        assert (answer.status_code, answer.json()["results"][0]["predictions"][0]["label"]) == (200, "red")
        workers = decode_workers_of(server)
        loaded = {
            pid: "libheif" in Path(f"/proc/{pid}/maps").read_text()
            for pid in {server.process.pid, *frontends_of(server), *workers}
        }
        assert {pid for pid, has_library in loaded.items() if has_library} == set(workers)


def test_without_the_package_the_start_is_refused(tmp_path: Path) -> None:
    """In one sentence that names the command."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['pillow_heif'] = None\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), *sys.path))}
    done = subprocess.run(
        [sys.executable, "-m", "snellen", "serve", "--formats", "jpeg,heic"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "pip install 'snellen[heic]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_classify_reads_heic_when_asked(tmp_path: Path) -> None:
    """In a process of its own; without the option the files are counted, with what to do."""
    bundle = write_bundle(tmp_path / "models")
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(picture(BLUE))
    (photos / "b.HEIC").write_bytes(photo())
    (photos / "c.heic").write_bytes(photo()[:300])
    done = snellen("classify", photos, "--bundle", bundle, "--heic", "--format", "csv", "--top-k", 1)
    assert [line.split(",")[3] for line in done.stdout.splitlines()[1:3]] == ["blue", "red"]
    assert "truncated or damaged" in done.stdout
    done = snellen("classify", photos, "--bundle", bundle)
    assert "2 .heic; convert HEIC photos to JPEG, or read them with --heic" in done.stderr


def test_evaluation_reads_heic_where_it_is_installed(tmp_path: Path) -> None:
    """Training opens its files in the same way. A damaged photo is named."""
    bundle = write_bundle(tmp_path / "models")
    for name, body in (("blue/a.png", picture(BLUE)), ("red/b.heic", photo()), ("red/c.heic", photo()[:300])):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(body)
    done = snellen("evaluate", bundle, "--data", tmp_path / "photos")
    assert done.returncode == 0, done.stderr
    assert "on 2 images" in done.stdout
    assert "c.heic: truncated or damaged" in done.stderr


def wide_photo(colour: tuple[int, int, int], *, orientation: int = 1) -> bytes:
    """Return a wide HEIC file that is grey but for its ends, which a centre crop never sees."""
    image = Image.new("RGB", (192, 64), (90, 90, 90))
    for left in (0, 152):
        image.paste(colour, (left, 0, left + 40, 64))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    stored = image.transpose(Image.Transpose.ROTATE_90) if orientation == 6 else image
    pillow_heif.from_pillow(stored).save(stream, quality=95, exif=exif.tobytes())
    return stream.getvalue()


def test_a_padded_photo_is_the_same_in_evaluation_and_service(tmp_path: Path) -> None:
    """Whole, with its border, and upright; `calibrate` reads the same pixels, and the calibrated version pads too."""
    how = Preprocessing(resize="pad", pad_colour=(20, 20, 20))
    bundle = write_bundle(tmp_path / "models", preprocessing=how)
    photos = {"red": wide_photo(RED), "blue": wide_photo(BLUE, orientation=6)}
    for label, body in photos.items():
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "a.heic").write_bytes(body)
    for action, *options in (("evaluate", "--json", tmp_path / "figures.json"), ("calibrate",)):
        done = snellen(action, bundle, "--data", tmp_path / "photos", *options)
        assert done.returncode == 0, done.stderr
    (variant,) = json.loads((tmp_path / "figures.json").read_text())["variants"]
    with running(tmp_path / "models", "--formats", "png,heic", "--frontends", "1") as server:
        server.ready()
        url = f"{server.url}/v1/models/colours/versions"
        answers = {
            (version, label): httpx.post(f"{url}/{version}/classify", content=body, timeout=60).json()
            for version in (1, 2)
            for label, body in photos.items()
        }
    first = {key: answer["results"][0]["predictions"][0] for key, answer in answers.items()}
    assert {key: found["label"] for key, found in first.items()} == {key: key[1] for key in first}
    served = -np.log([first[1, label]["probability"] for label in photos]).mean()
    assert (variant["scores"]["top1"], variant["scores"]["nll"]) == (1, pytest.approx(served, abs=1e-4))
    assert read_bundle(tmp_path / "models/colours/2").manifest.preprocessing == how

"""The images of the workloads, made from a photo of a shipped bundle; every call returns the same bytes."""

import io
from pathlib import Path

from PIL import Image

from benchmarks.workloads import SHIPPED

PHOTO = SHIPPED / "imagenet" / "1" / "golden" / "espresso.jpg"
_BOUNDARY = "benchmark-boundary"
FORM_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"
BYTES_TYPE = "application/octet-stream"


def form(image: Path) -> bytes:
    """Return a multipart body with one file in the field `image`."""
    kind = "jpeg" if image.suffix == ".jpg" else image.suffix[1:]
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{image.name}"\r\n'
        f"Content-Type: image/{kind}\r\n\r\n"
    )
    return head.encode() + image.read_bytes() + f"\r\n--{_BOUNDARY}--\r\n".encode()


def jpeg(size: tuple[int, int], wanted_bytes: int) -> bytes:
    """Return the photo as a JPEG of width and height `size`, at the quality whose file is nearest to `wanted_bytes`."""
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
    """Return the photo as a PNG of 28x28 grey pixels in 48 levels: about 580 bytes."""
    grey = Image.open(PHOTO).convert("L").resize((28, 28), Image.Resampling.BICUBIC)
    target = io.BytesIO()
    grey.point([value * 48 // 256 * 256 // 48 for value in range(256)]).save(target, "PNG")
    return target.getvalue()

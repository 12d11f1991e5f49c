"""The images of the workloads and their multipart bodies."""

import io
from pathlib import Path

from PIL import Image

from benchmarks.sample_images import form, jpeg, small_png


def test_the_photo_is_saved_at_the_quality_that_gives_its_size() -> None:
    """Within a few percent, and the same bytes each time."""
    body = jpeg((500, 375), 61_000)
    assert body == jpeg((500, 375), 61_000)
    assert abs(len(body) - 61_000) < 5_000
    assert Image.open(io.BytesIO(body)).size == (500, 375)


def test_the_small_image_is_grey_and_small() -> None:
    """About 580 bytes."""
    image = Image.open(io.BytesIO(small_png()))
    assert (image.size, image.mode) == ((28, 28), "L")
    assert 500 < len(small_png()) < 650


def test_a_form_holds_the_file(tmp_path: Path) -> None:
    """Between its boundaries, as an image."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8 bytes")
    head, _, rest = form(path).partition(b"\r\n\r\n")
    assert b'name="image"' in head
    assert b"image/jpeg" in head
    assert rest.startswith(b"\xff\xd8 bytes\r\n--benchmark-boundary--")

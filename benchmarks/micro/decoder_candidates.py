"""The decoders that are compared, run by the Python of the environment that has their libraries.

Each line of the standard input is a JSON object: `candidate`, `bundle`, `image`, `repeat` and `pixels`, the path that
the pixels are saved to, or empty. Each line of the output is a JSON object: `seconds`, the process's CPU time for one
image, or `error`. The libraries are imported by name, because any of them may be missing.
"""

import io
import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models import resampling
from models.contract import Input, Manifest, Pixels, Preprocessing, preprocess, read_bundle, region
from service.decoding.decode import DecodeLimits, decode

Decoder = Callable[[bytes, Input, Preprocessing], Pixels]
_LIMITS = DecodeLimits(("JPEG", "PNG"), 64_000_000)
_SCALES = (8, 4, 2, 1)


def current(body: bytes, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Decode as the service does."""
    return decode(body, target, preprocessing, _LIMITS).pixels


def pillow_alone(body: bytes, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Decode as the service does on a machine without cykooz-resizer: Pillow resizes."""
    resampling.HAS_VECTORS = False
    try:
        return current(body, target, preprocessing)
    finally:
        resampling.HAS_VECTORS = True


def resize_only(body: bytes, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Decode with Pillow, resize with one call of cykooz-resizer, which takes rows before columns."""
    image = Image.open(io.BytesIO(body))
    image.draft(None, _least_size(image.size, target, preprocessing))
    image.load()
    small = Image.new(image.mode, (target.width, target.height))
    resizer = import_module("cykooz_resizer")
    left, upper, right, lower = _box(image.size, target, preprocessing)
    options = resizer.ResizeOptions(
        resize_alg=resizer.ResizeAlg.convolution(resizer.FilterType.catmull_rom),
        crop_box=resizer.CropBox(left, upper, right - left, lower - upper),
    )
    resizer.Resizer().resize_pil(image, small, options)
    return np.asarray(small).reshape(target.shape)


def simplejpeg(body: bytes, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Decode with simplejpeg's libjpeg-turbo at the scales that Pillow uses, then resize with Pillow."""
    size = _jpeg_size(body)
    scale = _reduction(size, target, preprocessing)
    return _with_simplejpeg(body, (-(-size[0] // scale), -(-size[1] // scale)), target, preprocessing)


def simplejpeg_eighths(body: bytes, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Decode at the smallest sufficient scale of 1/8, 2/8 ... 8/8: fewer pixels to resize, but different ones."""
    return _with_simplejpeg(body, _least_size(_jpeg_size(body), target, preprocessing), target, preprocessing)


def imagecodecs(body: bytes, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Decode with imagecodecs' libjpeg-turbo without scaling, or its libspng; then resize with Pillow."""
    library = import_module("imagecodecs")
    read = library.png_decode if body.startswith(b"\x89PNG") else library.jpeg8_decode
    return preprocess(Image.fromarray(read(body)), target, preprocessing)


def opencv(body: bytes, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Decode scaled, then resize with INTER_AREA, not the bicubic kernel that the bundles were trained with."""
    library = import_module("cv2")
    grey = target.colour.channels == 1
    with Image.open(io.BytesIO(body)) as header:
        reduction = _reduction(header.size, target, preprocessing)
    kind = "GRAYSCALE" if grey else "COLOR"
    flag = f"IMREAD_{kind}" if reduction == 1 else f"IMREAD_REDUCED_{kind}_{reduction}"
    decoded = library.imdecode(np.frombuffer(body, np.uint8), getattr(library, flag))
    small = library.resize(_cropped(decoded, target, preprocessing), (target.width, target.height), interpolation=3)
    return np.ascontiguousarray(small if grey else small[:, :, ::-1]).reshape(target.shape)


def pyvips(body: bytes, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Decode scaled, then resize with libvips' cubic kernel."""
    library = import_module("pyvips")
    size = library.Image.new_from_buffer(body, "")
    options = (
        f"shrink={_reduction((size.width, size.height), target, preprocessing)}" if body.startswith(b"\xff\xd8") else ""
    )
    image = library.Image.new_from_buffer(body, options)
    left, upper, right, lower = (round(value) for value in _box((image.width, image.height), target, preprocessing))
    part = image.crop(left, upper, right - left, lower - upper)
    scale = target.width / part.width
    small = part.resize(scale, vscale=target.height / part.height, kernel="cubic")
    return np.frombuffer(small.write_to_memory(), np.uint8).reshape(target.shape)


def kornia_rs(body: bytes, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Decode with kornia-rs' libjpeg-turbo without scaling, then resize with its antialiased bicubic kernel."""
    library = import_module("kornia_rs")
    decoded = np.asarray(library.io.decode_image_jpegturbo(body, "rgb"))
    part = np.ascontiguousarray(_cropped(decoded, target, preprocessing))
    small = library.imgproc.resize(part, (target.height, target.width), "bicubic", antialias=True)
    return np.asarray(small).reshape(target.shape)


DECODERS: dict[str, Decoder] = {
    decoder.__name__: decoder
    for decoder in (
        current,
        pillow_alone,
        resize_only,
        simplejpeg,
        simplejpeg_eighths,
        imagecodecs,
        opencv,
        pyvips,
        kornia_rs,
    )
}


def _jpeg_size(body: bytes) -> tuple[int, int]:
    height, width, *_ = import_module("simplejpeg").decode_jpeg_header(body)
    return width, height


def _with_simplejpeg(body: bytes, least: tuple[int, int], target: Input, preprocessing: Preprocessing) -> Pixels:
    decoded = import_module("simplejpeg").decode_jpeg(body, min_width=least[0], min_height=least[1])
    return preprocess(Image.fromarray(decoded), target, preprocessing)


def _box(size: tuple[int, int], target: Input, preprocessing: Preprocessing) -> tuple[float, float, float, float]:
    """Return the part of the image that is kept, in pixels: left, upper, right, lower."""
    left, upper, right, lower = region(size, target, preprocessing)
    return left * size[0], upper * size[1], right * size[0], lower * size[1]


def _cropped(pixels: Pixels, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Crop to whole pixels, for resizers that take no box; pixels: [H, W] or [H, W, C]."""
    left, upper, right, lower = (round(value) for value in _box(pixels.shape[1::-1], target, preprocessing))
    return pixels[upper:lower, left:right]


def _least_size(size: tuple[int, int], target: Input, preprocessing: Preprocessing) -> tuple[int, int]:
    """Return the smallest width and height that still have enough pixels."""
    left, upper, right, lower = _box(size, target, preprocessing)
    scale = min(max(target.width, target.height) / min(right - left, lower - upper), 1)
    return -int(-size[0] * scale // 1), -int(-size[1] * scale // 1)


def _reduction(size: tuple[int, int], target: Input, preprocessing: Preprocessing) -> int:
    """Return the scale 1/n at which Pillow decodes a JPEG of this size."""
    least = _least_size(size, target, preprocessing)
    fits = min(size[0] // least[0], size[1] // least[1])
    return next(scale for scale in _SCALES if fits >= scale)


def _answer(manifest: Manifest, body: bytes, order: dict[str, Any]) -> dict[str, float]:
    decoder, target, preprocessing = DECODERS[order["candidate"]], manifest.input, manifest.preprocessing
    if order["pixels"]:
        np.save(order["pixels"], decoder(body, target, preprocessing))
    started = time.process_time()
    for _ in range(order["repeat"]):
        decoder(body, target, preprocessing)
    return {"seconds": (time.process_time() - started) / max(order["repeat"], 1)}


def main() -> None:
    """Run the candidate of each line until the input ends."""
    for line in sys.stdin:
        order = json.loads(line)
        manifest, body = read_bundle(Path(order["bundle"])).manifest, Path(order["image"]).read_bytes()
        answer: dict[str, float] | dict[str, str]
        try:
            answer = _answer(manifest, body, order)
        except Exception as error:  # the library is missing or cannot read this format
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

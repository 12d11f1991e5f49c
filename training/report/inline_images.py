"""Arrays as images embedded in the page with `data:` URIs."""

import base64
import io

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from models.contract import Pixels
from training.data.labelled_images import to_picture

_TINY = 96
"""Size in pixels below which an image is stored without loss and shown with hard edges."""
_QUALITY = 82


def picture(pixels: Pixels, alt: str, *, sharp: bool | None = None) -> Markup:
    """Return `<img>` of uint8 [H, W, C], C 1, 3 or 4, as WebP. sharp: shown with hard edges; None: when it is tiny."""
    tiny = max(pixels.shape[:2]) < _TINY
    buffer = io.BytesIO()
    to_picture(pixels).save(buffer, "WEBP", lossless=tiny, quality=_QUALITY)
    return Markup('<img src="data:image/webp;base64,{}" alt="{}" width="{}" height="{}"{}>').format(
        base64.b64encode(buffer.getvalue()).decode(),
        alt,
        pixels.shape[1],
        pixels.shape[0],
        Markup(' class="sharp"') if (tiny if sharp is None else sharp) else "",
    )


def mosaic(tiles: Pixels, columns: int, side: int) -> Pixels:
    """Arrange uint8 [N, h, w, 3] in rows of `columns`, each enlarged by an integer factor to about `side` pixels.

    Returns uint8 [H, W, 4], transparent between the tiles.
    """
    factor = max(1, side // max(tiles.shape[1:3]))
    large = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    gap, (height, width) = max(2, side // 10), large.shape[1:3]
    rows = -(-len(large) // columns)
    canvas = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), np.uint8)
    for index, tile in enumerate(large):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = np.dstack([tile, np.full((height, width), 255, np.uint8)])
    return canvas


def coloured(values: NDArray[np.floating], colours: str) -> Pixels:
    """Map values of 0 to 1 [...] to one of matplotlib's colour maps: uint8 [..., 3]."""
    return np.asarray(mpl.colormaps[colours](values, bytes=True)[..., :3], np.uint8)


def enlarged(values: NDArray[np.floating], width: int, height: int) -> NDArray[np.float32]:
    """Resize [h, w] to float32 [height, width], bicubic."""
    small = Image.fromarray(values.astype(np.float32))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32)

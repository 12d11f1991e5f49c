"""HEIC photos: read by the optional package pillow-heif, and in decode workers only.

Its C++ libraries had faults that gave a file control of the process (docs/decisions/heic.md). A decode worker has
limits of time and memory, and no client connections.
"""

import functools


def may_be_heic(body: bytes) -> bool:
    """Return whether a file begins as HEIC does: AVIF and MP4 have the same first box, `ftyp`."""
    return body[4:8] == b"ftyp"


@functools.cache
def register() -> None:
    """Let Pillow read HEIC in this process from now on. Raises ImportError if pillow-heif is not installed.

    The picture itself is decoded, in one thread, never the thumbnail, depth map or other picture that a file holds too.
    """
    from pillow_heif import register_heif_opener  # noqa: PLC0415  absent unless the extra `heic` is installed

    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)

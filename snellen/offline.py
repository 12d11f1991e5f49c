"""Opens a bundle for classification without a server."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from snellen.options import service_default

if TYPE_CHECKING:
    from service.inference.offline import OfflineClassifier


class Opening(NamedTuple):
    """How a bundle is opened. top_k, max_pixels: None for the defaults of the service. heic: whether HEIC is read.

    dense: all cores work on one image, so that memory holds only one; else each core on its own. largest: size of the
    batches, 0 for single images.
    """

    folder: Path
    providers: tuple[str, ...]
    top_k: int | None
    max_pixels: int | None
    heic: bool
    dense: bool = False
    largest: int = 0


def open_offline(how: Opening, cores: int) -> "OfflineClassifier":
    """Open the bundle on some cores. Raises BundleError, EngineRejected, and NotDense with `dense`."""
    from models.contract import FORMATS, read_bundle
    from service.decoding.decode import DecodeLimits
    from service.engine.providers import EngineOptions
    from service.engine.verification import open_verified
    from service.inference.dense import require_dense
    from service.inference.offline import OfflineClassifier

    bundle = read_bundle(how.folder)
    if how.dense:
        require_dense(bundle.manifest)
    threads = cores if how.dense else 1
    options = EngineOptions(how.providers, threads_per_batch=threads, cores=cores, largest=how.largest)
    formats = (*FORMATS, "HEIC") if how.heic else FORMATS
    limits = DecodeLimits(formats, how.max_pixels or service_default("max_pixels"))
    dense_pixels = (how.max_pixels or service_default("max_dense_pixels")) if how.dense else None
    return OfflineClassifier(bundle.manifest, limits, open_verified(bundle, options), how.top_k, dense_pixels)

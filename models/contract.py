"""All that training and service share. Both import from here and from nowhere else in this package."""

from models.bundle import MANIFEST, Bundle, BundleError, Row, find_bundles, read_bundle, sha256_of
from models.image import Pixels, UnsupportedMode, preprocess, region, upright_size
from models.manifest import (
    Calibration,
    Colour,
    File,
    Golden,
    Input,
    Manifest,
    Metrics,
    ModelName,
    Precision,
    PredictionSets,
    Preprocessing,
    Provenance,
    Variant,
)

INPUT = "image"
"""Graph input: uint8 [N, height, width, channels]."""
PROBABILITIES = "probabilities"
"""Graph output: float32 [N, K], softmax of logits / temperature."""
LOGITS = "logits"
"""Graph output: float32 [N, K]."""
CLASS_MAP = "class_map"
"""Graph output where the manifest says so: float32 [N, K, h, w], the final linear layer at every position."""

__all__ = [
    "CLASS_MAP",
    "INPUT",
    "LOGITS",
    "MANIFEST",
    "PROBABILITIES",
    "Bundle",
    "BundleError",
    "Calibration",
    "Colour",
    "File",
    "Golden",
    "Input",
    "Manifest",
    "Metrics",
    "ModelName",
    "Pixels",
    "Precision",
    "PredictionSets",
    "Preprocessing",
    "Provenance",
    "Row",
    "UnsupportedMode",
    "Variant",
    "find_bundles",
    "preprocess",
    "read_bundle",
    "region",
    "sha256_of",
    "upright_size",
]

"""All that training and service share. Both import from here and from no other module of this package."""

from models import openvino_library
from models.baseline import BASELINE_CLASSES, CONFIDENCE_BOUNDS, Baseline, ClassShare, bin_names
from models.bundle import (
    MANIFEST,
    Bundle,
    BundleError,
    Row,
    find_bundles,
    passed_over,
    read_bundle,
    read_start,
    readable_bundles,
    sha256_of,
)
from models.calibration import (
    RELIABILITY_BINS,
    Calibration,
    EnergyThreshold,
    OutOfDistributionResult,
    PredictionSets,
    Reliability,
    ReliabilityBin,
)
from models.control_groups import GROUPS, MOUNT, group_folders, read_text
from models.cores import usable_cores
from models.dense_grid import cell_probabilities, grid_size
from models.image_formats import (
    FORMATS,
    HEIC_SUFFIXES,
    IMAGE_SUFFIXES,
    ImageFormat,
    is_litter,
    litter_kind,
    litter_note,
    suffix_counts,
)
from models.manifest import (
    DEFAULT_THRESHOLD,
    FULL_BITS,
    Colour,
    Dense,
    File,
    Golden,
    Input,
    Manifest,
    Preprocessing,
    Resize,
    Task,
)
from models.preprocessing import (
    Pixels,
    PreprocessedImage,
    UnsupportedMode,
    WideValues,
    decode_golden,
    is_sideways,
    preprocess,
    preprocess_native_size,
    preprocessed,
    region,
    sixteen_bit_values,
)
from models.provenance import Provenance
from models.repository import BUILT_IN, default_repository, passed_over_folder
from models.schema import ModelName
from models.variant import LARGEST_TOLERANCE, Agreement, Precision, Scores, Speed, Variant

INPUT = "image"
"""Graph input: uint8 [N, height, width, channels]."""
PROBABILITIES = "probabilities"
"""Graph output: float32 [N, K], softmax of logits / temperature; their sigmoid where the task is multilabel."""
LOGITS = "logits"
"""Graph output: float32 [N, K]."""
CLASS_MAP = "class_map"
"""Graph output if the manifest says so: float32 [N, K, h, w], the final linear layer at every position."""

__all__ = [
    "BASELINE_CLASSES",
    "BUILT_IN",
    "CLASS_MAP",
    "CONFIDENCE_BOUNDS",
    "DEFAULT_THRESHOLD",
    "FORMATS",
    "FULL_BITS",
    "GROUPS",
    "HEIC_SUFFIXES",
    "IMAGE_SUFFIXES",
    "INPUT",
    "LARGEST_TOLERANCE",
    "LOGITS",
    "MANIFEST",
    "MOUNT",
    "PROBABILITIES",
    "RELIABILITY_BINS",
    "Agreement",
    "Baseline",
    "Bundle",
    "BundleError",
    "Calibration",
    "ClassShare",
    "Colour",
    "Dense",
    "EnergyThreshold",
    "File",
    "Golden",
    "ImageFormat",
    "Input",
    "Manifest",
    "ModelName",
    "OutOfDistributionResult",
    "Pixels",
    "Precision",
    "PredictionSets",
    "PreprocessedImage",
    "Preprocessing",
    "Provenance",
    "Reliability",
    "ReliabilityBin",
    "Resize",
    "Row",
    "Scores",
    "Speed",
    "Task",
    "UnsupportedMode",
    "Variant",
    "WideValues",
    "bin_names",
    "cell_probabilities",
    "decode_golden",
    "default_repository",
    "find_bundles",
    "grid_size",
    "group_folders",
    "is_litter",
    "is_sideways",
    "litter_kind",
    "litter_note",
    "openvino_library",
    "passed_over",
    "passed_over_folder",
    "preprocess",
    "preprocess_native_size",
    "preprocessed",
    "read_bundle",
    "read_start",
    "read_text",
    "readable_bundles",
    "region",
    "sha256_of",
    "sixteen_bit_values",
    "suffix_counts",
    "usable_cores",
]

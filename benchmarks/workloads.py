"""The workloads: which image is classified by which bundle, and the loads that suit it."""

from dataclasses import dataclass
from pathlib import Path

from models.contract import Bundle, Precision, read_bundle

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "bench"
ENVIRONMENTS = BUILD / "env"
"""Virtual environments of the peers and of the decoders, one folder each; the Makefile creates them."""
SHIPPED = ROOT / "models"


@dataclass(frozen=True)
class Workload:
    """An image, the bundle that classifies it, and the loads that suit it.

    image: the encoded file. models: folder of bundles. connections: of the closed loops.
    """

    name: str
    description: str
    image: Path
    models: Path
    model: str
    precision: Precision = Precision.FP32
    library: str = ""
    """Library that runs the network, as `--providers` names it; empty: the service and the ceiling choose."""
    connections: tuple[int, ...] = (1, 8, 32, 64, 256)
    duration_factor: int = 1
    """Factor of the durations of loads and slices; above 1 where answers per second are too few to count."""
    mosec_batch: int = 4
    parallel_connections: int = 32
    """Connections of the closed loop that is compared in turns."""
    shares_turns_with: str = ""
    """Name of the workload with whose peers this one is compared, in the same turns; peers run the network in fp32."""
    turns_only: bool = False
    """Whether the service is measured in the turns alone, and not under the other loads."""

    @property
    def bundle(self) -> Bundle:
        """Return the bundle that classifies the image."""
        return read_bundle(self.models / self.model / "1")

    def network(self, precision: Precision) -> Path:
        """Return the path of the graph with the probabilities as its only output, which ceilings and peers run."""
        return BUILD / "models" / "networks" / f"{self.model}-{precision}.onnx"

    @property
    def form(self) -> Path:
        """Return the path of the image as a multipart body."""
        return self.image.with_suffix(".form")


_JPEG = BUILD / "images" / "A.jpg"
_ONNXRUNTIME, _OPENVINO = "cpu", "openvino"
VARIANTS, TWO_CONV = BUILD / "models" / "variants", BUILD / "models" / "two-conv"
"""Folders of bundles: a copy of the shipped one with variants, and a small network."""
WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("A", "EfficientNet-Lite0 fp32, 500x375 JPEG of 61 KB", _JPEG, SHIPPED, "imagenet"),
        Workload(
            "A-onnxruntime",
            "the same, always on ONNX Runtime",
            _JPEG,
            SHIPPED,
            "imagenet",
            library=_ONNXRUNTIME,
            shares_turns_with="A",
            turns_only=True,
        ),
        Workload(
            "A-bf16",
            "EfficientNet-Lite0 bf16 on OpenVINO, the same JPEG",
            _JPEG,
            VARIANTS,
            "imagenet",
            Precision.BF16,
            library=_OPENVINO,
            shares_turns_with="A",
        ),
        Workload(
            "A-int8",
            "EfficientNet-Lite0 int8 on OpenVINO, the same JPEG",
            _JPEG,
            VARIANTS,
            "imagenet",
            Precision.INT8,
            library=_OPENVINO,
            shares_turns_with="A",
        ),
        Workload(
            "B",
            "two-conv network fp32, 28x28 grey PNG of 0.6 KB",
            BUILD / "images" / "B.png",
            TWO_CONV,
            "two-conv",
            mosec_batch=8,
        ),
        Workload(
            "C",
            "EfficientNet-Lite0 fp32, 4000x3000 JPEG of 1.35 MB",
            BUILD / "images" / "C.jpg",
            SHIPPED,
            "imagenet",
            connections=(1, 8, 32),
            duration_factor=2,
            parallel_connections=8,
        ),
    )
}

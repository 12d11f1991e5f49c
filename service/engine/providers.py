"""Execution providers: our short names, onnxruntime's names, and the options of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.contract import INPUT, Precision

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""onnxruntime's name by our short name."""
NAMES = {value: key for key, value in PROVIDERS.items()}
ON_GPU = frozenset({"cuda", "tensorrt"})
EVERY: tuple[str, ...] = ("auto",)
"""Stands for all installed providers."""
FASTEST_FIRST = ("tensorrt", "cuda", "openvino", "cpu")

Options = dict[str, str]


@dataclass(frozen=True)
class SessionUse:
    """The properties of a session on which provider options depend.

    image: [height, width, channels] of the input. tf32: allow TF32, products with 10 bits of mantissa, for float32.
    engines: folder for the engines that TensorRT builds. batches: run at a time. threads: of each batch.
    """

    image: tuple[int, int, int]
    precision: Precision = Precision.FP32
    tf32: bool = False
    cuda_graph: bool = False
    largest: int = 1
    engines: Path | None = None
    batches: int = 1
    threads: int = 1


def with_options(names: Sequence[str], purpose: SessionUse) -> list[tuple[str, Options]]:
    """Return providers and options for onnxruntime.

    CUDA runs the nodes that TensorRT cannot, the CPU those that CUDA cannot.
    """
    names = [*names, "cuda"] if "tensorrt" in names and "cuda" not in names else [*names]
    return [(PROVIDERS[name], options_of(name, purpose)) for name in names]


def options_of(name: str, purpose: SessionUse) -> Options:
    """Return the options of one provider."""
    match name:
        case "cuda":
            return _cuda(purpose)
        case "tensorrt":
            return _tensorrt(purpose)
        case "openvino":
            return _openvino(purpose)
    return {}


def _cuda(purpose: SessionUse) -> Options:
    """Return the options of CUDA.

    Few batch sizes occur, and all are run at load: so algorithms are searched exhaustively, and memory grows as
    requested.
    """
    return {
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "cudnn_conv_use_max_workspace": "1",
        "arena_extend_strategy": "kSameAsRequested",
        "do_copy_in_default_stream": "1",
        "use_tf32": _flag(purpose.tf32),
        "enable_cuda_graph": _flag(purpose.cuda_graph),
    }


def _tensorrt(purpose: SessionUse) -> Options:
    """Return the options of TensorRT: one engine for all batch sizes, optimised for the largest, cached on disk.

    It has no CUDA graphs for several batch sizes.
    """
    size = "x".join(map(str, purpose.image))
    options = {
        "trt_fp16_enable": _flag(purpose.precision is Precision.FP16),
        "trt_int8_enable": _flag(purpose.precision is Precision.INT8),
        "trt_profile_min_shapes": f"{INPUT}:1x{size}",
        "trt_profile_opt_shapes": f"{INPUT}:{purpose.largest}x{size}",
        "trt_profile_max_shapes": f"{INPUT}:{purpose.largest}x{size}",
    }
    if purpose.engines is not None:
        folder = str(purpose.engines)
        options |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder}
        options |= {"trt_timing_cache_enable": "1", "trt_timing_cache_path": folder}
    return options


def _openvino(purpose: SessionUse) -> Options:
    """Return the options of OpenVINO: on the CPU, in float32 where the graph is, one stream per concurrent batch.

    Threads are not pinned: with a fixed number of threads every process would use the same first cores.
    """
    return {
        "device_type": "CPU",
        "precision": "FP32",
        "num_streams": str(purpose.batches),
        "num_of_threads": str(purpose.batches * purpose.threads),
        "load_config": '{"CPU": {"ENABLE_CPU_PINNING": "NO"}}',
    }


def _flag(on: bool) -> str:
    return "1" if on else "0"

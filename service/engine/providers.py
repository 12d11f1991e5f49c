"""Execution providers: our short names, onnxruntime's names, and the options of an engine and of each provider.

`openvino` is none of onnxruntime's providers but a library of its own, with an engine of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.contract import INPUT, Precision

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
"""onnxruntime's name by our short name."""
OPENVINO = "openvino"
NAMES = (*PROVIDERS, OPENVINO)
"""All short names."""
ON_GPU = frozenset({"cuda", "tensorrt"})
ON_CPU = frozenset({"cpu", OPENVINO})
EVERY: tuple[str, ...] = ("auto",)
"""Stands for all installed providers."""
FASTEST_FIRST = ("tensorrt", "cuda", OPENVINO, "cpu")


@dataclass(frozen=True)
class EngineOptions:
    """Options of an engine; see Settings for those that are not listed here.

    providers: short names in order of preference, empty for the best installed. precision: of the graph.
    concurrency: 0 for as many as fit `cores`. tf32: allow TF32, products with 10 bits of mantissa, on a GPU.
    largest: batch size that a GPU and OpenVINO are prepared for, 0 for none. cuda_graph: one per batch size.
    compiled: folder for what TensorRT or OpenVINO compiles from the graph, None for none. stop_spinning: between runs,
    threads give up their cores.
    """

    providers: tuple[str, ...] = ()
    strict: bool | None = None
    threads_per_batch: int = 1
    concurrency: int = 0
    cores: int = 1
    precision: Precision = Precision.FP32
    tf32: bool = False
    largest: int = 0
    cuda_graph: bool = False
    compiled: Path | None = None
    stop_spinning: bool = False

    @property
    def batches_on_cpu(self) -> int:
        """How many batches run at a time on the CPU."""
        return self.concurrency or max(1, self.cores // self.threads_per_batch)


def with_options(
    names: Sequence[str], image: tuple[int, int, int], options: EngineOptions
) -> list[tuple[str, dict[str, str]]]:
    """Return providers and options for onnxruntime. image: [height, width, channels] of the input.

    CUDA runs the nodes that TensorRT cannot, the CPU those that CUDA cannot.
    """
    names = [*names, "cuda"] if "tensorrt" in names and "cuda" not in names else [*names]
    return [(PROVIDERS[name], options_of(name, image, options)) for name in names]


def options_of(name: str, image: tuple[int, int, int], options: EngineOptions) -> dict[str, str]:
    """Return the options of one provider. image: [height, width, channels] of the input."""
    match name:
        case "cuda":
            return _cuda(options)
        case "tensorrt":
            return _tensorrt(image, options)
    return {}


def _cuda(options: EngineOptions) -> dict[str, str]:
    """Return the options of CUDA.

    Few batch sizes occur, and all are run at load: so algorithms are searched exhaustively, and memory grows as
    requested.
    """
    return {
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "cudnn_conv_use_max_workspace": "1",
        "arena_extend_strategy": "kSameAsRequested",
        "do_copy_in_default_stream": "1",
        "use_tf32": str(int(options.tf32)),
        "enable_cuda_graph": str(int(options.cuda_graph)),
    }


def _tensorrt(image: tuple[int, int, int], options: EngineOptions) -> dict[str, str]:
    """Return the options of TensorRT: one engine for all batch sizes, optimised for the largest, cached on disk.

    It has no CUDA graphs for several batch sizes.
    """
    size = "x".join(map(str, image))
    largest = f"{INPUT}:{max(1, options.largest)}x{size}"
    found = {
        "trt_fp16_enable": str(int(options.precision is Precision.FP16)),
        "trt_int8_enable": str(int(options.precision is Precision.INT8)),
        "trt_profile_min_shapes": f"{INPUT}:1x{size}",
        "trt_profile_opt_shapes": largest,
        "trt_profile_max_shapes": largest,
    }
    if options.compiled is not None:
        folder = str(options.compiled)
        found |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder}
        found |= {"trt_timing_cache_enable": "1", "trt_timing_cache_path": folder}
    return found

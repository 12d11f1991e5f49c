"""The options that providers are opened with."""

from pathlib import Path

from models.contract import Precision
from service.engine.providers import EngineOptions, options_of, with_options


def test_float32_stays_float32_on_a_gpu() -> None:
    """TF32 is used only where the options allow it."""
    assert options_of("cuda", (8, 8, 3), EngineOptions())["use_tf32"] == "0"
    assert options_of("cuda", (8, 8, 3), EngineOptions(tf32=True))["use_tf32"] == "1"


def test_tensorrt_is_told_all_batch_sizes_and_where_to_keep_its_engine(tmp_path: Path) -> None:
    """One engine runs from one image to the largest batch, and CUDA runs the nodes that TensorRT cannot."""
    fp16 = EngineOptions(precision=Precision.FP16, largest=32, compiled=tmp_path)
    (name, options), (second, _) = with_options(["tensorrt"], (8, 9, 3), fp16)
    assert (name, second) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert options["trt_profile_min_shapes"] == "image:1x8x9x3"
    assert options["trt_profile_max_shapes"] == "image:32x8x9x3"
    assert (options["trt_fp16_enable"], options["trt_int8_enable"]) == ("1", "0")
    assert options["trt_engine_cache_path"] == str(tmp_path)

"""One function for each kind of variant, and the table of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.contract import Bundle, Precision
from training.errors import SkippedVariant
from training.evaluation import openvino_graph
from training.evaluation.evaluate import run_graph
from training.optimize.evaluation_images import EvaluationImages
from training.optimize.fp16 import convert_to_fp16
from training.optimize.pruning import write_pruned
from training.optimize.quantization import Quantizer
from training.optimize.result import Candidate
from training.optimize.sensitivity import choose_layers

Log = Callable[[str], None]
_MARGIN = 0.5
"""Share of the budget that the choice of layers may use, since other images judge it."""


@dataclass(frozen=True)
class VariantOptions:
    """budget: percentage points of top-1 accuracy; sparsity, epochs: of the pruned variant."""

    budget: float = 0.5
    sparsity: float = 0.7
    epochs: int = 2


def make_variant(
    precision: Precision, bundle: Bundle, images: EvaluationImages, options: VariantOptions, workspace: Path, log: Log
) -> Candidate:
    """Write the variant into `workspace`. Raises SkippedVariant where it cannot be made of this bundle."""
    return MAKERS[precision](bundle, images, options, workspace, log)


def _int8(bundle: Bundle, images: EvaluationImages, options: VariantOptions, workspace: Path, log: Log) -> Candidate:
    path, model = workspace / "model.int8.onnx", bundle.model_path(Precision.FP32)
    quantizer = Quantizer(model, images.range_images, workspace, log)
    if not quantizer.layers:
        raise SkippedVariant("it has no layer that can be quantized")
    reference = run_graph(model, images.selection_images)[0]
    choice = choose_layers(quantizer, images.selection_images, reference, _MARGIN * options.budget / 100, path, log)
    made = (
        "weights rounded so that outputs stay near fp32's, then onnxruntime's static quantization (QDQ, weights int8 "
        "per channel, activations uint8 by the least squared error), "
        f"{len(quantizer.layers) - len(choice.float_layers)} of {len(quantizer.layers)} layers, with "
        f"{images.made_with}"
    )
    return Candidate(Precision.INT8, path, made, float_layers=choice.float_layers)


def _fp16(bundle: Bundle, _: EvaluationImages, __: VariantOptions, workspace: Path, log: Log) -> Candidate:
    path = workspace / "model.fp16.onnx"
    convert_to_fp16(bundle.model_path(Precision.FP32), path)
    log("converted to float16")
    return Candidate(
        Precision.FP16, path, "weights and activations in float16; scaling of pixels and softmax in float32"
    )


def _bf16(bundle: Bundle, _: EvaluationImages, __: VariantOptions, ___: Path, log: Log) -> Candidate:
    if reason := openvino_graph.bf16_obstacle():
        raise SkippedVariant(reason)
    log("the graph of fp32 is run in bfloat16")
    made = f"its graph is run in bfloat16 by {openvino_graph.library()}; there is no file of its own"
    return Candidate(Precision.BF16, bundle.model_path(Precision.FP32), made)


def _pruned(bundle: Bundle, images: EvaluationImages, options: VariantOptions, workspace: Path, log: Log) -> Candidate:
    if images.training_images is None:
        raise SkippedVariant("what is pruned has to learn again from training images: name them with --data")
    path, model = workspace / "model.pruned.onnx", bundle.model_path(Precision.FP32)
    target = bundle.manifest.input
    zeros = write_pruned(model, path, images.training_images(), target, options.sparsity, options.epochs, log)
    made = (
        f"{zeros:.1%} of the weights set to zero by layer-adaptive magnitude, the others fine-tuned for "
        f"{options.epochs} epochs to answer as fp32 does, on {images.made_with}; "
        "dense kernels do not run faster for the zeros"
    )
    return Candidate(Precision.PRUNED, path, made, sparsity=zeros)


MAKERS: dict[Precision, Callable[[Bundle, EvaluationImages, VariantOptions, Path, Log], Candidate]] = {
    Precision.INT8: _int8,
    Precision.FP16: _fp16,
    Precision.BF16: _bf16,
    Precision.PRUNED: _pruned,
}

"""One function a kind of variant, and the table of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.contract import Bundle, Precision
from training.errors import SkippedVariant
from training.evaluation.evaluate import run_graph
from training.optimize.evaluation_images import Evidence
from training.optimize.fp16 import convert_to_half
from training.optimize.pruning import write_pruned
from training.optimize.quantization import Quantizer
from training.optimize.result import Candidate
from training.optimize.sensitivity import choose_layers

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """budget: percentage points of top-1; sparsity, epochs: of the pruned variant."""

    budget: float = 0.5
    sparsity: float = 0.7
    epochs: int = 2


def make(
    precision: Precision, bundle: Bundle, evidence: Evidence, wishes: Wishes, workspace: Path, say: Say
) -> Candidate:
    """Write the variant into `workspace`. Raises SkippedVariant where this bundle cannot have it."""
    return MAKERS[precision](bundle, evidence, wishes, workspace, say)


def _int8(bundle: Bundle, evidence: Evidence, wishes: Wishes, workspace: Path, say: Say) -> Candidate:
    path, model = workspace / "model.int8.onnx", bundle.model_path(Precision.FP32)
    quantizer = Quantizer(model, evidence.ranges, workspace)
    if not quantizer.layers:
        raise SkippedVariant("it has no layer that can be quantized")
    reference = run_graph(model, evidence.choice)[0]
    choice = choose_layers(quantizer, evidence.choice, reference, wishes.budget / 100, path, say)
    made = (
        f"onnxruntime's static quantization (QDQ, weights int8 per channel, activations uint8 by minimum and maximum), "
        f"{len(quantizer.layers) - len(choice.float_layers)} of {len(quantizer.layers)} layers, with "
        f"{evidence.made_with}"
    )
    return Candidate(Precision.INT8, path, made, float_layers=choice.float_layers)


def _fp16(bundle: Bundle, _: Evidence, __: Wishes, workspace: Path, say: Say) -> Candidate:
    path = workspace / "model.fp16.onnx"
    convert_to_half(bundle.model_path(Precision.FP32), path)
    say("converted to float16")
    return Candidate(
        Precision.FP16, path, "weights and activations in float16; scaling of pixels and softmax in float32"
    )


def _pruned(bundle: Bundle, evidence: Evidence, wishes: Wishes, workspace: Path, say: Say) -> Candidate:
    if evidence.learning is None:
        raise SkippedVariant("what is pruned has to learn again from training images: name them with --data")
    path, model = workspace / "model.pruned.onnx", bundle.model_path(Precision.FP32)
    target = bundle.manifest.input
    zeros = write_pruned(model, path, evidence.learning(), target, wishes.sparsity, wishes.epochs, say)
    made = (
        f"{zeros:.1%} of the weights set to zero by layer-adaptive magnitude, the others fine-tuned for "
        f"{wishes.epochs} epochs to answer as fp32 does, on {evidence.made_with}; "
        "dense kernels do not run faster for the zeros"
    )
    return Candidate(Precision.PRUNED, path, made, sparsity=zeros)


MAKERS: dict[Precision, Callable[[Bundle, Evidence, Wishes, Path, Say], Candidate]] = {
    Precision.INT8: _int8,
    Precision.FP16: _fp16,
    Precision.PRUNED: _pruned,
}

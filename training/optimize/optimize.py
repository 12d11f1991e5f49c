"""`snellen optimize` from top to bottom: images, variants, measurements, budget, bundle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from models.contract import LARGEST_TOLERANCE, Bundle, Precision, Variant, read_bundle
from training.errors import OptimizeError, SkippedVariant
from training.export.onnx_export import LIBRARIES
from training.importing.golden_images import check_golden
from training.importing.provenance import provenance
from training.optimize.accuracy_budget import budget_rule, rejection_reason
from training.optimize.evaluation_images import EvaluationImages, find_evaluation_images
from training.optimize.make_variants import VariantOptions, make_variant
from training.optimize.measure import measure
from training.optimize.result import Candidate, MeasuredVariant, OptimizeResult, mark_pareto
from training.optimize.update_bundle import add_variants

Log = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """Where the images come from: see `find_evaluation_images`."""

    data: str | None
    run: Path
    photos: Path | None = None


def optimize(
    folder: Path, precisions: Sequence[Precision], options: VariantOptions, source: Source, log: Log = print
) -> OptimizeResult:
    """Make the variants of the bundle in `folder`, measure them, and add those within the budget to the bundle.

    Rejected variants change nothing on disk. log: called with one line per step.
    Raises TrainingError and BundleError before anything is made.
    """
    bundle = read_bundle(folder)
    bundle.check_files()
    if bundle.manifest.max_batch is not None:
        raise OptimizeError(
            f"{folder} takes batches of {bundle.manifest.max_batch} (max_batch), and variants are made and measured in "
            "larger ones: export the network with a free batch axis and import it again"
        )
    images = find_evaluation_images(bundle.manifest, source.data, source.run, options.budget, source.photos)
    log(f"{len(images.test_images):,} images to judge with: {images.source}")
    with TemporaryDirectory(prefix=".optimize-", dir=folder.absolute().parent) as workspace:
        candidates, skipped = _make_all(bundle, images, precisions, options, Path(workspace), log)
        if not candidates:
            raise OptimizeError("; ".join(f"{precision} is not made: {why}" for precision, why in skipped.items()))
        log("measuring accuracy and, by turns, speed")
        reference, *variants = mark_pareto(measure(bundle, candidates, images))
        judged = [_with_verdict(variant, reference, options.budget) for variant in variants]
        _admit(bundle, images, judged, candidates, options)
    return OptimizeResult((reference, *judged), skipped, options.budget, images.source)


def _make_all(
    bundle: Bundle,
    images: EvaluationImages,
    precisions: Sequence[Precision],
    options: VariantOptions,
    workspace: Path,
    log: Log,
) -> tuple[list[Candidate], dict[Precision, str]]:
    candidates, skipped = [], {}
    for precision in dict.fromkeys(precisions):
        named = partial(_log_variant, precision, log)
        try:
            candidates.append(make_variant(precision, bundle, images, options, workspace, named))
        except SkippedVariant as error:
            skipped[precision] = str(error)
            named(f"skipped, {error}")
    return candidates, skipped


def _log_variant(precision: Precision, log: Log, line: str) -> None:
    log(f"{precision}: {line}")


def _with_verdict(variant: MeasuredVariant, reference: MeasuredVariant, budget: float) -> MeasuredVariant:
    reason = rejection_reason(variant, reference, budget)
    return replace(variant, admitted=reason is None, verdict="admitted" if reason is None else f"rejected: {reason}")


def _admit(
    bundle: Bundle,
    images: EvaluationImages,
    judged: Sequence[MeasuredVariant],
    candidates: Sequence[Candidate],
    options: VariantOptions,
) -> None:
    paths = {candidate.precision: candidate for candidate in candidates}
    admitted = [
        (_variant(bundle, row, paths[row.precision], images, options), paths[row.precision].path)
        for row in judged
        if row.admitted
    ]
    if admitted:
        written = add_variants(bundle, admitted)
        for variant, _ in admitted:
            check_golden(written, variant.precision)


def _path_in_bundle(bundle: Bundle, candidate: Candidate) -> str:
    """Return where the file of the variant is or will be, relative to the bundle; bf16 has that of fp32."""
    if candidate.precision is Precision.BF16:
        return candidate.path.relative_to(bundle.path).as_posix()
    return candidate.path.name


def _variant(
    bundle: Bundle, row: MeasuredVariant, candidate: Candidate, images: EvaluationImages, options: VariantOptions
) -> Variant:
    manifest = bundle.manifest
    allowed = manifest.golden.tolerance + 2 * row.golden_difference  # margin for the rounding of other processors
    return Variant(
        precision=row.precision,
        path=_path_in_bundle(bundle, candidate),
        metrics=row.metrics,
        agreement=row.agreement,
        speed=row.speed,
        golden_tolerance=round(min(allowed, LARGEST_TOLERANCE), 4),
        float_layers=candidate.float_layers,
        sparsity=candidate.sparsity,
        provenance=provenance(
            dataset=images.made_with,
            licence=manifest.provenance.licence,
            notes=(
                f"Made from fp32: {candidate.made}.",
                f"Admitted by the rule: {budget_rule(options.budget, labelled=images.labels is not None)}.",
                f"Judged on {len(images.test_images):,} images: {row.metrics.source}.",
            ),
            libraries=LIBRARIES,
        ),
    )

"""`snellen optimize`, readable from top to bottom: images, variants, measurements, budget, bundle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from models.contract import LARGEST_TOLERANCE, Bundle, Precision, Variant, read_bundle
from training.errors import SkippedVariant
from training.export.golden_images import check_golden
from training.export.provenance import provenance
from training.optimize.accuracy_budget import refusal, rule
from training.optimize.evaluation_images import Evidence, evidence_for
from training.optimize.make_variants import Wishes, make
from training.optimize.measure import measure
from training.optimize.result import Candidate, Measured, Outcome, mark_pareto
from training.optimize.update_bundle import add_variants

Say = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """Where the images come from: see `evidence_for`."""

    data: str | None
    run: Path


def optimize(
    folder: Path, precisions: Sequence[Precision], wishes: Wishes, source: Source, say: Say = print
) -> Outcome:
    """Make the variants of the bundle in `folder`, measure them, and admit into it those within the budget.

    What is rejected changes nothing on disk.
    Raises TrainingError, BundleError before anything is made.
    """
    bundle = read_bundle(folder)
    bundle.check_files()
    evidence = evidence_for(bundle.manifest, source.data, source.run)
    say(f"{len(evidence.proof):,} images to judge with: {evidence.source}")
    with TemporaryDirectory(prefix=".optimize-", dir=folder.absolute().parent) as workspace:
        candidates, skipped = _make_all(bundle, evidence, precisions, wishes, Path(workspace), say)
        say("measuring accuracy and, by turns, speed")
        reference, *variants = mark_pareto(measure(bundle, candidates, evidence))
        judged = [_judged(variant, reference, wishes.budget) for variant in variants]
        _admit(bundle, evidence, judged, candidates, wishes)
    return Outcome((reference, *judged), skipped, wishes.budget, evidence.source)


def _make_all(
    bundle: Bundle, evidence: Evidence, precisions: Sequence[Precision], wishes: Wishes, workspace: Path, say: Say
) -> tuple[list[Candidate], dict[Precision, str]]:
    candidates, skipped = [], {}
    for precision in dict.fromkeys(precisions):
        named = partial(_say_of, precision, say)
        try:
            candidates.append(make(precision, bundle, evidence, wishes, workspace, named))
        except SkippedVariant as error:
            skipped[precision] = str(error)
            named(f"skipped, {error}")
    return candidates, skipped


def _say_of(precision: Precision, say: Say, line: str) -> None:
    say(f"{precision}: {line}")


def _judged(variant: Measured, reference: Measured, budget: float) -> Measured:
    reason = refusal(variant, reference, budget)
    return replace(variant, admitted=reason is None, verdict="admitted" if reason is None else f"rejected: {reason}")


def _admit(
    bundle: Bundle, evidence: Evidence, judged: Sequence[Measured], candidates: Sequence[Candidate], wishes: Wishes
) -> None:
    paths = {candidate.precision: candidate for candidate in candidates}
    admitted = [
        (_variant(bundle, row, paths[row.precision], evidence, wishes), paths[row.precision].path)
        for row in judged
        if row.admitted
    ]
    if admitted:
        written = add_variants(bundle, admitted)
        for variant, _ in admitted:
            check_golden(written, variant.precision)


def _variant(bundle: Bundle, row: Measured, candidate: Candidate, evidence: Evidence, wishes: Wishes) -> Variant:
    manifest = bundle.manifest
    allowed = manifest.golden.tolerance + 2 * row.golden_difference  # room for another processor's rounding
    return Variant(
        precision=row.precision,
        path=candidate.path.name,
        metrics=row.metrics,
        agreement=row.agreement,
        speed=row.speed,
        golden_tolerance=round(min(allowed, LARGEST_TOLERANCE), 4),
        float_layers=candidate.float_layers,
        sparsity=candidate.sparsity,
        provenance=provenance(
            dataset=evidence.made_with,
            licence=manifest.provenance.licence,
            notes=(
                f"Made from fp32: {candidate.made}.",
                f"Admitted by the rule: {rule(wishes.budget, labelled=evidence.labels is not None)}.",
            ),
        ),
    )

"""The section of the model card on calibration."""

from models.contract import Baseline, Calibration, EnergyThreshold, PredictionSets, Reliability, Task
from training.model_card.markdown import bullets, number, table

_ERRORS = (("NLL", "nll"), ("ECE, bins of equal width", "ece"), ("ECE, bins of equal mass", "adaptive_ece"))
_THRESHOLDS = 20
"""Thresholds of classes that the card shows."""
_OTHERS = ("images of none of the classes", "images", "taken for familiar", "AUROC")


def calibration_section(calibration: Calibration, task: Task = Task.SINGLE) -> str:
    """Return the section as Markdown; what was not fitted or not measured is left out."""
    sets, energy, reliability = calibration.prediction_sets, calibration.energy, calibration.reliability
    return "\n\n".join(
        (
            "## Calibration",
            calibration.note,
            *(
                (f"**Weak:** {calibration.weak}. The numbers below are an indication, no more.",)
                if calibration.weak
                else ()
            ),
            f"Softmax temperature: {calibration.temperature:.4f}." if task is Task.SINGLE else _thresholds(calibration),
            *(_fit(calibration) if calibration.fitted_on else ()),
            *(_reliability(reliability) if reliability else ()),
            *(_sets(sets) if sets else ()),
            *(_energy(energy) if energy else ()),
            *(_baseline(calibration.baseline) if calibration.baseline else ()),
        )
    )


def _fit(calibration: Calibration) -> tuple[str, ...]:
    fitted = f"Fitted on {calibration.fitted_on} ({calibration.images or 0:,} images)."
    return (fitted,) if calibration.thresholds else (f"{fitted} On those images:", _errors(calibration))


def _thresholds(calibration: Calibration) -> str:
    """Return the first thresholds; the manifest has all of them."""
    if not calibration.thresholds:
        return "A class counts as present from a probability of 0.5 on."
    shown = ", ".join(f"{threshold:.4f}" for threshold in calibration.thresholds[:_THRESHOLDS])
    more = ", ..." if len(calibration.thresholds) > _THRESHOLDS else ""
    return f"Probabilities from which on a class counts as present, in the order of the labels: {shown}{more}."


def _reliability(reliability: Reliability) -> tuple[str, ...]:
    rows = (
        (
            f"{part.lower:.2f} to {part.upper:.2f}",
            f"{part.images:,}",
            number(part.confidence),
            number(part.accuracy),
            f"{part.accuracy - part.confidence:+.4f}",
        )
        for part in reliability.bins
    )
    return (
        "### Reliability",
        f"Measured on {reliability.measured_on} ({reliability.images:,} images):",
        _errors(reliability),
        "How often the most probable class was right, by its probability:",
        table(("confidence", "images", "mean confidence", "accuracy", "difference"), rows),
    )


def _errors(measured: Calibration | Reliability) -> str:
    rows = (
        (title, number(getattr(measured, f"{name}_before")), number(getattr(measured, f"{name}_after")))
        for title, name in _ERRORS
        if getattr(measured, f"{name}_before") is not None
    )
    return table(("", "before temperature", "after"), rows)


def _sets(sets: PredictionSets) -> tuple[str, ...]:
    rows = (
        (coverage, f"{limit:.6f}", number(sets.measured_coverage.get(coverage)), number(sets.mean_size.get(coverage)))
        for coverage, limit in sets.thresholds.items()
    )
    return (
        "### Prediction sets",
        f"Thresholds fitted on {sets.fitted_on} ({sets.images:,} images).{_measured(sets)}",
        table(("coverage wanted", "threshold", "coverage measured", "mean classes"), rows),
        *((bullets(f"{coverage}: {why}" for coverage, why in sets.not_fitted.items()),) if sets.not_fitted else ()),
    )


def _energy(energy: EnergyThreshold) -> tuple[str, ...]:
    wanted, kept = energy.true_positive_rate, energy.measured_true_positive_rate
    rows = (
        (other.title, f"{other.images:,}", number(other.false_positive_rate), number(other.auroc))
        for other in energy.out_of_distribution
    )
    return (
        "### None of the classes",
        f"An energy above {energy.threshold:.4f} says: unfamiliar, probably none of the classes. Fitted on "
        f"{energy.fitted_on} ({energy.images:,} images), so that {wanted:.0%} of images like them stay at or below it."
        f"{_measured(energy)}",
        *((f"Of these images {kept:.2%} stay at or below it.",) if kept is not None else ()),
        *((table(_OTHERS, rows),) if energy.out_of_distribution else ()),
    )


def _baseline(baseline: Baseline) -> tuple[str, ...]:
    unfamiliar = "" if baseline.unfamiliar is None else f" {baseline.unfamiliar:.2%} of them are unfamiliar."
    return (
        "### Baseline",
        f"The service compares its traffic with the answers for {baseline.images:,} {baseline.measured_on}."
        f"{unfamiliar} How many of them had which confidence:",
        table(("confidence", "share of the images"), zip(baseline.bins, map(number, baseline.confidence), strict=True)),
    )


def _measured(part: PredictionSets | EnergyThreshold) -> str:
    return f" Measured on {part.measured_on} ({part.measured_images or 0:,} images)." if part.measured_on else ""

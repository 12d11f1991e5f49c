"""MODEL_CARD.md: the manifest for people. Every number in it comes from the manifest or from the evaluation."""

from models.contract import FULL_BITS, Manifest, Preprocessing, Task, Variant
from training.evaluation.evaluate import TOP5_CLASSES
from training.evaluation.score_text import images_behind, with_interval
from training.model_card.calibration_section import calibration_section
from training.model_card.confusion_section import Confusion, confusion_section
from training.model_card.markdown import bullets, number, table
from training.model_card.variants_section import variants_section

_MEASURES = ("top5", "nll", "ece", "adaptive_ece")


def model_card(manifest: Manifest, confusion: Confusion | str | None = None) -> str:
    """Return the card as Markdown. confusion: counts [K, K], or the section of a former card on them."""
    sections = [
        f"# {manifest.name} {manifest.version}\n\n{manifest.description}",
        _facts(manifest),
        "## Metrics\n\n" + "\n\n".join(_metrics(variant, len(manifest.labels)) for variant in manifest.variants),
        *([variants] if (variants := variants_section(manifest)) is not None else []),
        *([_confusion(manifest, confusion)] if confusion is not None else []),
        calibration_section(manifest.calibration, manifest.task),
        "## Limits and notes\n\n" + bullets(manifest.provenance.notes),
        _making(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def _facts(manifest: Manifest) -> str:
    shape, preprocessing = manifest.input, manifest.preprocessing
    return "## Model\n\n" + bullets(
        (
            f"Architecture: {manifest.architecture}, {manifest.parameters:,} parameters",
            f"Input: {shape.width}x{shape.height} pixels, {shape.colour.value}, 8 bits a channel",
            f"From any picture: {preprocessing.resize}, {_kept(preprocessing)}, {preprocessing.interpolation}",
            *_bits(preprocessing),
            *_task(manifest),
            f"Classes: {len(manifest.labels)}, such as {', '.join(manifest.labels[:10])}",
        )
    )


def _kept(preprocessing: Preprocessing) -> str:
    """Return what of a picture is kept, in words."""
    match preprocessing.resize:
        case "crop":
            return f"keeping {preprocessing.crop_fraction:.3g} of each side"
        case "squash":
            return "the whole picture in other proportions"
        case _:
            colour = ", ".join(map(str, preprocessing.pad_colour))
            return f"the whole picture in its proportions, with a border of RGB {colour}"


def _bits(preprocessing: Preprocessing) -> tuple[str, ...]:
    if preprocessing.bits == FULL_BITS:
        return ()
    return (f"Grey pictures with 16 bits a pixel are read as {preprocessing.bits} bits; larger values become white",)


def _task(manifest: Manifest) -> tuple[str, ...]:
    several = manifest.task is Task.MULTILABEL
    return ("Task: multilabel, any number of classes may be true of an image",) if several else ()


def _metrics(variant: Variant, classes: int) -> str:
    metrics = variant.metrics
    origin = "Measured" if metrics.measured else "Published, not measured by this project"
    rows = [] if metrics.images is None else [("measured on", images_behind(metrics))]
    if metrics.top1 is not None:
        rows += [
            ("top1" if metrics.images is None else "top1 (95 % interval)", with_interval(metrics.top1, metrics.images))
        ]
    values = {name: getattr(metrics, name) for name in _MEASURES if name != "top5" or classes >= TOP5_CLASSES}
    rows += [(name, number(value)) for name, value in values.items() if value is not None]
    source = f"{origin}, {variant.precision}: {metrics.source}"
    return f"{source}\n\n{table(('measure', 'value'), rows)}" if rows else source


def _confusion(manifest: Manifest, confusion: Confusion | str) -> str:
    return confusion if isinstance(confusion, str) else confusion_section(manifest.labels, confusion)


def _making(manifest: Manifest) -> str:
    made = manifest.provenance
    facts = [
        f"Data: {made.dataset}",
        f"Licence: {made.licence}",
        f"Command: `{made.command}`",
        f"Commit: {made.commit}",
        f"Date: {made.created:%Y-%m-%d %H:%M} UTC",
        "Libraries: " + ", ".join(f"{name} {version}" for name, version in made.libraries.items()),
    ]
    facts += [f"Seed: {made.seed}"] if made.seed is not None else []
    facts += [f"Duration: {made.duration_s / 60:.1f} min"] if made.duration_s is not None else []
    return "## How it was made\n\n" + bullets(facts)

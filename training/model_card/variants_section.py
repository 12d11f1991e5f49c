"""The section of the model card on variants that were made from fp32."""

from models.contract import Manifest, Variant
from training.evaluation.score_text import with_interval
from training.model_card.markdown import bullets, number, table

_HEADER = (
    "variant",
    "top-1 (95 % interval)",
    "agreement with fp32",
    "mean distance",
    "largest",
    "ECE",
    "NLL",
    "MB",
    "speed",
)


def variants_section(manifest: Manifest) -> str | None:
    """Return table and provenance of the variants that were measured beside fp32, or None without any."""
    derived = [variant for variant in manifest.variants if variant.agreement is not None]
    if not derived:
        return None
    sizes = {file.path: file.bytes / 1e6 for file in manifest.files}
    return "\n\n".join(
        (
            "## Variants",
            "Measured on the same images as fp32 beside them. Distance: total variation of the probabilities. Speed: "
            f"times that of fp32, by turns{_machine(derived[0])}.",
            _table([_row(variant, sizes[variant.path]) for variant in derived]),
            bullets(f"{variant.precision}: {note}" for variant in derived for note in _notes(variant)),
        )
    )


def _table(rows: list[tuple[str, ...]]) -> str:
    """Return the table without the columns that are empty in all rows, such as accuracy without labels."""
    known = [column for column in range(len(_HEADER)) if any(row[column] for row in rows)]
    return table(tuple(_HEADER[column] for column in known), [tuple(row[column] for column in known) for row in rows])


def _row(variant: Variant, megabytes: float) -> tuple[str, ...]:
    metrics, agreement, speed = variant.metrics, variant.agreement, variant.speed
    assert agreement is not None
    return (
        variant.precision.value,
        with_interval(metrics.top1, metrics.images),
        number(agreement.top1),
        number(agreement.mean_distance),
        number(agreement.max_distance),
        number(metrics.ece),
        number(metrics.nll),
        f"{megabytes:.2f}",
        "" if speed is None else f"{speed.ratio:.2f}",
    )


def _notes(variant: Variant) -> list[str]:
    made = variant.provenance
    kept = [f"Layers in float: {', '.join(variant.float_layers)}."] if variant.float_layers else []
    return kept if made is None else [*made.notes, *kept, f"Command: `{made.command}`, commit {made.commit}."]


def _machine(variant: Variant) -> str:
    speed = variant.speed
    if speed is None:
        return ""
    return f" on {speed.machine}, {speed.threads} thread, batches of {speed.batch_size}"

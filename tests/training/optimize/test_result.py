"""Rows of the table of variants."""

from models.contract import Agreement, Precision, Scores, Speed
from training.optimize.result import MeasuredVariant, mark_pareto

SPEED = Speed(machine="none", threads=1, batch_size=1, images_per_s=100, ratio=1)


AGREEMENT = Agreement(source="none", images=10, top1=0.99, mean_distance=0, max_distance=0)


FP32 = MeasuredVariant(Precision.FP32, Scores(measured=True, source="none", top1=0.95), None, SPEED, 100, 90)


def variant(
    top1: float | None = 0.95, *, agreement: float = 0.99, ratio: float = 1, size: int = 100
) -> MeasuredVariant:
    return MeasuredVariant(
        Precision.INT8,
        Scores(measured=True, source="none", top1=top1),
        AGREEMENT.model_copy(update={"top1": agreement}),
        SPEED.model_copy(update={"ratio": ratio}),
        size,
        size,
    )


def test_the_pareto_front_leaves_out_what_is_beaten_in_everything() -> None:
    """Slower and larger at the same accuracy is out; faster but less accurate stays."""
    rows = mark_pareto([FP32, variant(0.94, ratio=3, size=30), variant(0.95, ratio=0.9, size=120)])
    assert [row.pareto for row in rows] == [True, True, False]

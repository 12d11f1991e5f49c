"""Why a variant, or all of them, cannot be made."""

from training.errors import TrainingError


class OptimizeError(TrainingError):
    """The whole command cannot be done; the message says what to change."""


class SkippedVariant(TrainingError):
    """This one variant cannot be made of this bundle; the others can."""

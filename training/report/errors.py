"""What keeps a report, or a part of it, from being made."""

from training.errors import TrainingError


class ReportError(TrainingError):
    """The message says which input is at fault and what to do; of a part of the network, why it cannot be shown."""

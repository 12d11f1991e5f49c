"""What can go wrong on the way to a bundle; the messages say what to do."""


class TrainingError(Exception):
    """Base of everything that training, importing and exporting raise on purpose."""


class DatasetError(TrainingError):
    """Files that are missing, damaged or do not belong together."""


class DivergedError(TrainingError):
    """The loss is no longer a finite number."""


class ParityError(TrainingError):
    """The exported graph does not compute what PyTorch computes."""


class BundleExistsError(TrainingError):
    """The version is there already."""


class CheckpointError(TrainingError):
    """A run that cannot be taken up again from what it left behind."""


class InterruptedRunError(TrainingError):
    """A signal ended the run; its checkpoint is there. `status` is the exit status that a shell expects."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ConfigurationError(TrainingError):
    """Settings that do not make a run."""


class ReportError(TrainingError):
    """The message says which input is at fault and what to do; of a part of the network, why it cannot be shown."""


class OptimizeError(TrainingError):
    """The whole command cannot be done; the message says what to change."""


class SkippedVariant(TrainingError):
    """This one variant cannot be made of this bundle; the others can."""

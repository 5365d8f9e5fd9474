"""The exception tree.

    TFTransferError                exit code 1
    ├── ConfigError                exit code 2   wrong usage: a config, an override, an argument
    ├── DataError                  exit code 3   rows or files of the user's data
    ├── CheckpointError            exit code 1   a pretrained model that cannot be read as asked
    ├── TrainingError              exit code 1   the training itself, such as a loss that is not finite
    ├── ExportError                exit code 1   an artefact that would not answer like the model
    └── RunDirectoryError          exit code 2   a run directory that is missing, incomplete or in the way

A message says what was expected, what came, and what to do. The command line prints it without a traceback and ends
with the exit code of its class; an interrupt ends with 130.
"""

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "ExportError",
    "RunDirectoryError",
    "TFTransferError",
    "TrainingError",
]


class TFTransferError(Exception):
    """Every error that tftransfer raises on purpose."""

    exit_code = 1


class ConfigError(TFTransferError):
    """A config, an override or an argument is wrong."""

    exit_code = 2


class DataError(TFTransferError):
    """A data file is missing, empty, malformed or does not fit the task."""

    exit_code = 3


class CheckpointError(TFTransferError):
    """A pretrained checkpoint is missing, damaged, unsafe or of an unsupported kind."""


class TrainingError(TFTransferError):
    """Training could not go on."""


class ExportError(TFTransferError):
    """An export failed, or its answers differ from the model's."""


class RunDirectoryError(TFTransferError):
    """A run directory is missing, incomplete or already in use."""

    exit_code = 2

"""Loading TensorFlow without its start-up notes."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["load_tensorflow"]


@contextlib.contextmanager
def _stderr_aside() -> Iterator[None]:
    """Keeps what native code writes to standard error from the terminal, unless the block fails."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            aside.seek(0)
            os.write(2, aside.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def load_tensorflow() -> None:
    """Imports TensorFlow; its native start-up notes, which no log level silences in 2.21, are not shown."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # for what it would say later
    with _stderr_aside():
        import keras  # noqa: F401
        import tensorflow as tf
        import tensorflow_text  # noqa: F401

        tf.config.list_logical_devices()  # the first use of the runtime has notes of its own

"""From a model to a folder that a server answers raw strings with.

Importing this package loads no TensorFlow.
"""

import sys
import types
from typing import Any

__all__: list[str] = []


class _Callable(types.ModuleType):
    """`tftransfer.export` is this package and, to users, the function: importing a part of it must not hide that."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from tftransfer.export.savedmodel import export

        return export(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable

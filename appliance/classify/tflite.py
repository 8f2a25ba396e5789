"""The model runtime: the one place where TensorFlow Lite is imported.

Up to Python 3.11 it is tflite-runtime 2.14, from 3.12 on its successor ai-edge-litert; both have the same interpreter.
"""

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from appliance.errors import ModelError

_PACKAGE = "tflite-runtime" if sys.version_info < (3, 12) else "ai-edge-litert"


def interpreter_class() -> Any:
    """The interpreter of the runtime that belongs to this Python.

    Raises:
        ModelError: it is not installed, or NumPy is one it does not work with.
    """
    try:
        if sys.version_info < (3, 12):
            from tflite_runtime.interpreter import Interpreter
        else:
            from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ModelError(f"{_PACKAGE} cannot be loaded: {error}; pip install pipistrelle anew") from error
    return Interpreter


def runtime_version() -> str:
    """Name and version of the runtime, after it was really loaded.

    Raises:
        ModelError: it cannot be loaded.
    """
    interpreter_class()
    try:
        return f"{_PACKAGE} {version(_PACKAGE)}"
    except PackageNotFoundError as error:
        raise ModelError(f"{_PACKAGE} is loaded but not installed by pip; pip install pipistrelle anew") from error

"""The model runtime: the one place where TensorFlow Lite is imported.

Up to Python 3.11 it is tflite-runtime 2.14, from 3.12 on its successor ai-edge-litert; both have the same interpreter.
"""

import sys
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from appliance.errors import ModelError

_PACKAGE = "tflite-runtime" if sys.version_info < (3, 12) else "ai-edge-litert"


def load_interpreter(model: bytes) -> Any:
    """An interpreter for a model, on one thread and with its tensors allocated.

    Raises:
        ModelError: the runtime cannot be loaded, NumPy is one it does not work with, or it refuses the model.
    """
    try:
        if sys.version_info < (3, 12):
            from tflite_runtime.interpreter import Interpreter
        else:
            from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ModelError(f"{_PACKAGE} cannot be loaded: {error}; pip install pipistrelle anew") from error
    try:
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError, ImportError, AttributeError) as error:
        # the last two are how a runtime and a NumPy that do not belong together show
        raise ModelError(f"{_PACKAGE} {version(_PACKAGE)} refuses the model: {' '.join(str(error).split())}") from error
    return interpreter


def probe_runtime() -> str:
    """Name and version of the runtime, after it ran a small model.

    Raises:
        ModelError: it cannot.
    """
    interpreter = load_interpreter(files(__package__).joinpath("probe.tflite").read_bytes())
    interpreter.invoke()
    return f"{_PACKAGE} {version(_PACKAGE)}"

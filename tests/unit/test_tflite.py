"""The model runtime really runs a model that TensorFlow made, on this Python and with this NumPy."""

from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from appliance.classify.tflite import load_interpreter, probe_runtime
from appliance.errors import ModelError

MODEL = files("appliance.classify").joinpath("probe.tflite").read_bytes()
WEIGHTS = np.array([[1.0, -1.0], [0.5, 2.0], [0.0, 0.25], [-2.0, 1.0]], np.float32)  # of golden/make_tflite_probe.py
BIAS = np.array([0.25, -0.5], np.float32)


@given(arrays(np.float32, (1, 4), elements=st.floats(-100, 100, width=32)))
def test_result_is_that_of_the_formula(values):
    interpreter = load_interpreter(MODEL)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.allclose(found, np.maximum(values @ WEIGHTS + BIAS, 0.0), atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("broken", [b"", b"not a model", MODEL[:4] + b"XXXX" + MODEL[8:]])
def test_broken_model_is_refused_in_one_line(broken):
    with pytest.raises(ModelError, match="refuses the model") as told:
        load_interpreter(broken)
    assert "\n" not in str(told.value)


def test_probe_names_the_runtime():
    assert probe_runtime().split()[0] in {"tflite-runtime", "ai-edge-litert"}

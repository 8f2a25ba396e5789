"""Makes appliance/classify/probe.tflite with TensorFlow, which is no dependency of this project.

    python tests/golden/make_tflite_probe.py        in an environment that has tensorflow

A float32 model of one input [1, 4]: y = relu(x W + b), with W and b below. The doctor runs it to see that the runtime
and NumPy belong together, which shows only when an interpreter is made.
"""

import pathlib

import numpy as np
import tensorflow as tf

WEIGHTS = np.array([[1.0, -1.0], [0.5, 2.0], [0.0, 0.25], [-2.0, 1.0]], np.float32)
BIAS = np.array([0.25, -0.5], np.float32)


@tf.function(input_signature=[tf.TensorSpec([1, 4], tf.float32)])
def model(x):
    return tf.nn.relu(tf.matmul(x, WEIGHTS) + BIAS)


converter = tf.lite.TFLiteConverter.from_concrete_functions([model.get_concrete_function()])
probe = pathlib.Path(__file__).parents[2] / "appliance" / "classify" / "probe.tflite"
probe.write_bytes(converter.convert())

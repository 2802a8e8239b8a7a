"""Prints whether philox.uniform gives the numbers of tf.random.stateless_uniform on the CPU, as it stands and compiled by XLA, and
which variables philox.initial makes zero."""

import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from philox import PHILOX, initial, uniform  # noqa: E402

key = tf.constant([5, 7], tf.int64)
wanted = tf.random.stateless_uniform([100_003], key, alg=PHILOX)
for name, compiled in (("eager", False), ("XLA", True)):
    got = tf.function(lambda key: uniform([100_003], key), jit_compile=compiled)(key)
    print(name, np.array_equal(got, wanted))
for name, shape in (("bias", [5]), ("kernel", [3, 3, 2, 4]), ("scale", [5])):
    with keras.name_scope("layer"):
        variable = keras.Variable(np.ones(shape, np.float32), name=name)
    print(variable.path, not np.any(initial(variable, tf.constant(3, tf.int64))))

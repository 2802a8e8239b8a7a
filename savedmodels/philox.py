"""Random numbers that are a pure function of their seed, the same on every device."""

import math
import zlib

import tensorflow as tf

from common import path_of

PHILOX = "philox"


def uniform(shape, key):
    """float32 in [0, 1), as tf.random.stateless_uniform gives it on a CPU: the low 23 bits of each number. XLA takes the
    high ones there."""
    bits = tf.random.stateless_uniform(shape, key, None, None, tf.int32, alg=PHILOX)
    return tf.cast(tf.bitwise.bitwise_and(bits, 2**23 - 1), tf.float32) * 2.0**-23


def initial(variable, seed):
    """The random start of a variable, a pure function of seed: Glorot uniform for kernels, zero for biases."""
    if len(variable.shape) == 1:
        return tf.zeros(variable.shape)
    receptive = math.prod(variable.shape[:-2])
    limit = math.sqrt(6.0 / (receptive * (variable.shape[-2] + variable.shape[-1])))
    key = tf.random.fold_in(tf.stack([seed, tf.constant(-1, tf.int64)]), zlib.crc32(path_of(variable).encode()), PHILOX)
    return uniform(variable.shape, key) * (2 * limit) - limit


def dropout(x, rate, seed, step, layer):
    key = tf.random.fold_in(tf.stack([seed, step]), layer, PHILOX)
    keep = uniform(tf.shape(x), key) >= rate
    return tf.where(keep, x / (1.0 - rate), 0.0)

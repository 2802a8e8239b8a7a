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
    """The random start of a variable, a pure function of seed: zero for biases, Glorot uniform as Keras has it for all else."""
    if path_of(variable).split("/")[-1] == "bias":
        return tf.zeros(variable.shape)
    *receptive, fan_in, fan_out = (*variable.shape, variable.shape[-1]) if len(variable.shape) == 1 else variable.shape
    limit = math.sqrt(6.0 / (math.prod(receptive) * (fan_in + fan_out)))
    key = tf.random.fold_in(tf.stack([seed, tf.constant(-1, tf.int64)]), zlib.crc32(path_of(variable).encode()), PHILOX)
    return uniform(variable.shape, key) * (2 * limit) - limit


def dropout(x, rate, seed, step, layer):
    key = tf.random.fold_in(tf.stack([seed, step]), layer, PHILOX)
    keep = uniform(tf.shape(x), key) >= rate
    return tf.where(keep, x / (1.0 - rate), 0.0)

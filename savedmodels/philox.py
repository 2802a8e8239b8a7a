"""Random numbers that are a pure function of their seed, the same on every device."""

import math
import zlib

import tensorflow as tf

from common import path_of

PHILOX = "philox"


def initial(variable, seed):
    """The random start of a variable, a pure function of seed: Glorot uniform for kernels, zero for biases."""
    if len(variable.shape) == 1:
        return tf.zeros(variable.shape)
    receptive = math.prod(variable.shape[:-2])
    limit = math.sqrt(6.0 / (receptive * (variable.shape[-2] + variable.shape[-1])))
    key = tf.random.fold_in(tf.stack([seed, tf.constant(-1, tf.int64)]), zlib.crc32(path_of(variable).encode()), PHILOX)
    return tf.random.stateless_uniform(variable.shape, key, -limit, limit, alg=PHILOX)


def dropout(x, rate, seed, step, layer):
    key = tf.random.fold_in(tf.stack([seed, step]), layer, PHILOX)
    keep = tf.random.stateless_uniform(tf.shape(x), key, alg=PHILOX) >= rate
    return tf.where(keep, x / (1.0 - rate), 0.0)

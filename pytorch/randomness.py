"""What both halves draw at random from the config's seed: the order of images, and the first numbers of a new layer.

The order is that of stages/shuffle/shuffle.go, the numbers are those of savedmodels/philox.py (TensorFlow's stateless Philox).
"""

import hashlib
import math
import zlib

import numpy as np

M64 = 2**64 - 1


def epoch_order(n, seed, epoch):
    """A permutation of 0 … n-1, int64 [n], for an epoch from 1: Fisher-Yates from the end, drawn by PCG-DXSM."""
    digest = hashlib.sha256(f"{seed}/epoch {epoch}".encode()).digest()
    state, order = int.from_bytes(digest[:16], "big"), list(range(n))

    def draw():
        nonlocal state
        state = (state * 0x2360ED051FC65DA44385DF649FCCF645 + 0x5851F42D4C957F2D14057B7EF767814F) % 2**128
        high, low = state >> 64, state & M64
        high = (high ^ high >> 32) * 0xDA942042E4DD58B5 & M64
        return (high ^ high >> 48) * (low | 1) & M64

    for i in range(n - 1, 0, -1):
        while (value := draw()) < 2**64 % (i + 1):  # thrown away, so that each number is equally likely
            pass
        j = value % (i + 1)
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


def glorot(shape, seed, name):
    """The start of a variable with its Keras name, float32 [shape]: Glorot uniform for a kernel ([…, in, out]), zeros for a bias."""
    if len(shape) == 1:
        return np.zeros(shape, np.float32)
    data = zlib.crc32(name.encode())
    words = philox(2, seed, -1)  # tf.random.fold_in
    folded = int(words[0].astype(np.int32)) if data < 2**31 else int((words[0] | words[1] << np.uint64(32)).astype(np.int64))
    mantissa = (philox(math.prod(shape), folded, data) & np.uint64(0x7FFFFF)).astype(np.uint32)
    uniform = (mantissa | np.uint32(127 << 23)).view(np.float32) - np.float32(1)
    limit = np.float32(math.sqrt(6 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1]))))
    return (uniform * (limit - -limit) + -limit).reshape(shape)


def philox(n, *seed):
    """n numbers of 32 bits, uint64 [n], from a seed of two: Philox 4x32-10, whose key and counter the seed gives, scrambled."""
    low, high = (s & M64 for s in seed)
    counter = [np.array([word], np.uint64) for word in (low & 0xFFFFFFFF, low >> 32, high & 0xFFFFFFFF, high >> 32)]
    key0, key1, third, fourth = (int(word[0]) for word in rounds(counter, 0x3EC8F720, 0x02461E29))
    count = np.arange(-(-n // 4), dtype=np.uint64)
    start = third | fourth << 32  # the upper half of the counter; no array is long enough to carry into it
    blocks = [count & np.uint64(0xFFFFFFFF), count >> np.uint64(32)] + [np.full_like(count, w) for w in (start & 0xFFFFFFFF, start >> 32)]
    return np.stack(rounds(blocks, key0, key1), 1).reshape(-1)[:n]


def rounds(c, key0, key1):
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
        c = [b >> shift ^ c[1] ^ np.uint64(key0), b & low, a >> shift ^ c[3] ^ np.uint64(key1), a & low]
        key0, key1 = (key0 + 0x9E3779B9) % 2**32, (key1 + 0xBB67AE85) % 2**32
    return c

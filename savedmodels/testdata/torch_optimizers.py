"""Compare TorchOptimizer of optimizers.py with PyTorch's documented algorithms, written down again in NumPy, over 10 steps
with a changing learning rate. Usage: torch_optimizers.py FOLDER_OF_EXPORT_PY. Prints the largest difference of each case,
and then that of clip_grad_norm_."""

import sys

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, sys.argv[1])
from optimizers import TorchOptimizer, clip


def sgd(w, g, s, lr, t, momentum, nesterov, decay):
    g = g + decay * w
    if momentum:
        s["b"] = g if t == 1 else momentum * s["b"] + g
        g = g + momentum * s["b"] if nesterov else s["b"]
    return w - lr * g


def adamw(w, g, s, lr, t, momentum, nesterov, decay):
    w = w - lr * decay * w
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
    m, v = s["m"] / (1 - 0.9**t), s["v"] / (1 - 0.999**t)
    return w - lr * m / (np.sqrt(v) + 1e-8)


def rmsprop(w, g, s, lr, t, momentum, nesterov, decay):
    g = g + decay * w
    s["v"] = 0.99 * s.get("v", 0) + 0.01 * g * g
    g = g / (np.sqrt(s["v"]) + 1e-8)
    if momentum:
        s["b"] = momentum * s.get("b", 0) + g
        g = s["b"]
    return w - lr * g


for reference, name, momentum, nesterov, decay in [
    (sgd, "sgd", 0.0, False, 0.0),
    (sgd, "sgd", 0.9, False, 0.01),
    (sgd, "sgd", 0.9, True, 0.01),
    (adamw, "adamw", 0.0, False, 0.1),
    (rmsprop, "rmsprop", 0.0, False, 0.01),
    (rmsprop, "rmsprop", 0.9, False, 0.0),
]:
    random = np.random.default_rng(1)
    start = random.normal(size=(4, 3)).astype(np.float32)
    settings = {"name": name, "momentum": momentum, "nesterov": nesterov, "weight_decay": decay}
    variable = keras.Variable(start, name="kernel")
    optimizer = TorchOptimizer(settings, [variable], "optimizer")
    apply = tf.function(optimizer.apply)
    want, slots = start.astype(np.float64), {}
    for t in range(1, 11):
        g, lr = random.normal(size=(4, 3)).astype(np.float32), 0.1 / t
        apply([tf.constant(g)], tf.constant(lr, tf.float32))
        want = reference(want, g.astype(np.float64), slots, lr, t, momentum, nesterov, decay)
    print(np.abs(variable.numpy() - want).max() if np.abs(want - start).max() > 0.1 else np.inf)

random = np.random.default_rng(2)
gradients = [random.normal(size=(4, 3)), random.normal(size=5)]
norm = np.sqrt(sum((g * g).sum() for g in gradients))
differences = []
for limit in 1.0, 100.0:  # torch.nn.utils.clip_grad_norm_: a factor of limit / (norm + 1e-6), at most 1
    settings = {"convention": "torch", "clipnorm": 0.0, "clipvalue": 0.0, "global_clipnorm": limit}
    got = clip([tf.constant(g, tf.float32) for g in gradients], settings)
    differences += [np.abs(ours - g * min(1.0, limit / (norm + 1e-6))).max() for ours, g in zip(got, gradients)]
print(max(differences))

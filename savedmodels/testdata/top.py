"""The tutorial's network, its FC layers: what the exporter builds against NumPy and Keras. Usage: top.py FOLDER_OF_EXPORT_PY DIR.
DIR gets files of weights. Prints a line for each check that fails."""

import hashlib
import sys

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, sys.argv[1])
import network
from common import ExportError, path_of
from weights import from_file, load_weights

folder = sys.argv[2]
random = np.random.default_rng(1)
network.ARCHITECTURES["vgg16"]["fc"] = [6, 6]  # of 4,096, so that all is small


def check(name, ok):
    if not ok:
        print(name)


def spec(size, freeze, *taps):
    return {
        "backbone": "vgg16",
        "weights": "random",
        "input": [size, size],
        "preprocess": {"mode": "caffe"},
        "taps": list(taps),
        "freeze": freeze,
        "pooling": "avg",
    }


def numpy_pooling(x):
    """torch.nn.AdaptiveAvgPool2d(7), from its documentation."""
    _, height, width, _ = x.shape
    out = np.empty((x.shape[0], 7, 7, x.shape[3]), np.float64)
    for i in range(7):
        for j in range(7):
            rows = slice(int(np.floor(i * height / 7)), int(np.ceil((i + 1) * height / 7)))
            columns = slice(int(np.floor(j * width / 7)), int(np.ceil((j + 1) * width / 7)))
            out[:, i, j] = x[:, rows, columns].astype(np.float64).mean((1, 2))
    return out


def test_pooling(height, width):
    pool = tf.function(network.AdaptivePooling(7), autograph=False)
    x = random.normal(size=(2, height, width, 3)).astype(np.float32)
    want, weight = numpy_pooling(x), random.normal(size=(2, 7, 7, 3)).astype(np.float32)
    with tf.GradientTape() as tape:
        source = tf.Variable(x)
        got = pool(source)
        total = tf.reduce_sum(got * weight)
    check(f"pooling of {height}×{width}", np.abs(got - want).max() < 1e-6)
    # Pooling is linear: its gradient is right if it gives back the weighted sum for every x.
    other = random.normal(size=x.shape).astype(np.float32)
    error = np.sum(tape.gradient(total, source) * other) - np.sum(numpy_pooling(other) * weight)
    check(f"gradient of the pooling of {height}×{width}: {error}", abs(error) < 1e-4)
    if height == width == 7:
        check("pooling of 7×7 changes something", np.array_equal(got, x))


def dense(layer, x):
    return np.maximum(x @ layer.kernel.numpy() + layer.bias.numpy(), 0)


def filled(size, freeze, *taps):
    net = network.Network(spec(size, freeze, *taps))
    load_weights(net, {})
    for variable in net.base.weights:
        if variable.path.endswith("bias"):
            variable.assign(random.uniform(0, 0.1, variable.shape))
    return net


def test_network(size):
    net = filled(size, "fc2", "fc2")
    images = random.integers(0, 256, (2, size, size, 3)).astype(np.uint8)
    x = keras.applications.vgg16.preprocess_input(images.astype(np.float32))
    block5 = keras.Model(net.base.input, net.base.get_layer("block5_pool").output)(x).numpy()
    fc1 = dense(net.base.get_layer("fc1"), numpy_pooling(block5).reshape(2, -1))
    fc2 = dense(net.base.get_layer("fc2"), fc1)
    got = net.featurize(tf.constant(images)).numpy()
    check(f"{size} pixels", np.abs(got - fc2).max() < 1e-4 * np.abs(fc2).max() and np.abs(fc2).max() > 1e-3)
    # By the way of any other cut, too.
    for freeze in ["none", "block5_conv3", "fc1"] if size == 64 else ["none"]:
        other = network.Network(spec(size, freeze, "block4_pool", "fc1", "fc2"))
        for variable, value in zip(other.base.weights, net.base.weights):
            variable.assign(value)
        trained = other.finish(other.featurize(tf.constant(images)) if other.frozen else tf.constant(images)).numpy()
        want = np.concatenate([fc1, fc2], 1)
        check(f"{size} pixels, cut at {freeze}", np.abs(trained[:, 512:] - want).max() < 1e-4 * np.abs(want).max())


def dropped(x, y):
    """Whether y is x with about half of it dropped and the rest doubled."""
    kept = y != 0
    return np.abs(y - 2 * x)[kept].max() < 1e-4 * x.max() and 0.35 < kept.mean() / (x != 0).mean() < 0.65


def test_dropout():
    network.ARCHITECTURES["vgg16"]["fc"] = [400, 400]
    images = tf.constant(random.integers(0, 256, (4, 32, 32, 3)).astype(np.uint8))
    step = [tf.constant(n, tf.int64) for n in (1, 2, 3)]
    for freeze in ["none", "block5_pool", "fc1", "fc2"]:
        net = filled(32, freeze, "fc1", "fc2")
        x = net.featurize(images) if net.frozen else images
        plain, first, again, other = (net.finish(x, r).numpy() for r in [None, (step[0], step[1]), (step[0], step[1]), (step[0], step[2])])
        check(f"frozen through {freeze}: not the same in the same step", np.array_equal(first, again))
        check(f"frozen through {freeze}: the same in another step", not np.array_equal(first, other))
        if freeze == "fc2":
            check("frozen through fc2: fc1 is dropped", np.array_equal(plain[:, :400], first[:, :400]))
        else:
            check(f"frozen through {freeze}: fc1 is not dropped", dropped(plain[:, :400], first[:, :400]))
        inner = plain[:, 400:] if freeze == "fc2" else dense(net.base.get_layer("fc2"), first[:, :400])
        check(f"frozen through {freeze}: fc2 is not dropped", dropped(inner, first[:, 400:]))
        check("fc1 and fc2 drop the same", not np.array_equal(first[:, :400] == 0, first[:, 400:] == 0))
    network.ARCHITECTURES["vgg16"]["fc"] = [6, 6]


def test_files():
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(224, 224, 3))
    x = keras.layers.Flatten(name="flatten")(base.output)
    for name in ["fc1", "fc2"]:
        x = keras.layers.Dense(6, "relu", name=name)(x)
    whole = keras.Model(base.input, keras.layers.Dense(10, "softmax", name="predictions")(x), name="vgg16")
    want = {path_of(v): v.numpy() for v in whole.weights if not v.path.startswith("predictions")}

    def load(file, size):
        with open(file, "rb") as f:
            return from_file(network.Network(spec(size, "fc2", "fc2")), file, hashlib.file_digest(f, "sha256").hexdigest())

    for name in ["top.h5", "top.keras", "top.weights.h5"]:
        file = f"{folder}/{name}"
        (whole.save_weights if name.endswith(".weights.h5") else whole.save)(file)
        got = load(file, 32)
        check(name, all(np.array_equal(got[path], value) for path, value in want.items()))
    for name in ["base.h5", "base.weights.h5"]:
        file = f"{folder}/{name}"
        (base.save_weights if name.endswith(".weights.h5") else base.save)(file)
        try:
            load(file, 32)
            print(f"{name} has no top, but no error came")
        except ExportError as e:
            check(f"{name}: {e.error}; {e.hint}", e.hint.endswith("saved of its vgg16, with its top"))


for pixels in (32, 64, 224, 250):
    test_pooling(pixels // 32, pixels // 32)
    test_network(pixels)
test_pooling(9, 5)
test_pooling(20, 3)
test_dropout()
test_files()

"""Freeze VGG16 (random weights) at layers. Usage: freeze_points.py FOLDER_OF_EXPORT_PY LAYER..., where none is a LAYER. Prints
for each a line: the name, the length of what featurize gives, how far the class probabilities of the suffix on the
prefix are from those of predict, and those from keras.applications.VGG16; then, of a step of SGD on stored features
beside the same step of Keras on the whole network, whose frozen layers are not trainable: how far the changes of the
variables are apart, as a share of the largest change of each, and the names of what Keras trains and of what changed
here."""

import sys

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, sys.argv[1])
from common import path_of
from network import Network
from training import Classifier
from weights import load_weights

OPTIMIZER = {
    "name": "sgd", "convention": "keras", "momentum": 0.0, "nesterov": False, "weight_decay": 0.0,
    "clipnorm": 0.0, "global_clipnorm": 0.0, "clipvalue": 0.0,
}  # fmt: skip
SPEC = {
    "backbone": "vgg16", "weights": "random", "input": [32, 32], "preprocess": {"mode": "caffe"},
    "taps": ["block3_pool", "block5_pool"], "pooling": "avg", "classes": 3, "normalization": "layer", "units": [], "dropout": 0.0,
    "label_smoothing": 0.0, "optimizer": OPTIMIZER, "learning_rate_multipliers": {}, "class_weights": False, "head_first": False,
}  # fmt: skip



def keras_step(first):
    """The variables that train if the layers from the first on do, and how a step of SGD changes them."""
    for i, layer in enumerate(base.layers[1:]):
        layer.trainable = i >= first
    model.set_weights(start)
    variables = {v.path: v for v in model.trainable_variables}
    before = {path: v.numpy() for path, v in variables.items()}
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, model(preprocessed, training=True))
    values = list(variables.values())
    keras.optimizers.SGD(0.1).apply_gradients(zip(tape.gradient(loss, [v.value for v in values]), values))
    return list(variables), {path: v.numpy() - before[path] for path, v in variables.items()}


images = tf.constant(np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3)), tf.uint8)
labels = tf.constant([0, 1])
names = [layer.name for layer in keras.applications.VGG16(include_top=False, weights=None).layers[1:]]
for place, name in enumerate(sys.argv[2:]):
    network = Network(SPEC | {"freeze": name})
    load_weights(network, {})
    classifier = Classifier(network)
    classifier.init(tf.constant(0, tf.int64))  # of the layers that train: what load_weights gave them
    if place == 0:  # Keras' own network, with the weights of the first
        base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
        base.set_weights(network.base.get_weights())
        taps = [keras.layers.GlobalAveragePooling2D()(base.get_layer(tap).output) for tap in SPEC["taps"]]
        vector = keras.layers.LayerNormalization(center=False, scale=False)(keras.layers.Concatenate()(taps))
        model = keras.Model(base.input, keras.layers.Dense(3, name="head_1")(vector))
        model.get_layer("head_1").set_weights([v.numpy() for v in classifier.head[-1].weights])
        start = model.get_weights()
        preprocessed = keras.applications.vgg16.preprocess_input(images.numpy().astype(np.float32))
        want = tf.nn.softmax(model(preprocessed)).numpy()
    x = images if name == "none" else network.featurize(images)
    got = classifier.evaluate(x, labels)["probabilities"].numpy()
    served = classifier.predict(images)["probabilities"].numpy()
    length = 0 if name == "none" else x.shape[1]
    assert np.ptp(want) > 0.01
    variables, changes = keras_step(names.index(name) + 1 if name in names else 0)
    ours = {path_of(v): v for v in network.base.weights + classifier.trainable}
    before = {path: v.numpy() for path, v in ours.items()}
    zero = tf.constant(0, tf.int64)
    classifier.train_step(x=x, labels=labels, learning_rate=tf.constant(0.1), step=zero, seed=zero)
    apart = max(np.abs(ours[path] - before[path] - changes[path]).max() / np.abs(changes[path]).max() for path in variables)
    changed = [path for path in before if not np.array_equal(ours[path], before[path])]
    print(name, length, np.abs(got - served).max(), np.abs(served - want).max(), apart, ",".join(variables), ",".join(changed))

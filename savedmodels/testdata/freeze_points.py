"""Freeze VGG16 (random weights) at each of its layers and at none. Usage: freeze_points.py FOLDER_OF_EXPORT_PY. Prints
for each a line: the name, the length of what featurize gives, and how far the class probabilities of the suffix on the
prefix are from those of predict, and from those of keras.applications.VGG16."""

import sys

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, sys.argv[1])
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

images = tf.constant(np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3)), tf.uint8)
labels = tf.constant([0, 1])
names = [layer.name for layer in keras.applications.VGG16(include_top=False, weights=None).layers[1:]]
for name in [*names, "none"]:
    network = Network(SPEC | {"freeze": name})
    load_weights(network, {})
    classifier = Classifier(network)
    classifier.init(tf.constant(0, tf.int64))  # of the layers that train: what load_weights gave them
    if name == names[0]:  # Keras' own network, with the weights of the first
        base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
        base.set_weights(network.base.get_weights())
        taps = [keras.layers.GlobalAveragePooling2D()(base.get_layer(tap).output) for tap in SPEC["taps"]]
        vector = keras.layers.LayerNormalization(center=False, scale=False)(keras.layers.Concatenate()(taps))
        model = keras.Model(base.input, keras.layers.Dense(3, "softmax", name="head_1")(vector))
        model.get_layer("head_1").set_weights([v.numpy() for v in classifier.head[-1].weights])
        want = model(keras.applications.vgg16.preprocess_input(images.numpy().astype(np.float32))).numpy()
    x = images if name == "none" else network.featurize(images)
    got = classifier.evaluate(x, labels)["probabilities"].numpy()
    served = classifier.predict(images)["probabilities"].numpy()
    length = 0 if name == "none" else x.shape[1]
    assert np.ptp(want) > 0.01
    print(name, length, np.abs(got - served).max(), np.abs(served - want).max())

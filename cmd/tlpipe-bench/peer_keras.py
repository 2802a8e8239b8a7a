"""Keras: predict and fit on tf.data, compiled."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from peer import Task, serve

task = Task()
NO_AUTOTUNE = tf.data.Options()  # its thread would end only at its next period, 10 ms, 20 ms and so on to 5 s after the begin
NO_AUTOTUNE.autotune.enabled = False
tf.config.threading.set_intra_op_parallelism_threads(2)
tf.config.threading.set_inter_op_parallelism_threads(2)
if task.bfloat16 and task.variant == "rewrite":
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})
elif task.bfloat16:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")

mean = [103.939, 116.779, 123.68]  # preprocess_input of VGG16


def network():
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(task.size, task.size, 3), pooling="avg")
    weights = task.weights()
    for layer in base.layers:
        if layer.weights:
            layer.set_weights([weights[f"{layer.name}/kernel"], weights[f"{layer.name}/bias"]])
    return base


def preprocess(images, *labels):
    return (tf.cast(images, tf.float32)[..., ::-1] - tf.constant(mean), *labels)


def batches(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(task.batch, drop_remainder=True)


def trained(model):
    model.compile(keras.optimizers.SGD(1e-5, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    return lambda data: [model.fit(data, epochs=1, verbose=0).history["loss"][-1]]


if task.work == "featurize":
    model = network()
    model.compile(jit_compile=False)  # XLA runs convolutions of the CPU without oneDNN: fifty times slower
    data = batches(task.images).map(preprocess, 2).prefetch(2).with_options(NO_AUTOTUNE)
    serve(lambda: np.asarray(model.predict(data, verbose=0), np.float32)[0, :8])
elif task.work == "train":
    model = keras.Sequential([network(), keras.layers.Dense(10, dtype="float32")])
    fit = trained(model)
    data = batches(task.images, task.labels).map(preprocess, 2).prefetch(2).with_options(NO_AUTOTUNE)
    serve(lambda: fit(data))
else:
    model = keras.Sequential([keras.Input([task.features.shape[1]]), keras.layers.Dense(10)])
    fit = trained(model)
    data = batches(task.features, task.labels).prefetch(2).with_options(NO_AUTOTUNE)
    serve(lambda: fit(data))

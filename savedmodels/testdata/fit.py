"""Train with Keras' model.fit, from the variables of SavedModels. Usage: fit.py CASES IMAGES LABELS STEPS BATCH SIZE TAP.
CASES is JSON: a list of {"dir", "out", "optimizer": name, "settings": those of the optimizer in Keras, "rates": the
learning rate of each step, "class_weight": list or null}. Each out gets the STEPS losses, then the last layer's kernel."""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(2)
tf.config.threading.set_inter_op_parallelism_threads(2)
cases, images, labels, steps, batch, size, tap = sys.argv[1:]
batch, size = int(batch), int(size)
images = np.fromfile(images, np.uint8).reshape(-1, size, size, 3).astype(np.float32)
labels = np.fromfile(labels, np.int32)
assert len(images) == len(labels) == int(steps) * batch


class EachStep(keras.callbacks.Callback):
    def __init__(self, rates):
        super().__init__()
        self.rates, self.losses = rates, []

    def on_train_batch_begin(self, step, logs=None):
        self.model.optimizer.learning_rate = self.rates[step]

    def on_train_batch_end(self, step, logs=None):
        self.losses.append(logs["loss"])
        self.model.reset_metrics()  # or the next loss would be a mean


def network(folder):
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(size, size, 3))
    saved = tf.train.load_checkpoint(folder + "/variables/variables")
    kernel = saved.get_tensor("head_1_kernel/.ATTRIBUTES/VARIABLE_VALUE")
    pooled = keras.layers.GlobalAveragePooling2D()(base.get_layer(tap).output)
    model = keras.Model(base.input, keras.layers.Dense(kernel.shape[1], name="head_1")(pooled))
    for v in model.weights:
        v.assign(saved.get_tensor(v.path.replace("/", "_") + "/.ATTRIBUTES/VARIABLE_VALUE"))
    return model


for case in json.loads(cases):
    model = network(case["dir"])
    optimizer = {"sgd": keras.optimizers.SGD, "adamw": keras.optimizers.AdamW, "rmsprop": keras.optimizers.RMSprop}
    model.compile(
        optimizer[case["optimizer"]](**case["settings"]),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    each = EachStep(case["rates"])
    x = keras.applications.vgg16.preprocess_input(images.copy())
    weights = dict(enumerate(case["class_weight"])) if case["class_weight"] else None
    model.fit(x, labels, batch, shuffle=False, class_weight=weights, callbacks=[each], verbose=0)
    with open(case["out"], "wb") as f:
        f.write(np.array(each.losses, np.float32).tobytes())
        f.write(model.get_layer("head_1").kernel.numpy().tobytes())

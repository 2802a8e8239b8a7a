"""The loss of one training step with augmentation and mixup, by layers of Keras and NumPy, from the variables of a
SavedModel. Usage: mixup.py FOLDER_OF_EXPORT_PY DIR IMAGES LABELS N SIZE TAP AUGMENT SMOOTHING SEED STEP CLASS_WEIGHTS,
where AUGMENT and CLASS_WEIGHTS (null for none) are JSON. Prints the loss and how many images are classified right."""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, sys.argv[1])
from augmentation import Augmentation, drawn_for_step, mix_weights

folder, images, labels, n, size, tap, augment, smoothing, seed, step, factors = sys.argv[2:]
n, size, augment, smoothing = int(n), int(size), json.loads(augment), float(smoothing)
seed, step = tf.constant(int(seed), tf.int64), tf.constant(int(step), tf.int64)
images = np.fromfile(images, np.uint8).reshape(n, size, size, 3).astype(np.float32)
labels = np.fromfile(labels, np.int32)

base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(size, size, 3))
saved = tf.train.load_checkpoint(folder + "/variables/variables")
kernel = saved.get_tensor("head_1_kernel/.ATTRIBUTES/VARIABLE_VALUE")
pooled = keras.layers.GlobalAveragePooling2D()(base.get_layer(tap).output)
model = keras.Model(base.input, keras.layers.Dense(kernel.shape[1], name="head_1")(pooled))
for v in model.weights:
    v.assign(saved.get_tensor(v.path.replace("/", "_") + "/.ATTRIBUTES/VARIABLE_VALUE"))

x = Augmentation(augment, (size, size))(tf.constant(images), drawn_for_step(n, seed, step)).numpy()
weights = mix_weights(n, augment["mixup"], seed, step).numpy()
w = weights.reshape(-1, 1, 1, 1)
logits = model(keras.applications.vgg16.preprocess_input(w * x + (1 - w) * np.roll(x, 1, axis=0))).numpy().astype(np.float64)
classes = logits.shape[1]
whole = np.eye(classes)[labels] * (1 - smoothing) + smoothing / classes
factors = np.array(json.loads(factors) or [1] * classes)[labels]
targets = weights[:, None] * whole + (1 - weights[:, None]) * np.roll(whole, 1, axis=0)
shifted = logits - logits.max(1, keepdims=True)
log_probabilities = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
own, other = (-(t * log_probabilities).sum(1) for t in (whole, np.roll(whole, 1, axis=0)))
loss = (weights * factors * own + (1 - weights) * np.roll(factors, 1) * other).mean()
print(loss, (logits.argmax(1) == targets.argmax(1)).sum())

"""Features as Keras itself computes them, knowing nothing of tlpipe's export: keras.applications.VGG16 and
preprocess_input. Usage: features.py IMAGES N SIZE MODE TAP WEIGHTS DTYPE OUT, where IMAGES is raw uint8 [N, SIZE, SIZE, 3],
WEIGHTS an .npz by tensor name or a SavedModel, DTYPE that of weights and activations, and OUT gets raw float32 [N, channels], averaged over the positions."""

import sys

import keras
import numpy as np
import tensorflow as tf

images, n, size, mode, tap, weights, dtype, out = sys.argv[1:]
n, size = int(n), int(size)
tf.config.threading.set_intra_op_parallelism_threads(2)
tf.config.threading.set_inter_op_parallelism_threads(2)
keras.config.set_dtype_policy(dtype)

base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(size, size, 3))
if weights.endswith(".npz"):
    values = np.load(weights)
else:
    saved = tf.train.load_checkpoint(weights + "/variables/variables")
    keys = saved.get_variable_to_shape_map()
    values = {
        v.path: saved.get_tensor(v.path.replace("/", "_") + "/.ATTRIBUTES/VARIABLE_VALUE")
        for v in base.weights
        if v.path.replace("/", "_") + "/.ATTRIBUTES/VARIABLE_VALUE" in keys
    }
for v in base.weights:
    if v.path in values:
        v.assign(values[v.path])

x = np.fromfile(images, np.uint8).reshape(n, size, size, 3).astype(np.float32)
x = keras.applications.imagenet_utils.preprocess_input(x, mode=mode)
y = keras.layers.GlobalAveragePooling2D(dtype="float32")(base.get_layer(tap).output)
keras.Model(base.input, y).predict(x, batch_size=n, verbose=0).tofile(out)

"""Serve a SavedModel as others would. Usage: served.py DIR IMAGES N SIZE OUT. Writes the probabilities of raw uint8
images [N, SIZE, SIZE, 3] as raw float32: first by tf.saved_model.load, then by keras.layers.TFSMLayer. Prints how many
variables the checkpoint has beside those that say how images are made."""

import sys

import keras
import numpy as np
import tensorflow as tf

folder, images, n, size, out = sys.argv[1:]
images = np.fromfile(images, np.uint8).reshape(int(n), int(size), int(size), 3)
loaded = tf.saved_model.load(folder).signatures["predict"](images=tf.constant(images))["probabilities"].numpy()
layer = keras.layers.TFSMLayer(folder, call_endpoint="serving_default")
with open(out, "wb") as f:
    f.write(loaded.tobytes())
    f.write(layer(images)["probabilities"].numpy().tobytes())
names = [name for name, _ in tf.train.list_variables(folder + "/variables/variables") if not name.startswith(("_CHECKPOINTABLE_OBJECT_GRAPH", "serving/"))]
print(len(names))

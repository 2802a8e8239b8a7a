"""Save one VGG16 with random weights in each format of Keras, and two .keras files that write DIR/evil if they are trusted.
Usage: weights_files.py DIR"""

import pathlib
import sys

import keras
import tensorflow as tf

keras.utils.set_random_seed(1)
base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(48, 48, 3))
for name in ["vgg.h5", "vgg.keras"]:
    base.save(f"{sys.argv[1]}/{name}")
base.save_weights(f"{sys.argv[1]}/vgg.weights.h5")
keras.Sequential([keras.layers.Input([3]), keras.layers.Dense(2, name="fc")]).save(f"{sys.argv[1]}/other.h5")


class Evil(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 3])])
    def serve(self, x):
        tf.io.write_file(f"{sys.argv[1]}/evil", "x")
        return x


tf.saved_model.save(Evil(), f"{sys.argv[1]}/evil.graph")
graph = keras.layers.TFSMLayer(f"{sys.argv[1]}/evil.graph")
code = keras.layers.Lambda(lambda x: (open(f"{sys.argv[1]}/evil", "w"), x)[1])
for name, layer in ("graph", graph), ("code", code):
    keras.Sequential([keras.layers.Input([3]), layer]).save(f"{sys.argv[1]}/{name}.keras")
pathlib.Path(sys.argv[1], "evil").unlink(missing_ok=True)

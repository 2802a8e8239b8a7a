"""Save one VGG16 with random weights in each format of Keras. Usage: weights_files.py DIR"""

import sys

import keras

keras.utils.set_random_seed(1)
base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(48, 48, 3))
for name in ["vgg.h5", "vgg.keras"]:
    base.save(f"{sys.argv[1]}/{name}")
base.save_weights(f"{sys.argv[1]}/vgg.weights.h5")
keras.Sequential([keras.layers.Input([3]), keras.layers.Dense(2, name="fc")]).save(f"{sys.argv[1]}/other.h5")

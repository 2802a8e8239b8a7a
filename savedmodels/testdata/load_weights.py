"""How far load_weights.py is from the signature predict. Usage: load_weights.py LOAD_WEIGHTS_PY MODEL IMAGES [FILE…], where
IMAGES is an .npy of uint8 images. Prints the largest difference for the folder, then for each file."""

import importlib.util
import sys

import keras
import numpy as np
import tensorflow as tf

module = importlib.util.spec_from_file_location("load_weights", sys.argv[1])
weights = importlib.util.module_from_spec(module)
module.loader.exec_module(weights)

folder, images = sys.argv[2], np.load(sys.argv[3])
want = tf.saved_model.load(folder).signatures["predict"](images=tf.constant(images))["probabilities"].numpy()


def keras_model(file):
    if file.endswith(".keras"):
        return keras.saving.load_model(file)
    if file.endswith(".weights.h5"):
        model = weights.build(folder + "/card.json")
        model.load_weights(file)
        return model
    return weights.load(file)


for file in [folder, *sys.argv[4:]]:
    got = keras_model(file).predict(images, verbose=0)
    assert got.shape == want.shape
    print(np.abs(got - want).max())

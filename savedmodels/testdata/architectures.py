"""The layers of the base models as Keras has them. Usage: architectures.py FOLDER_OF_EXPORT_PY. Prints for each layer but the
input, Keras' flatten and the last FC layer: the base model, its name, the pixels of the input for one position of its output (0
of an FC layer), its channels, and whether it has weights."""

import sys

import keras

sys.path.insert(0, sys.argv[1])
from architectures import ARCHITECTURES, application

for backbone in ARCHITECTURES:
    for layer in application(backbone)(weights=None).layers[1:-1]:
        shape = layer.output.shape
        if not isinstance(layer, keras.layers.Flatten):
            print(backbone, layer.name, 224 // shape[1] if len(shape) == 4 else 0, shape[-1], bool(layer.weights))

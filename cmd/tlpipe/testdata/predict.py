"""Class probabilities as Python computes them, knowing nothing of tlpipe's program. Usage: predict.py MODEL IMAGES DATA, where
IMAGES is what decode made of the files in DATA. Prints a line of JSON for each image: its path, the probabilities of the
decoded pixels by tf.saved_model.load and by keras.layers.TFSMLayer, those of the file, and the best line of labels.txt."""

import json
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

model, folder, data = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
images = np.concatenate([np.load(shard, mmap_mode="r") for shard in sorted(folder.glob("images-*.npy"))])
samples = [json.loads(line) for line in open(folder / "samples.jsonl", encoding="utf-8")]
files = tf.constant([(data / sample["path"]).read_bytes() for sample in samples])

signatures = tf.saved_model.load(model).signatures


def serve(name, dtype, value):
    [(argument, spec)] = signatures[name].structured_input_signature[1].items()
    assert spec.dtype == dtype, spec
    return signatures[name](**{argument: value})["probabilities"].numpy()


loaded, by_file = serve("serving_default", tf.uint8, tf.constant(images)), serve("serving_bytes", tf.string, files)
layer = keras.layers.TFSMLayer(model, call_endpoint="serving_default")(images)["probabilities"].numpy()
labels = (pathlib.Path(model) / "labels.txt").read_text(encoding="utf-8").splitlines()
for sample, a, b, c in zip(samples, loaded, layer, by_file, strict=True):
    line = {"image": sample["path"], "loaded": a.tolist(), "layer": b.tolist(), "file": c.tolist(), "label": labels[int(a.argmax())]}
    print(json.dumps(line))

"""Class probabilities as Python computes them, knowing nothing of tlpipe's program. Usage: predict.py MODEL IMAGES CROP,
where IMAGES is what decode made. Prints a line of JSON for each image: its path, the probabilities by
tf.saved_model.load and by keras.layers.TFSMLayer, and the best line of labels.txt."""

import json
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

model, folder, crop = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
images = np.concatenate([np.load(shard, mmap_mode="r") for shard in sorted(folder.glob("images-*.npy"))])
top, left = (images.shape[1] - crop) // 2, (images.shape[2] - crop) // 2
images = images[:, top : top + crop, left : left + crop]

serve = tf.saved_model.load(model).signatures["serving_default"]
[(argument, spec)] = serve.structured_input_signature[1].items()
assert spec.dtype == tf.uint8, spec
loaded = serve(**{argument: tf.constant(images)})["probabilities"].numpy()
layer = keras.layers.TFSMLayer(model, call_endpoint="serving_default")(images)["probabilities"].numpy()
labels = (pathlib.Path(model) / "labels.txt").read_text(encoding="utf-8").splitlines()
samples = [json.loads(line) for line in open(folder / "samples.jsonl", encoding="utf-8")]
for sample, a, b in zip(samples, loaded, layer, strict=True):
    line = {"image": sample["path"], "loaded": a.tolist(), "layer": b.tolist(), "label": labels[int(a.argmax())]}
    print(json.dumps(line))

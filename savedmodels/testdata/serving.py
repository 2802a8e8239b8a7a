"""What the served signatures answer for image files, as clients of TensorFlow Serving see it. Usage: serving.py LIST, a JSON
object of lists of files by the folder of the model. Prints a line of JSON for each: the probabilities by serving_bytes and by
serving_default, which is given the pixels; or the last line of the error."""

import json
import sys

import tensorflow as tf


def answer(signature, **inputs):
    try:
        return signature(**inputs)["probabilities"].numpy()[0].tolist()
    except tf.errors.InvalidArgumentError as e:
        return str(e)


def answers(signature, files):
    """All at once, of many sizes; one by one if one of them is refused."""
    try:
        return signature(image_bytes=tf.stack(files))["probabilities"].numpy().tolist()
    except tf.errors.InvalidArgumentError:
        return [answer(signature, image_bytes=file[None]) for file in files]


with open(sys.argv[1], encoding="utf-8") as f:
    models = json.load(f)
for model, files in models.items():
    signatures = tf.saved_model.load(model).signatures
    files = [tf.io.read_file(file) for file in files]
    for file, by_bytes in zip(files, answers(signatures["serving_bytes"], files), strict=True):
        line = {"bytes": by_bytes, "pixels": None}
        if file.numpy().startswith((b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM")):
            pixels = tf.io.decode_image(file, expand_animations=False)
            line["pixels"] = answer(signatures["serving_default"], images=pixels[None])
        print(json.dumps(line))

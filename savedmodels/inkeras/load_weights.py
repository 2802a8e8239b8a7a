"""A model that tlpipe trained, as a model of Keras. Needs keras and numpy; tensorflow where weights are read from a
trained model's folder. MODEL is such a folder: artifacts/latest/NAME/fine-tune.

    from load_weights import build, load

    model = load(MODEL)                         # or of what `tlpipe export-weights MODEL x.safetensors` wrote
    model.predict(images)                       # [n, height, width, channels], 0 to 255 -> class probabilities

    model = build(MODEL + "/card.json")         # the same network without its weights
    model.load_weights("x.weights.h5")          # that `tlpipe export-weights MODEL x.weights.h5` wrote

    keras.saving.load_model("x.keras")          # that `tlpipe export-weights MODEL x.keras` wrote: needs no such script

On a command line: python load_weights.py MODEL FILE..., where FILE ends in .weights.h5, .safetensors or .keras.
"""

import json
import pathlib
import sys

import keras
import numpy as np


def build(card):
    """The network that card.json (its path, or what it holds) describes: keras.applications' base model up to its last
    tap, and the head. Its weights are not those of the trained model."""
    card = card if isinstance(card, dict) else json.loads(pathlib.Path(card).read_text(encoding="utf-8"))
    spec, architecture, channels = card["spec"], card["architecture"], card["trained"]["decoded"][2]
    images = keras.Input((None, None, channels), name="images")
    application = getattr(keras.applications, architecture["keras"])
    base = application(include_top=False, weights=None, input_tensor=preprocess(images, spec, channels))
    outputs = {layer.name: layer.output for layer in base.layers}
    if spec["taps"][-1] not in outputs:  # an FC layer
        x = keras.layers.Flatten()(positions(base.output, architecture["positions"]))
        for i, units in enumerate(architecture["fc"], 1):
            x = outputs[f"fc{i}"] = keras.layers.Dense(units, "relu", name=f"fc{i}")(x)
    pooling = {
        "avg": keras.layers.GlobalAveragePooling2D,
        "max": keras.layers.GlobalMaxPooling2D,
        "none": keras.layers.Flatten,
    }[spec["pooling"]]
    taps = [outputs[name] if name.startswith("fc") else pooling()(outputs[name]) for name in spec["taps"]]
    x = taps[0] if len(taps) == 1 else keras.layers.Concatenate()(taps)
    if spec["normalization"] == "layer":
        x = keras.layers.LayerNormalization(center=False, scale=False)(x)
    sizes = [*spec["units"], spec["classes"]]
    for i, units in enumerate(sizes, 1):
        x = keras.layers.Dense(units, "relu" if i < len(sizes) else "softmax", name=f"head_{i}")(x)
    return keras.Model(images, x)


def preprocess(images, spec, channels):
    """Pixels to what the base model takes: resized, gray as RGB, and scaled as keras.applications' preprocess_input does."""
    x = keras.layers.Resizing(*spec["input"], interpolation="bilinear")(images)
    if channels == 1:
        x = keras.layers.Concatenate()([x, x, x])
    recipe = spec["preprocess"]
    if recipe["mode"] == "caffe":
        return keras.layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68])(keras.ops.flip(x, axis=-1))
    mean, std = {
        "tf": ([0.5] * 3, [0.5] * 3),
        "torch": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        "mean-std": (recipe.get("mean"), recipe.get("std")),
    }[recipe["mode"]]
    return keras.layers.Rescaling([1 / (255 * s) for s in std], offset=[-m / s for m, s in zip(mean, std)])(x)


def positions(x, count):
    """Average pooling of maps of any size to positions × positions, with the bins of torch.nn.AdaptiveAvgPool2d."""

    def bins(n):
        shares = np.zeros([count, n], np.float32)
        for i in range(count):
            first, end = i * n // count, -(-(i + 1) * n // count)
            shares[i, first:end] = 1 / (end - first)
        return shares

    return keras.ops.einsum("nhwc,ph,qw->npqc", x, bins(x.shape[1]), bins(x.shape[2]))


def load(path):
    """The trained model of a folder, or of a .safetensors file."""
    path = pathlib.Path(path)
    if path.is_dir():
        import tensorflow as tf

        model, saved = build(path / "card.json"), tf.train.load_checkpoint(str(path / "variables" / "variables"))
        for variable in model.variables:
            variable.assign(saved.get_tensor(variable.path.replace("/", "_") + "/.ATTRIBUTES/VARIABLE_VALUE"))
        return model
    header, arrays = read_safetensors(path)
    model = build(json.loads(header["__metadata__"]["card"]))
    for variable in model.variables:
        variable.assign(arrays[variable.path])
    return model


def read_safetensors(path):
    """The header and the arrays by name of a file of float32 tensors, which are named as Keras names its variables."""
    data = pathlib.Path(path).read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    arrays = {}
    for name, info in header.items():
        if name != "__metadata__":
            first, last = (end + offset for offset in info["data_offsets"])
            arrays[name] = np.frombuffer(data[first:last], "<f4").reshape(info["shape"])
    return header, arrays


def write_safetensors(model, card, path):
    header, at = {"__metadata__": {"format": "tf", "card": json.dumps(card, sort_keys=True)}}, 0
    variables = sorted(model.variables, key=lambda v: v.path)
    for v in variables:
        size = 4 * int(np.prod(v.shape))
        header[v.path] = {"dtype": "F32", "shape": list(v.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for v in variables:
            out.write(np.ascontiguousarray(v.numpy(), "<f4").tobytes())


def main(folder, *files):
    model = load(folder)
    for file in files:
        if file.endswith(".weights.h5"):
            model.save_weights(file)
        elif file.endswith(".safetensors"):
            write_safetensors(model, json.loads((pathlib.Path(folder) / "card.json").read_text(encoding="utf-8")), file)
        elif file.endswith(".keras"):
            model.save(file)
        else:
            sys.exit(f"{file}: expected a name that ends in .weights.h5, .safetensors or .keras")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python load_weights.py MODEL FILE...")
    main(*sys.argv[1:])

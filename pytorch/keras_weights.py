"""Weights under Keras' names and in its layouts, so that what one half exported or trained fits the other."""

import json
import pathlib

import torch
from torch import nn

ARCHITECTURES = json.loads((pathlib.Path(__file__).parents[1] / "savedmodels" / "architectures.json").read_text(encoding="utf-8"))


def weighted(layers):
    """(Keras' name of a layer, its convolution or FC layer) for each of the layers that has one."""
    for name, layer in layers.items():
        for part in layer.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                yield name, part


def keras_arrays(layers):
    """The weights of layers by Keras' names: float32 [h, w, in, out] or [in, out], and [out]."""
    arrays = {}
    for name, part in weighted(layers):
        kernel = part.weight.detach()
        if isinstance(part, nn.Conv2d):  # torch: [out, in, h, w]
            kernel = kernel.permute(2, 3, 1, 0)
        elif name == "fc1":  # behind flatten, which goes channels first in torch, channels last in Keras
            kernel = kernel.view(len(kernel), -1, 7, 7).permute(2, 3, 1, 0).flatten(0, 2)
        else:  # torch: [out, in]
            kernel = kernel.T
        arrays |= {f"{name}/kernel": kernel.contiguous(), f"{name}/bias": part.bias.detach()}
    return arrays


def load_keras(layers, arrays):
    """Fill layers with weights by Keras' names; the inverse of keras_arrays. A layer that arrays has not stays as it is:
    one that was cut off."""
    for name, part in weighted(layers):
        if f"{name}/kernel" not in arrays:
            continue
        kernel = torch.as_tensor(arrays[f"{name}/kernel"])
        if isinstance(part, nn.Conv2d):
            kernel = kernel.permute(3, 2, 0, 1)
        elif name == "fc1":
            kernel = kernel.view(7, 7, -1, kernel.shape[1]).permute(3, 2, 0, 1).flatten(1)
        else:
            kernel = kernel.T
        part.weight.data.copy_(kernel)
        part.bias.data.copy_(torch.as_tensor(arrays[f"{name}/bias"]))


def card(network, images):
    """What savedmodels/inkeras/load_weights.py has to know to build the same network in Keras."""
    model, recipe = network.model, network.recipe
    spec = {"backbone": model["backbone"], "input": model["input"], "preprocess": recipe, "taps": network.taps, "pooling": model["pooling"]}
    spec |= {"normalization": model["head"]["normalization"], "units": model["head"]["units"], "classes": len(images.classes)}
    return {"spec": spec, "architecture": ARCHITECTURES[model["backbone"]], "trained": {"decoded": images.decoded, "classes": images.classes, "recipe": recipe}}

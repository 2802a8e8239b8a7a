"""The base models: architectures.json, which Go reads too (savedmodels/architecture.go says what stands in it)."""

import json
import pathlib

import keras

ARCHITECTURES = json.loads((pathlib.Path(__file__).parent / "architectures.json").read_text(encoding="utf-8"))


def application(backbone):
    """The function of keras.applications that builds the base model."""
    return getattr(keras.applications, ARCHITECTURES[backbone]["keras"])


def fc_layers(backbone):
    """The FC layers of the base model but the last, which names ImageNet's classes: their numbers of outputs by name."""
    return {f"fc{i}": units for i, units in enumerate(ARCHITECTURES[backbone]["fc"], 1)}


def has_top(spec):
    """Whether the network reaches the FC layers. They have seven times the weights of the rest."""
    return spec["taps"][-1] in fc_layers(spec["backbone"])

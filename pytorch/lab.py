"""What the tests of the PyTorch half share: small images, configs on them, and both halves' runs, each made once.

A test runs a config through `tlpipe run` and then through train.py, as users do it, and compares what the two left.
"""

import contextlib
import csv
import functools
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from unittest import mock

import numpy as np
from PIL import Image

import artifacts
import train

ROOT = pathlib.Path(__file__).resolve().parent.parent
KERAS = ROOT / ".deps" / "bin" / "python"

CONFIG = """
name: {name}
seed: 7
model: {{input: [32, 32], truncate_at: {taps}, freeze_through: {freeze}, head: {{normalization: layer, units: [16]}}, {model}}}
stages:
  - fetch: {{sources: [{{path: data}}]}}
  - decode: {{format: image-folder, size: 40}}
  - normalize: {{{normalize}, crop: 36, split: {{val: 0.25}}}}
  - featurize: {{{featurize}}}
  - fine-tune: {{precision: float32, keep: best, {training}}}
  - evaluate: {{split: test}}
"""
MEAN_STD = "mode: mean-std, mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3]"
SGD = """epochs: {}, batch_size: {}, schedule: {{name: step, step_size: {}, gamma: 0.1}},
      optimizer: {{name: sgd, learning_rate: {}, momentum: 0.9, weight_decay: 0.001, convention: torch}}"""
ADAMW = """epochs: 6, batch_size: 18, schedule: {name: cosine, warmup_epochs: 2}, label_smoothing: 0.1,
      optimizer: {name: adamw, learning_rate: 0.0005, weight_decay: 0.01, convention: torch},
      learning_rate_multiplier: {backbone: 0.03, block5_conv3: 0.01}"""
RMSPROP = """epochs: 6, batch_size: 18, schedule: {name: exponential, gamma: 0.7}, head_first_epochs: 2, class_weight: {blue: 2, green: 0.5},
      optimizer: {name: rmsprop, learning_rate: 0.0002, momentum: 0.5, clipnorm: 0.5, convention: torch},
      learning_rate_multiplier: {backbone: 0.02}"""
# The first steps of adamw and rmsprop change every weight by as much, also where its gradient is but rounding, which differs
# from CPU to CPU: so the backbone goes slowly.

# Batches of all 54 training images, so that a line of history is a step; and batches of 18, whose order matters. The
# whole network trains from ImageNet's weights: from random ones, rounding grows to a difference within ten steps. At higher rates
# it does so in fifty on some processors.
STORED = "batch_size: 16, precision: float32"
PARTLY = {"taps": "[block3_pool, block5_pool]", "freeze": "block3_pool", "model": "weights: imagenet, pooling: avg", "normalize": "mode: caffe"}
CONFIGS = {
    "frozen": {
        "taps": "[block2_pool, block3_pool]", "freeze": "block3_pool", "model": "weights: random, pooling: none",
        "normalize": MEAN_STD, "featurize": STORED, "training": SGD.format(50, 54, 30, 0.002),
    },
    "whole": {
        "taps": "block5_pool", "freeze": "none", "model": "weights: imagenet, pooling: none",
        "normalize": "mode: caffe", "featurize": "", "training": SGD.format(17, 18, 10, 0.0002),
    },
    "partly-adamw": PARTLY | {"featurize": STORED, "training": ADAMW},
    "partly-rmsprop": PARTLY | {"featurize": STORED, "training": RMSPROP},
}


def draw(folder):
    """Images of three classes with a colour each, under noise."""
    random = np.random.default_rng(1)
    for split, n in (("train", 24), ("test", 20)):
        for hue, name in enumerate(["blue", "green", "red"]):
            (folder / split / name).mkdir(parents=True)
            for i in range(n):
                pixels = random.integers(0, 200, (44, 40, 3))
                pixels[..., 2 - hue] += 25
                Image.fromarray(pixels.astype(np.uint8)).save(folder / split / name / f"{i:02}.png")


def tlpipe(*arguments):
    """What tlpipe prints."""
    done = subprocess.run([artifacts.TLPIPE, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"tlpipe {arguments}: {done.stdout}{done.stderr}")
    return done.stdout


def pytorch(*arguments):
    """The exit code of train.py, and its errors."""
    errors = io.StringIO()
    with mock.patch.object(sys, "argv", ["train.py", *map(str, arguments)]), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        return train.main(time.monotonic()), errors.getvalue()


def sets(*settings):
    return [argument for text in settings for argument in ("--set", text)]


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def table(file):
    with open(file, newline="") as text:
        return list(csv.DictReader(text))


class Lab:
    """A folder with the images, the configs and a store."""

    def __init__(self):
        self.temporary = tempfile.TemporaryDirectory()  # deleted with the lab, at the end
        self.folder = pathlib.Path(self.temporary.name)
        self.store = self.folder / "store"
        draw(self.folder / "data")
        for name, parts in CONFIGS.items():
            self.config(name).write_text(CONFIG.format(name=name, **parts))

    def config(self, name):
        return self.folder / f"{name}.yaml"

    @functools.cache
    def keras(self, name):
        """What the last `tlpipe run` of a config made: a folder with one for each stage."""
        tlpipe("run", self.config(name), "--store", self.store)
        return self.store / "latest" / name

    @functools.cache
    def pytorch(self, name):
        """What train.py makes of a config that tlpipe has run: a folder, or an error."""
        self.keras(name)
        out = self.folder / f"{name}-pytorch"
        code, errors = pytorch(self.config(name), "--store", self.store, "--out", out, "--workers", "0")
        if (code, errors) != (0, ""):
            raise AssertionError(f"train.py {name}: {code}, {errors}")
        return out

    def network(self, config, *settings):
        """The network that train.py builds for a config, with the weights that Keras exported, and the images."""
        status = artifacts.status_of([config], settings, self.store)
        paths = artifacts.folders_of(status, ["decode", "normalize", "export-suffix"], self.store)
        images = artifacts.Images(paths["decode"], paths["normalize"])
        layers = train.pretrained(status["settings"]["model"], "keras", paths["export-suffix"])
        return train.Network(layers, status["settings"], images.dataset["recipe"], len(images.classes)), images


@functools.cache
def lab():
    return Lab()

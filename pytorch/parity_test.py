"""Proves that both halves do the same: run by `make test-pytorch`, needs bin/tlpipe and .deps.

Small images are drawn here, VGG16 has random weights. Each config goes through `tlpipe run` and then through train.py,
as users do it; then what the two left is compared.
"""

import contextlib
import csv
import fcntl
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

import artifacts
import train
from keras_weights import load_keras
from randomness import epoch_order

ROOT = pathlib.Path(__file__).resolve().parent.parent
KERAS = ROOT / ".deps" / "bin" / "python"
POOLS = [f"block{i}_pool" for i in range(1, 6)]

CONFIG = """
name: parity
seed: 7
model: {weights: random, input: [32, 32], pooling: none, truncate_at: %s, freeze_through: %s, head: {normalization: layer, units: [16]}}
stages:
  - fetch: {sources: [{path: data}]}
  - decode: {format: image-folder, size: 40}
  - normalize: {mode: %s, mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3], crop: 36, split: {val: 0.25}}
  - featurize: {batch_size: 16, precision: float32}
  - fine-tune:
      epochs: %d
      batch_size: %d
      precision: float32
      optimizer: {name: sgd, learning_rate: 0.002, momentum: 0.9, weight_decay: 0.001, convention: torch}
      schedule: {name: step, step_size: %d, gamma: 0.1}
      keep: best
  - evaluate: {split: test}
"""
# Batches of all 54 training images, so that a line of history is a step; and batches of 18, whose order matters.
FROZEN = CONFIG % ("[block2_pool, block3_pool]", "block3_pool", "mean-std", 50, 54, 30)
WHOLE = CONFIG % ("block5_pool", "none", "caffe", 17, 18, 10)
WHOLE = WHOLE.replace("mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3], ", "").replace("batch_size: 16, precision: float32", "")


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
    done = subprocess.run([artifacts.TLPIPE, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"tlpipe {arguments}: {done.stdout}{done.stderr}")


def pytorch(*arguments):
    """The exit code of train.py, and its errors."""
    errors = io.StringIO()
    with mock.patch.object(sys, "argv", ["train.py", *map(str, arguments)]), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        return train.main(time.monotonic()), errors.getvalue()


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def table(file):
    with open(file, newline="") as text:
        return list(csv.DictReader(text))


class Parity(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.store = cls.folder / "store"
        draw(cls.folder / "data")
        for name, text in (("frozen", FROZEN), ("whole", WHOLE)):
            (cls.folder / f"{name}.yaml").write_text(text)
            tlpipe("run", cls.folder / f"{name}.yaml", "--store", cls.store, "--set", f"name={name}")

    def train(self, name):
        """Runs train.py; gives its folder, and those of fine-tune and evaluate."""
        out, latest = self.folder / f"{name}-pytorch", self.store / "latest" / name
        code, errors = pytorch(self.folder / f"{name}.yaml", "--set", f"name={name}", "--store", self.store, "--out", out, "--workers", "0")
        self.assertEqual((code, errors), (0, ""))
        return out, latest / "fine-tune", latest / "evaluate"

    def network(self, config, *sets):
        """The network that train.py builds for a config, and the images."""
        status = artifacts.status_of([config], sets, self.store)
        paths = artifacts.folders_of(status, ["decode", "normalize", "export-suffix"], self.store)
        images = artifacts.Images(paths["decode"], paths["normalize"])
        layers = train.pretrained(status["settings"]["model"], "keras", paths["export-suffix"])
        return train.Network(layers, status["settings"], images.dataset["recipe"], len(images.classes)), images

    def test_features_agree_at_every_pool_layer(self):
        sets = ["name=pools", f"model.truncate_at=[{','.join(POOLS)}]", "model.freeze_through=block5_pool", "featurize.precision=float32"]
        arguments = [argument for text in sets for argument in ("--set", text)]
        for config in (self.folder / "frozen.yaml", self.folder / "whole.yaml"):
            tlpipe("run", config, "--store", self.store, "--until", "featurize", *arguments)
            tlpipe("export", config, "--store", self.store, *arguments)
            made = self.store / "latest" / "pools" / "featurize"
            theirs = torch.from_numpy(np.concatenate([np.load(file) for file in sorted(made.glob("features-*.npy"))]))
            network, images = self.network(config, *sets)
            rows = np.load(made / "rows.npy")
            with torch.no_grad():
                last, *vectors = network.eval().featurize(torch.stack([torch.from_numpy(images[row][0]) for row in rows]))
            vectors.append(last)
            self.assertEqual(len(vectors), len(POOLS))
            for name, ours, of_keras in zip(POOLS, vectors, theirs.split([v.shape[1] for v in vectors], 1)):
                with self.subTest(config=config.name, layer=name):
                    self.assertGreater(of_keras.std(), 0)
                    self.assertLess(((ours - of_keras).norm() / of_keras.norm()).item(), 1e-4)
                    self.assertLess(((ours - of_keras).abs().max() / of_keras.abs().max()).item(), 1e-4)

    def compare(self, name, steps):
        out, model, report = self.train(name)
        ours, theirs = lines(out / "history.jsonl"), lines(model / "history.jsonl")
        self.assertEqual(ours[-1]["step"], steps)
        self.assertEqual([line.keys() for line in ours], [line.keys() for line in theirs])
        self.assertLess(ours[-1]["learning_rate"], ours[0]["learning_rate"] / 2)
        self.assertLess(ours[-1]["loss"], ours[0]["loss"] - 0.1, "nothing was learned")
        for a, b in zip(ours, theirs):
            self.assertAlmostEqual(a["learning_rate"], b["learning_rate"], 12)
            for key in ("loss", "val_loss"):
                self.assertLess(abs(a[key] - b[key]), 1e-3, f"{key} of epoch {a['epoch']}: {a[key]} here, {b[key]} in Keras")
        ours, theirs = table(out / "predictions.csv"), table(report / "predictions.csv")
        for a, b in zip(ours, theirs, strict=True):
            self.assertLess(abs(float(a.pop("probability")) - float(b.pop("probability"))), 1e-3, a["path"])
            self.assertEqual(a, b)
        ours, theirs = (json.loads((folder / "metrics.json").read_text()) for folder in (out, report))
        for served in ("served", "served_agreement", "served_max_difference"):
            ours.pop(served, None), theirs.pop(served, None)
        self.assert_close(ours, theirs)

    def assert_close(self, a, b):
        if isinstance(a, dict):
            self.assertEqual(a.keys(), b.keys())
            [self.assert_close(a[key], b[key]) for key in a]
        elif isinstance(a, list):
            self.assertEqual(len(a), len(b))
            [self.assert_close(*pair) for pair in zip(a, b)]
        elif isinstance(a, float):
            self.assertLess(abs(a - b), 1e-3)
        else:
            self.assertEqual(a, b)

    def test_fifty_steps_agree_where_a_part_is_frozen(self):
        self.compare("frozen", 50)

    def test_fifty_steps_agree_where_the_whole_network_trains(self):
        self.compare("whole", 51)

    def test_keras_predicts_with_weights_trained_here(self):
        out, *_ = self.train("frozen")
        network, images = self.network(self.folder / "frozen.yaml")
        rows = images.rows["test"]
        np.save(self.folder / "pixels.npy", np.stack([images[row][0] for row in rows]))
        script = (
            "import sys, numpy as np, load_weights; folder, weights = sys.argv[1:]\n"
            "p = load_weights.load(weights).predict(np.load(folder + '/pixels.npy'), verbose=0); np.save(folder + '/keras.npy', p)"
        )
        subprocess.run(
            [KERAS, "-c", script, self.folder, out / "weights.safetensors"], check=True, capture_output=True, cwd=ROOT / "savedmodels" / "inkeras"
        )
        self.assert_same_predictions(table(out / "predictions.csv"), np.load(self.folder / "keras.npy"), images)

    def test_weights_trained_by_keras_predict_the_same_here(self):
        file, model = self.folder / "trained.safetensors", self.store / "latest" / "frozen"
        tlpipe("export-weights", model / "fine-tune", file)
        network, images = self.network(self.folder / "frozen.yaml")
        load_keras({**network.frozen, **network.learning()}, load_file(file))
        rows = images.rows["test"]
        with torch.no_grad():
            features = network.eval().featurize(torch.stack([torch.from_numpy(images[row][0]) for row in rows]))
            probabilities = network(*features).softmax(1).numpy()
        self.assert_same_predictions(table(model / "evaluate" / "predictions.csv"), probabilities, images)

    def assert_same_predictions(self, predictions, probabilities, images):
        self.assertEqual([p["predicted"] for p in predictions], [images.classes[i] for i in probabilities.argmax(1)])
        given = np.array([float(p["probability"]) for p in predictions])
        self.assertLess(np.abs(given - probabilities.max(1)).max(), 1e-4)

    def test_the_run_folder_says_what_was_run(self):
        out, *_ = self.train("whole")
        summary = json.loads((out / "summary.json").read_text())
        self.assertEqual((summary["runner"], summary["ok"], summary["weights"]), ("pytorch", True, "keras"))
        self.assertEqual([s["stage"] for s in summary["stages"]], ["fetch", "decode", "normalize", "featurize", "fine-tune", "evaluate"])
        normalize = (self.store / "latest" / "whole" / "normalize").resolve().name
        self.assertEqual(summary["stages"][2]["artifact"], normalize)
        self.assertEqual(summary["metrics"]["test"], json.loads((out / "metrics.json").read_text()))
        self.assertEqual(summary["settings"]["stages"]["fine-tune"]["epochs"], 17)

    def test_what_cannot_be_done_is_refused(self):
        for sets, code, sentence in (
            (["seed=8"], 0, ""),
            (["normalize.split.val=0.5"], 2, "is not stored in"),
            (["fine-tune.optimizer.convention=keras"], 2, "--set fine-tune.optimizer.convention=torch, in both halves"),
            (["featurize.copies=2", "featurize.augment.flip=horizontal"], 2, "featurize.copies is 2"),
            (["fine-tune.epochs=none"], 2, "epochs"),
        ):
            with self.subTest(sets=sets):
                arguments = [argument for text in sets for argument in ("--set", text)]
                got, errors = pytorch(self.folder / "frozen.yaml", "--store", self.store, "--workers", 0, "--set", "name=frozen", *arguments)
                self.assertEqual(got, code, errors)
                self.assertIn(sentence, errors)

    def test_a_run_in_progress_is_named(self):
        store = self.folder / "busy"
        store.mkdir()
        with open(store / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            code, errors = pytorch(self.folder / "frozen.yaml", "--store", store)
        self.assertEqual(code, 11)
        self.assertIn("a run is in progress", errors)

    def test_python_without_pytorch_is_told_so(self):
        done = subprocess.run([KERAS, ROOT / "pytorch" / "train.py"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 13)
        self.assertIn("make pytorch", done.stderr)

    def test_order_of_images(self):  # the same as in stages/shuffle_test.go
        self.assertEqual(epoch_order(8, 1, 1).tolist(), [2, 0, 6, 1, 4, 3, 7, 5])
        self.assertEqual(epoch_order(8, 2, 1).tolist(), [2, 6, 1, 3, 0, 5, 4, 7])
        self.assertEqual(epoch_order(8, 1, 2).tolist(), [4, 1, 2, 0, 6, 3, 5, 7])


if __name__ == "__main__":
    unittest.main(verbosity=2)

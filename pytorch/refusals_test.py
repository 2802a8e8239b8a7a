"""Proves that train.py refuses, with a sentence, what it cannot do."""

import fcntl
import subprocess
import unittest
import urllib.error
from unittest import mock

import torchvision

import train
from lab import KERAS, ROOT, lab, pytorch, sets


class Refusals(unittest.TestCase):
    def refused(self, code, sentence, *arguments, config="frozen"):
        got, errors = pytorch(lab().config(config), "--store", lab().store, "--workers", 0, *arguments)
        self.assertEqual(got, code, errors)
        self.assertIn(sentence, errors)
        self.assertTrue(errors.startswith("error: ") and errors.count("\n") == 1, errors)

    def test_what_this_half_does_not_do(self):
        beyond = {
            "featurize.precision": ("frozen", ["featurize.precision=bfloat16"]),
            "featurize.store": ("frozen", ["featurize.store=float16"]),
            "featurize.copies": ("frozen", ["featurize.copies=2", "featurize.augment.flip=horizontal"]),
            "fine-tune.precision": ("frozen", ["fine-tune.precision=bfloat16"]),
            "fine-tune.augment": ("whole", ["fine-tune.augment.flip=horizontal"]),
            "fine-tune.early_stopping.patience": ("frozen", ["fine-tune.early_stopping.patience=2"]),
            "fine-tune.schedule.name": ("partly-rmsprop", ["fine-tune.schedule.name=plateau", "fine-tune.schedule.patience=2"]),
            "fine-tune.optimizer.convention": ("frozen", ["fine-tune.optimizer.convention=keras"]),
        }
        self.assertEqual(beyond.keys(), train.SUPPORTED.keys())
        for place, (config, settings) in beyond.items():
            with self.subTest(place=place):
                self.refused(2, f"error: {place} is ", *sets(*settings), config=config)

    def test_what_is_not_stored(self):
        lab().keras("frozen")
        self.refused(2, "is not stored in", *sets("normalize.split.val=0.5"))

    def test_a_broken_config(self):
        self.refused(2, "epochs", *sets("fine-tune.epochs=none"))

    def test_a_config_that_trains_nothing(self):
        lab().config("short").write_text("name: short\nstages:\n  - fetch: {sources: [{path: data}]}\n  - decode: {format: image-folder, size: 40}\n")
        self.refused(2, "the config has no stage featurize", config="short")

    def test_torchvisions_weights_on_other_pixels(self):
        self.refused(2, "normalize.mode is caffe, but torchvision's weights", "--weights", "torchvision", config="whole")

    def test_torchvisions_weights_that_cannot_be_had(self):
        lab().keras("frozen")
        for error in (urllib.error.URLError("no route"), RuntimeError("invalid hash value"), TimeoutError("timed out")):
            with self.subTest(error=error), mock.patch.object(torchvision.models, "vgg16", side_effect=error):
                self.refused(1, "take --weights keras", "--weights", "torchvision")

    def test_a_run_in_progress_is_named(self):
        store = lab().folder / "busy"
        store.mkdir()
        with open(store / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            code, errors = pytorch(lab().config("frozen"), "--store", store)
        self.assertEqual(code, 11)
        self.assertIn("a run is in progress", errors)

    def test_python_without_pytorch_is_told_so(self):
        done = subprocess.run([KERAS, ROOT / "pytorch" / "train.py"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 13)
        self.assertIn("make pytorch", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""Proves that both halves train alike, and that each can go on with what the other trained."""

import json
import subprocess
import unittest

import numpy as np
import torch
from safetensors.torch import load_file

from keras_weights import load_keras
from lab import KERAS, ROOT, lab, lines, table, tlpipe


class Parity(unittest.TestCase):
    def compare(self, name, steps):
        ours, theirs = lines(lab().pytorch(name) / "history.jsonl"), lines(lab().keras(name) / "fine-tune" / "history.jsonl")
        self.assertEqual(ours[-1]["step"], steps)
        self.assertEqual([line.keys() for line in ours], [line.keys() for line in theirs])
        self.assertLess(ours[-1]["learning_rate"], ours[0]["learning_rate"] / 2)
        self.assertLess(ours[-1]["loss"], ours[0]["loss"] - 0.1, "nothing was learned")
        for a, b in zip(ours, theirs):
            self.assertAlmostEqual(a["learning_rate"], b["learning_rate"], 12)
            for key in ("loss", "val_loss"):
                self.assertLess(abs(a[key] - b[key]), 1e-3, f"{key} of epoch {a['epoch']}: {a[key]} here, {b[key]} in Keras")
        ours, theirs = (table(folder / "predictions.csv") for folder in (lab().pytorch(name), lab().keras(name) / "evaluate"))
        for a, b in zip(ours, theirs, strict=True):
            self.assertLess(abs(float(a.pop("probability")) - float(b.pop("probability"))), 1e-3, a["path"])
            self.assertEqual(a, b)
        ours, theirs = (json.loads((folder / "metrics.json").read_text()) for folder in (lab().pytorch(name), lab().keras(name) / "evaluate"))
        # What this half does not do: it serves no model and fits no temperature.
        for other in ("served", "served_agreement", "served_max_difference", "temperature", "calibrated"):
            ours.pop(other, None), theirs.pop(other, None)
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

    def test_fifty_steps_where_all_but_the_head_is_frozen(self):
        self.compare("frozen", 50)

    def test_fifty_steps_where_the_whole_network_trains(self):
        self.compare("whole", 51)

    def test_a_part_frozen_adamw_warmup_cosine_factors_label_smoothing(self):
        self.compare("partly-adamw", 18)

    def test_a_part_frozen_rmsprop_exponential_clip_class_weight_head_first(self):
        self.compare("partly-rmsprop", 18)

    def test_keras_predicts_with_weights_trained_here(self):
        out = lab().pytorch("frozen")
        network, images = lab().network(lab().config("frozen"))
        rows = images.rows["test"]
        np.save(lab().folder / "pixels.npy", np.stack([images[row][0] for row in rows]))
        script = (
            "import sys, numpy as np, load_weights; folder, weights = sys.argv[1:]\n"
            "p = load_weights.load(weights).predict(np.load(folder + '/pixels.npy'), verbose=0); np.save(folder + '/keras.npy', p)"
        )
        subprocess.run(
            [KERAS, "-c", script, lab().folder, out / "weights.safetensors"], check=True, capture_output=True, cwd=ROOT / "savedmodels" / "inkeras"
        )
        self.assert_same_predictions(table(out / "predictions.csv"), np.load(lab().folder / "keras.npy"), images)

    def test_weights_trained_by_keras_predict_the_same_here(self):
        file, made = lab().folder / "trained.safetensors", lab().keras("frozen")
        tlpipe("export-weights", made / "fine-tune", file)
        network, images = lab().network(lab().config("frozen"))
        load_keras({**network.frozen, **network.learning()}, load_file(file))
        rows = images.rows["test"]
        with torch.no_grad():
            features = network.eval().featurize(torch.stack([torch.from_numpy(images[row][0]) for row in rows]))
            probabilities = network(*features).softmax(1).numpy()
        self.assert_same_predictions(table(made / "evaluate" / "predictions.csv"), probabilities, images)

    def assert_same_predictions(self, predictions, probabilities, images):
        self.assertEqual([p["predicted"] for p in predictions], [images.classes[i] for i in probabilities.argmax(1)])
        given = np.array([float(p["probability"]) for p in predictions])
        self.assertLess(np.abs(given - probabilities.max(1)).max(), 1e-4)

    def test_the_run_folder_says_what_was_run(self):
        out, made = lab().pytorch("frozen"), lab().keras("frozen")
        summary = json.loads((out / "summary.json").read_text())
        self.assertEqual((summary["runner"], summary["ok"], summary["weights"]), ("pytorch", True, "keras"))
        self.assertEqual([s["stage"] for s in summary["stages"]], ["fetch", "decode", "normalize", "network", "featurize", "fine-tune", "evaluate"])
        self.assertEqual(summary["stages"][2]["artifact"], (made / "normalize").resolve().name)
        self.assertEqual(summary["metrics"]["test"], json.loads((out / "metrics.json").read_text()))
        self.assertEqual(summary["settings"]["stages"]["fine-tune"]["epochs"], 50)
        self.assertEqual(summary["precision"], {"featurize": "float32", "fine-tune": "float32"})
        self.assertAlmostEqual(sum(s["seconds"] for s in summary["stages"][3:]), summary["seconds"], 3)

    def test_compare_sets_both_halves_side_by_side(self):
        lab().keras("frozen")
        printed = tlpipe("compare", "frozen", lab().pytorch("frozen"), "--store", lab().store, "--json")
        (compared,) = json.loads(printed)["comparisons"]
        self.assertEqual(compared["notes"], [])
        self.assertEqual(compared["settings"], [{"setting": "runner", "values": ["keras", "pytorch"]}])
        (pair,) = compared["pairs"]
        self.assertEqual((pair["images"], pair["agreement"], pair["p"]), (60, 1, 1))
        for run in compared["runs"]:
            figures = {stage["stage"]: stage for stage in run["stages"]}
            self.assertEqual([figures[stage]["images"] for stage in ("featurize", "fine-tune")], [132, 50 * 54])
            for stage in ("featurize", "fine-tune", "evaluate"):
                self.assertGreater(figures[stage]["images_per_second"], 0)
                self.assertGreater(figures[stage]["peak_bytes"], 1 << 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)

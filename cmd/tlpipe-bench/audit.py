"""Holds tlpipe's audit against cleanlab on planted label errors: audit.py [SHARE].

A share of Fashion-MNIST's training labels (0.05 by default) is made wrong, tlpipe audits the quickstart with them, and
cleanlab looks at the very features that tlpipe stored, with scikit-learn's logistic regression as its classifier. Both lists
are held against the labels that were made wrong; precision and recall may be 2 points below cleanlab's at most.
"""

import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from cleanlab.count import estimate_cv_predicted_probabilities
from cleanlab.filter import find_label_issues
from sklearn.linear_model import LogisticRegression

ROOT = pathlib.Path(__file__).resolve().parents[2]
STORE = pathlib.Path(os.environ.get("STORE", ROOT / ".bench/audit-store"))
CONFIG = ROOT / "configs/quickstart.yaml"
MARGIN = 0.02
warnings.filterwarnings("ignore")


def tlpipe(*args):
    return subprocess.run([ROOT / "bin/tlpipe", *args, "--store", STORE], check=True, capture_output=True, text=True).stdout


def plant(share, folder):
    """Writes the training labels with a share of them wrong, and gives the true and the wrong ones."""
    tlpipe("run", CONFIG, "--until", "fetch")
    source = STORE / "latest/quickstart/fetch/files/train-labels-idx1-ubyte"
    text = source.read_bytes()
    true = np.frombuffer(text, np.uint8, offset=8)
    random = np.random.default_rng(1)
    wrong = true.copy()
    rows = random.choice(len(true), round(share * len(true)), replace=False)
    wrong[rows] = (true[rows] + random.integers(1, 10, len(rows))) % 10
    (folder / "train-labels-idx1-ubyte").write_bytes(text[:8] + wrong.tobytes())
    return true, wrong


def overlay(folder):
    """A config that reads the planted labels instead of the official ones."""
    files = [
        {"name": name, "sources": [{"path": str(folder / name if name.startswith("train-labels") else STORE / "latest/quickstart/fetch/files" / name)}]}
        for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    ]
    path = folder / "planted.yaml"
    path.write_text(json.dumps({"name": "audit-planted", "stages": [{"fetch": {"files": files}}]}))
    return path


def scores(found, planted):
    hit = len(found & planted)
    return hit / max(1, len(found)), hit / max(1, len(planted))


def labels_of(folder):
    """What tlpipe stored: features, labels and paths of all images of the splits."""
    latest = STORE / "latest/audit-planted"
    rows = np.load(latest / "featurize/rows.npy")
    features = np.concatenate([np.load(f) for f in sorted((latest / "featurize").glob("features-*.npy"))]).reshape(len(rows), -1)
    labels = np.load(latest / "decode/labels.npy")[rows]
    with open(latest / "decode/samples.jsonl") as f:
        paths = [json.loads(line)["path"] for line in f]
    return features, labels, [paths[row] for row in rows]


def main():
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 0.05
    STORE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        true, wrong = plant(share, folder)
        out = folder / "out"
        extra = overlay(folder)
        tlpipe("run", CONFIG, "-f", extra, "--until", "featurize")
        began = time.monotonic()
        tlpipe("audit", CONFIG, "-f", extra, "--out", out)
        took = time.monotonic() - began
        with open(out / "audit.csv", newline="") as f:
            ours = {line["path"] for line in csv.DictReader(f) if line["finding"] == "label"}
    features, labels, paths = labels_of(folder)
    train = "train-images-idx3-ubyte#"
    planted = {f"{train}{i}" for i in np.flatnonzero(true != wrong)} & set(paths)

    began = time.monotonic()
    deviation = features.std(0)
    standard = (features - features.mean(0)) / np.where(deviation > 0, deviation, 1)
    head = LogisticRegression(max_iter=100)
    probabilities = estimate_cv_predicted_probabilities(standard, labels, head, cv_n_folds=5, seed=1)
    theirs = {paths[i] for i in np.flatnonzero(find_label_issues(labels, probabilities))}
    print(f"{len(paths)} images, {len(planted)} labels made wrong")
    p, r = scores(ours, planted)
    q, s = scores(theirs, planted)
    print(f"tlpipe    precision {p:.3f} recall {r:.3f} of {len(ours)} found, in {took:.1f} s (with pictures)")
    print(f"cleanlab  precision {q:.3f} recall {s:.3f} of {len(theirs)} found, in {time.monotonic() - began:.1f} s")
    if p < q - MARGIN or r < s - MARGIN:
        sys.exit("tlpipe finds less than cleanlab, by more than 2 points")


main()

"""Writes fitted.json: probabilities of made-up images, and what SciPy says of their temperature.

    .deps/bin/python stages/temperature/testdata/fitted.py    (needs NumPy and SciPy)
"""

import json
import pathlib

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax


def ece(probabilities, labels, bins=15):
    """The expected calibration error of Guo et al. (2017), equation 3: bins of equal width, each open at its lower end."""
    top, hit = probabilities.max(1), probabilities.argmax(1) == labels
    total = 0.0
    for low in range(bins):
        within = (top > low / bins) & (top <= (low + 1) / bins)
        if within.any():
            total += within.mean() * abs(hit[within].mean() - top[within].mean())
    return total


cases = []
for name, images, classes, sharpness, seed in [
    ("too sure", 60, 4, 3.0, 1),
    ("not sure enough", 60, 3, 0.4, 2),
    ("two classes", 25, 2, 1.5, 3),
    ("many classes", 30, 12, 2.0, 4),
]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, images)
    logits = random.normal(size=(images, classes)) + 1.5 * np.eye(classes)[labels]
    given = softmax(sharpness * logits, 1).astype(np.float32)
    logs = np.log(given.astype(np.float64))

    def loss(t):
        return -log_softmax(logs / t, 1)[np.arange(images), labels].mean()

    found = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-11})
    scaled = softmax(logs / found.x, 1)
    cases.append(
        {
            "name": name,
            "classes": classes,
            "labels": labels.tolist(),
            "probabilities": [float(f"{p:.9g}") for p in given.ravel()],
            "temperature": found.x,
            "loss": loss(1.0),
            "loss_after": found.fun,
            "ece": ece(given, labels),
            "ece_after": ece(scaled, labels),
            "first_after": scaled[0].tolist(),
        }
    )
path = pathlib.Path(__file__).with_name("fitted.json")
path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")

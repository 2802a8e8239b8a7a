"""Makes labels.json and looks.json: what cleanlab and cleanvision say of small inputs. Needs both, and Pillow."""

import json
import pathlib
import warnings

import numpy as np
from cleanlab.count import compute_confident_joint
from cleanlab.filter import find_label_issues
from cleanvision.issue_managers.image_property import (
    BlurrinessProperty,
    BrightnessProperty,
    EntropyProperty,
)
from PIL import Image
import pandas as pd

HERE = pathlib.Path(__file__).parent
warnings.filterwarnings("ignore")


def labels(seed, n, classes, noise, sharp):
    random = np.random.default_rng(seed)
    true = random.integers(0, classes, n)
    given = np.where(random.random(n) < noise, random.integers(0, classes, n), true)
    given[:classes] = np.arange(classes)  # every class has an image
    scores = random.normal(size=(n, classes))
    scores[np.arange(n), true] += sharp
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    p = np.round(p, 4)
    return {
        "classes": classes,
        "labels": given.tolist(),
        "probabilities": p.ravel().tolist(),
        "joint": compute_confident_joint(given, p).tolist(),
        "issues": np.flatnonzero(find_label_issues(given, p, n_jobs=1)).tolist(),
    }


def pictures():
    random = np.random.default_rng(7)
    ramp = np.linspace(0, 255, 32)[None, :].repeat(24, 0)
    noise = random.integers(0, 256, (24, 32, 3))
    big = np.kron(random.integers(0, 256, (10, 15, 3)), np.ones((10, 10, 1)))
    return {
        "noise": noise,
        "gray": random.integers(0, 256, (20, 20)),
        "ramp": np.stack([ramp, ramp[:, ::-1], ramp * 0.5], 2),
        "dark": noise // 6,
        "bright": 255 - noise // 40,
        "flat": np.full((16, 16, 3), 90),
        "big": big,
        "smooth": np.stack([(np.add.outer(np.arange(100), np.arange(150)) % 256)] * 3, 2),
    }


def looks(name, pixels):
    image = Image.fromarray(pixels.astype(np.uint8))
    image.save(HERE / f"{name}.png", optimize=True)

    def score(prop, issue, **params):
        raw = pd.DataFrame([prop.calculate(image)])
        return float(prop.get_scores(raw_scores=raw, issue_type=issue, **params).iloc[0, 0])

    return {
        "name": name,
        "dark": score(BrightnessProperty("dark"), "dark"),
        "bright": score(BrightnessProperty("light"), "light"),
        "information": score(EntropyProperty(), "low_information", normalizing_factor=0.1),
        "blurred": score(BlurrinessProperty(), "blurry", normalizing_factor=0.01, color_threshold=0.18),
    }


cases = [labels(1, 60, 3, 0.2, 3), labels(2, 40, 2, 0.3, 1), labels(3, 80, 10, 0.1, 4), labels(4, 30, 8, 0.5, 0.5), labels(5, 90, 15, 0.3, 2), labels(6, 50, 4, 0.9, 0)]
(HERE / "labels.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
(HERE / "looks.json").write_text(json.dumps([looks(n, p) for n, p in pictures().items()], indent=1) + "\n")

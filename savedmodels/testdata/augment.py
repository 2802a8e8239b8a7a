"""Hold augmentation.py against NumPy. Usage: augment.py FOLDER_OF_EXPORT_PY. Prints one JSON object: the largest
difference of each change of pixels, and what the drawn numbers look like."""

import json
import sys

import numpy as np
import tensorflow as tf

sys.path.insert(0, sys.argv[1])
from augmentation import DRAWN, Augmentation, drawn_for_copy, drawn_for_step, mix_weights

OFF = {
    "flip": "none", "crop_padding": 0, "translate": 0.0, "rotate": 0.0, "fill_mode": "reflect", "brightness": 0.0,
    "contrast": 0.0, "saturation": 0.0, "cutout": 0, "mixup": 0.0,
}  # fmt: skip
N, HEIGHT, WIDTH = 96, 12, 16
IMAGES = np.random.default_rng(1).integers(0, 256, (N, HEIGHT, WIDTH, 3)).astype(np.float32)


def number(n):
    return tf.constant(n, tf.int64)


DRAWS = drawn_for_step(N, number(1), number(2))
drawn = dict(zip(DRAWN, DRAWS.numpy().T.astype(np.float64)))
around = {name: 2 * values - 1 for name, values in drawn.items()}
each = {name: values.reshape(-1, 1, 1, 1) for name, values in around.items()}
printed = {}


def compare(name, settings, want):
    got = Augmentation(OFF | settings, (HEIGHT, WIDTH))(tf.constant(IMAGES), DRAWS).numpy()
    assert got.shape == want.shape and np.abs(got - IMAGES).max() > 1, name
    printed[name] = float(np.abs(got - want).max())


def flipped(images):
    return np.where((drawn["flip"] < 0.5).reshape(-1, 1, 1, 1), images[:, :, ::-1], images)


def cropped(images, padding, mode):
    out = np.empty_like(images)
    padded = np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode)
    for i in range(N):
        y = 2 * padding - int(drawn["crop_y"][i] * (2 * padding + 1))
        x = 2 * padding - int(drawn["crop_x"][i] * (2 * padding + 1))
        out[i] = padded[i, y : y + HEIGHT, x : x + WIDTH]
    return out


def sampled(images, angle, right, down):
    """Each image turned about its centre, then moved, black outside; bilinear."""
    out = np.zeros_like(images, np.float64)
    y, x = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), indexing="ij")
    for i in range(N):
        dx, dy = x - right[i] - (WIDTH - 1) / 2, y - down[i] - (HEIGHT - 1) / 2
        from_x = np.cos(angle[i]) * dx - np.sin(angle[i]) * dy + (WIDTH - 1) / 2
        from_y = np.sin(angle[i]) * dx + np.cos(angle[i]) * dy + (HEIGHT - 1) / 2
        left, top = np.floor(from_x).astype(int), np.floor(from_y).astype(int)
        for px in (left, left + 1):
            for py in (top, top + 1):
                weight = (1 - np.abs(from_x - px)) * (1 - np.abs(from_y - py))
                inside = (px >= 0) & (px < WIDTH) & (py >= 0) & (py < HEIGHT)
                pixels = images[i, np.clip(py, 0, HEIGHT - 1), np.clip(px, 0, WIDTH - 1)]
                out[i] += (weight * inside)[..., None] * pixels
    return out


none = np.zeros(N)
compare("flip", {"flip": "horizontal"}, flipped(IMAGES))
for mode, pad in ("reflect", "symmetric"), ("constant", "constant"):
    compare(f"crop, {mode}", {"crop_padding": 3, "fill_mode": mode}, cropped(IMAGES, 3, pad))
    compare(
        f"flip and crop, {mode}",
        {"flip": "horizontal", "crop_padding": 3, "fill_mode": mode},
        cropped(flipped(IMAGES), 3, pad),
    )
right, down = around["translate_x"] * 0.3 * WIDTH, around["translate_y"] * 0.3 * HEIGHT
compare("translate", {"translate": 0.3, "fill_mode": "constant"}, sampled(IMAGES, none, right, down))
angle = around["rotate"] * np.radians(40)
compare("rotate", {"rotate": 40, "fill_mode": "constant"}, sampled(IMAGES, angle, none, none))
compare(
    "flip, rotate and translate",
    {"flip": "horizontal", "rotate": 40, "translate": 0.3, "fill_mode": "constant"},
    sampled(flipped(IMAGES), angle, right, down),
)
compare("brightness", {"brightness": 0.4}, np.clip(IMAGES + each["brightness"] * 0.4 * 255, 0, 255))
mean = IMAGES.astype(np.float64).mean((1, 2), keepdims=True)
compare("contrast", {"contrast": 0.6}, np.clip(mean + (IMAGES - mean) * (1 + 0.6 * each["contrast"]), 0, 255))
gray = (IMAGES @ np.array([0.299, 0.587, 0.114]))[..., None]
compare("saturation", {"saturation": 0.7}, np.clip(gray + (IMAGES - gray) * (1 + 0.7 * each["saturation"]), 0, 255))
cut = IMAGES.copy()
for i in range(N):
    y, x = int(drawn["cutout_y"][i] * HEIGHT) - 2, int(drawn["cutout_x"][i] * WIDTH) - 2
    cut[i, max(0, y) : y + 5, max(0, x) : x + 5] = 0
compare("cutout", {"cutout": 5}, cut)

many = drawn_for_step(4000, number(1), number(2)).numpy()
printed["share flipped"] = float((many[:, 0] < 0.5).mean())
printed["numbers drawn twice in a batch"] = 4000 - len(np.unique(many, axis=0))
for name, seed, step in ("another step", 1, 3), ("another seed", 2, 2):
    other = drawn_for_step(4000, number(seed), number(step)).numpy()
    printed[f"share equal in {name}"] = float((other == many).mean())
printed["correlation of what is drawn"] = float(np.abs(np.corrcoef(many.T) - np.eye(len(DRAWN))).max())

one = drawn_for_copy(number(9), number(1), number(0)).numpy()
for name, row, copy, seed in ("row", 1 << 40, 1, 0), ("copy", 9, 2, 0), ("copy's seed", 9, 1, 1):
    printed[f"share equal in another {name}"] = float((drawn_for_copy(number(row), number(copy), number(seed)).numpy() == one).mean())

weights = mix_weights(20000, 0.4, number(1), number(2)).numpy()
printed["mean of mix_weights"] = float(weights.mean())
printed["variance of mix_weights"] = float(weights.var())  # of Beta(a, a): 1 / (4 (2 a + 1))
tiny = mix_weights(20000, 0.001, number(1), number(2)).numpy()
printed["tiny alpha outside of 0 to 1"] = int((~((tiny >= 0) & (tiny <= 1))).sum())
print(json.dumps(printed))

"""Makes pickles laid out as those of CIFAR-10 in python, one image each, by today's NumPy in several protocols.

Pixel p of the image has the red value p % 251, green 7 and blue 200.
"""

import pathlib
import pickle

import numpy as np

pixels = np.repeat(np.array([0, 7, 200], "u1"), 1024)
pixels[:1024] = np.arange(1024) % 251
for protocol in (2, 3, 4, 5):
    batch = {b"batch_label": b"training batch 1 of 5", b"labels": [9], b"data": pixels[None], b"filenames": [b"x.png"]}
    (pathlib.Path(__file__).parent / f"protocol-{protocol}").write_bytes(pickle.dumps(batch, protocol))

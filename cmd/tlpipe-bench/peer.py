"""What the peers share: they do a task once, and again for each line of standard input, and print the seconds."""

import json
import os
import pathlib
import sys
import tempfile
import time

import numpy as np


class Task:
    """The task of a comparison and its data; see task in cmd/tlpipe-bench."""

    def __init__(self):
        settings = json.loads(sys.argv[1])
        self.work, self.size, self.batch, self.precision = (settings[key] for key in ("work", "size", "batch", "precision"))
        self.variant = settings["variant"]
        self.folder = pathlib.Path(settings["folder"])
        if self.work == "decode":
            self.files = sorted((str(file) for file in self.folder.glob("tree/**/*.jpg")), key=lambda file: ("/train/" not in file, file))
            return
        self.images, self.labels = (np.load(self.folder / f"{name}.npy")[: settings["images"]] for name in ("images", "labels"))
        if self.work == "head":
            self.features = np.load(self.folder / "features.npy")
        self.bfloat16 = self.precision == "bfloat16"

    def keep(self, batches):
        """Goes through batches of decoded images, arrays of uint8, and gives the first image. They go to a file, as what
        tlpipe decodes does, or nowhere."""
        kept = tempfile.TemporaryFile(dir=self.folder) if "file" in self.variant else None
        firsts = []
        for batch in map(np.asarray, batches):
            firsts.append(batch[0].copy())
            if kept:
                kept.write(batch)
        if kept:
            kept.flush()
            os.fsync(kept.fileno())
            kept.close()
        return firsts[0]

    def weights(self):
        """The pretrained numbers by Keras' names."""
        return dict(np.load(self.folder / "weights.npz"))


def serve(once):
    """once() does the work and returns the first features, or the last loss."""
    out, sys.stdout = sys.stdout, sys.stderr
    while True:
        began = time.perf_counter()
        check = once()
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "check": [float(v) for v in check]}), file=out, flush=True)
        if not sys.stdin.readline():
            return

"""Measures tlpipe and its peers in turns: bench.py [NAME…] runs the comparisons whose name contains one of these words.

Each contender is a process of its own that has loaded the same weights and images. In a round every contender does the
same work once, one after the other, in another order each time. Printed are images/s (least, median, most) and, round by
round, the ratio of tlpipe to the fastest peer: the one with the highest median. Results go to .bench.
"""

import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tarfile
import time

import numpy as np

import onnx_model

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".bench"
DATA = pathlib.Path(os.environ.get("DATA", "../shared/data"))
ROUNDS = 7
PAUSE = 0.5  # seconds before each turn: the threads of whoever was before may go on waiting in loops for a while
# How far results may be off, as a share of the largest.
TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2, "int8": 5e-2, "": 1e-2, "bilinear": 1e-2, "antialias": 1e-2}
TLPIPE, KERAS, TORCH, ONNX = "bin/tlpipe-bench", ".deps/bin/python", ".deps/pytorch/bin/python", ".deps/bench/bin/python"

# What tlpipe decodes it leaves on disk, and so do the peers it is compared with; those that drop them do less.
NOT_KEPT = ", not kept"

# Name, work, size of the images in pixels, batch, precision, images a round; of decode, how images are scaled ("": not
# at all), and the config whose images they are.
COMPARISONS = [
    ("decode, 60,000 JPEGs of 32 px", "decode", 32, 128, "", "case4-cifar10"),
    ("decode, photographs to 224 px, bilinear", "decode", 224, 32, "bilinear", "case4"),
    ("decode, photographs to 224 px, antialiased", "decode", 224, 32, "antialias", "case4"),
    ("featurize, 32 px, float32", "featurize", 32, 128, "float32", 1024),
    ("featurize, 32 px, bfloat16", "featurize", 32, 128, "bfloat16", 2048),
    ("featurize, 32 px, int8", "featurize", 32, 128, "int8", 2048),
    ("featurize, 224 px, float32", "featurize", 224, 16, "float32", 32),
    ("featurize, 224 px, bfloat16", "featurize", 224, 16, "bfloat16", 64),
    ("featurize, 224 px, int8", "featurize", 224, 16, "int8", 64),
    ("train all layers, 32 px, float32", "train", 32, 64, "float32", 384),
    ("train all layers, 32 px, bfloat16", "train", 32, 64, "bfloat16", 640),
    ("head on stored features", "head", 32, 128, "float32", 12800),
]


def peers(work, precision):
    """(name, interpreter, script, variant)"""
    if work == "decode":
        for end, kept in ("", "file"), (NOT_KEPT, ""):
            if precision != "antialias":
                yield f"tf.data{end}", KERAS, "peer_tfdata.py", kept
            if precision != "bilinear":
                yield f"torchvision, Pillow{end}", TORCH, "peer_torchvision.py", f"pillow {kept}"
                yield f"torchvision, tensors{end}", TORCH, "peer_torchvision.py", f"tensor {kept}"
        return
    bfloat16 = precision == "bfloat16"
    if precision == "int8":  # Keras has none for convolutions
        yield "PyTorch, FX", TORCH, "peer_torch.py", ""
        yield "OpenVINO", ONNX, "peer_onnx.py", "openvino"
        yield "ONNX Runtime", ONNX, "peer_onnx.py", "onnxruntime"
        return
    if bfloat16:
        yield "Keras, mixed_bfloat16", KERAS, "peer_keras.py", "policy"
        yield "Keras, graph rewrite", KERAS, "peer_keras.py", "rewrite"
    else:
        yield "Keras", KERAS, "peer_keras.py", ""
    yield "PyTorch", TORCH, "peer_torch.py", ""
    if work == "head":
        yield "PyTorch, whole network", TORCH, "peer_torch.py", "whole"
    else:
        yield "PyTorch, compiled", TORCH, "peer_torch.py", "compile"
    if work == "featurize":
        yield "OpenVINO", ONNX, "peer_onnx.py", "openvino"
        if not bfloat16:
            yield "ONNX Runtime", ONNX, "peer_onnx.py", "onnxruntime"


class Contender:
    """A process that has its model loaded and the work done once."""

    def __init__(self, name, command, task):
        self.name, self.rates = name, []
        self.images = task["images"]
        log = open(FOLDER / f"{name}.log".replace(" ", "-"), "w")
        # What a machine sets for an old BLAS would slow a current one.
        env = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
        self.process = subprocess.Popen(
            [*command, json.dumps(task)], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        self.check = self.answer()["check"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended early: see {FOLDER}/{self.name}.log".replace(" ", "-"))
        return json.loads(line)

    def round(self):
        time.sleep(PAUSE)
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self.rates.append(self.images / self.answer()["seconds"])

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def prepare(size, count):
    """The images that all see: noise, since what is in them makes no difference to the time."""
    rng = np.random.default_rng(1)
    np.save(FOLDER / "images.npy", rng.integers(0, 256, (count, size, size, 3), np.uint8))
    np.save(FOLDER / "labels.npy", rng.integers(0, 10, count, np.int32))
    np.save(FOLDER / "features.npy", rng.random((count, 512), np.float32))


def photographs(config):
    """The folder of a config's archive: files/archive, a tar file that tlpipe reads, and tree, its files for the peers."""
    folder = FOLDER / config
    overlay = DATA / ("cifar10.overlay.yaml" if "cifar10" in config else "hymenoptera.overlay.yaml")
    files = ["-f", overlay] if overlay.exists() else []
    summary = FOLDER / "fetch.json"
    command = [ROOT / "bin/tlpipe", "run", "-f", f"configs/{config}.yaml", *files, "--until", "fetch", "--store", FOLDER / "store"]
    subprocess.run([*command, "--summary-json", summary], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not folder.exists():
        archive = FOLDER / "store" / json.loads(summary.read_text())["stages"][0]["path"] / "files" / "archive"
        (folder / "files").mkdir(parents=True)
        with tarfile.open(archive) as tar:
            tar.extractall(folder / "tree", filter="data")
        with tarfile.open(folder / "files" / "archive", "w", format=tarfile.GNU_FORMAT) as tar:  # as the command tar writes it
            for file in sorted(folder.glob("tree/**/*.jpg")):
                tar.add(file, file.relative_to(folder / "tree"))
    return folder, len(list(folder.glob("tree/**/*.jpg")))


def export(task):
    """Exports what tlpipe runs, and the weights for all others."""
    model = FOLDER / f"{task['work']}-{task['size']}-{task['precision']}"
    if not model.exists():
        subprocess.run([ROOT / TLPIPE, "export", json.dumps(task)], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    weights = FOLDER / "weights.npz"
    if not weights.exists():
        one = {**task, "work": "train", "size": 32, "precision": "float32"}
        export(one) if task != one else np.savez(weights, **safetensors(FOLDER / "train-32-float32" / "weights.safetensors"))
    onnx_model.write(FOLDER / "vgg16.onnx", dict(np.load(weights)))
    if task["precision"] == "int8":
        onnx_model.write(FOLDER / "vgg16-int8.onnx", dict(np.load(weights)), json.loads((model / "ranges.json").read_text()))


def safetensors(file):
    """The arrays of a file of the safetensors format, all of float32."""
    data = file.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    entries = json.loads(data[8:header])
    entries.pop("__metadata__", None)
    return {
        name: np.frombuffer(data[header + entry["data_offsets"][0] : header + entry["data_offsets"][1]], "<f4").reshape(entry["shape"])
        for name, entry in entries.items()
    }


def compare(name, work, size, batch, precision, images):
    task = {"work": work, "size": size, "batch": batch, "precision": precision, "images": images, "folder": str(FOLDER)}
    if work == "decode":
        folder, task["images"] = photographs(images)
        task["folder"] = str(folder)
        if not task["images"]:
            print(f"{name}: not measured, the images are no JPEG files")
            return None
    else:
        prepare(size, images)
        export(task)
    contenders = [Contender("tlpipe", [TLPIPE, "serve"], task)]
    for peer, python, script, variant in peers(work, precision):
        less = {"images": images // 25} if variant == "whole" else {}  # it takes as much longer
        contenders.append(Contender(peer, [python, f"cmd/tlpipe-bench/{script}"], {**task, "variant": variant, **less}))
    if work in ("featurize", "decode"):  # equal work gives equal features, or the mean of each channel of the first image
        want = np.array(contenders[0].check)
        for contender in contenders[1:]:
            off = np.abs(np.array(contender.check) - want).max() / np.abs(want).max()
            if off > TOLERANCE[precision]:
                raise SystemExit(f"{contender.name} computes something else: its results are off by {off:.1e}")
    for number in range(ROUNDS):
        for contender in contenders[number % len(contenders) :] + contenders[: number % len(contenders)]:
            contender.round()
    for contender in contenders:
        contender.end()
    return summary(name, contenders)


def summary(name, contenders):
    tlpipe, *others = contenders
    result = {"name": name, "rates": {c.name: spread(c.rates) for c in contenders}}
    result.update(beside(tlpipe, [peer for peer in others if not peer.name.endswith(NOT_KEPT)]))
    if less := [peer for peer in others if peer.name.endswith(NOT_KEPT)]:
        result["not_kept"] = beside(tlpipe, less)
    return result


def beside(tlpipe, others):
    """The fastest of others, and round by round how many times as fast tlpipe is."""
    fastest = max(others, key=lambda peer: statistics.median(peer.rates))
    return {"fastest": fastest.name, "ratio": spread([a / b for a, b in zip(tlpipe.rates, fastest.rates)])}


def spread(values):
    return [min(values), statistics.median(values), max(values)]


def show(result):
    print(f"\n{result['name']}: {against(result)}")
    if "not_kept" in result:
        print(f"  {against(result['not_kept'])}, which does less")
    for name, (least, median, most) in sorted(result["rates"].items(), key=lambda item: -item[1][1]):
        print(f"  {name:32} {median:10,.1f} images/s ({least:,.1f} to {most:,.1f})", flush=True)


def against(result):
    return f"{result['ratio'][1]:.2f} × {result['fastest']} ({result['ratio'][0]:.2f} to {result['ratio'][2]:.2f})"


def main():
    os.chdir(ROOT)
    FOLDER.mkdir(parents=True, exist_ok=True)
    print(f"{platform.platform()}, {os.cpu_count()} cores, {ROUNDS} rounds")
    results = []
    for comparison in COMPARISONS:
        if len(sys.argv) < 2 or any(word in comparison[0] for word in sys.argv[1:]):
            result = compare(*comparison)
            if result:
                results.append(result)
                show(result)
    (FOLDER / "results.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Measures whole commands: how fast they start, a run with nothing to do, time and memory as images become more, what
decoding adds to featurize, what bfloat16 and int8 do to features and accuracy, and how much of the CPU's peak featurize reaches.

Prints a table; data comes by the overlays in DATA where there are some. Results go to .bench/runs.json.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".bench"
DATA = pathlib.Path(os.environ.get("DATA", "../shared/data"))
STORE = FOLDER / "runs"


def seconds(times, *command):
    """Median and maximum over the given number of calls of tlpipe."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(["bin/tlpipe", *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        took.append(time.perf_counter() - began)
    return statistics.median(took), max(took)


def config(name, overlay, *settings):
    file = DATA / f"{overlay}.overlay.yaml"
    return ["-f", f"configs/{name}.yaml", *(["-f", file] if file.exists() else []), *(part for s in settings for part in ("--set", s)), "--store", STORE]


def run(*arguments):
    """The stages of a run, by name."""
    summary = FOLDER / "run.json"
    with open(FOLDER / "run.log", "w") as log:
        subprocess.run(["bin/tlpipe", "run", *arguments, "--summary-json", summary], check=True, stdout=log, stderr=log)
    return {stage["stage"]: stage for stage in json.loads(summary.read_text())["stages"]}


def rows(featurize):
    """How many images it made features of, copies included."""
    return json.loads((pathlib.Path(featurize["path"]) / "features.json").read_text())["count"]


def accuracy():
    """On the test images, of the run before."""
    return json.loads((FOLDER / "run.json").read_text())["metrics"]["test"]["accuracy"]


def served_agreement():
    """Of the run before: how many images get the same class from the served model, which computes in float32."""
    return json.loads((FOLDER / "run.json").read_text())["metrics"]["test"]["served_agreement"]


def features(stage):
    """float32 [n, m] of a run of featurize."""
    arrays = [np.load(shard) for shard in sorted(pathlib.Path(stage["path"]).glob("features-*.npy"))]
    return np.concatenate(arrays).astype(np.float32)


def cosines(a, b):
    """Of each row of a with that of b."""
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


def operations(size, blocks=5):
    """Floating-point operations of the convolutions in VGG16's first blocks on an image of size × size: two for each product."""
    total, channels = 0, 3
    architectures = json.loads((ROOT / "savedmodels" / "architectures.json").read_text(encoding="utf-8"))
    for block, convolutions in enumerate(architectures["vgg16"]["blocks"][:blocks]):
        for width in convolutions:
            total += 2 * (size >> block) ** 2 * 9 * channels * width
            channels = width
    return total


def main():
    os.chdir(ROOT)
    shutil.rmtree(STORE, ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = []

    def row(what, measured, wanted):
        results.append({"what": what, "measured": measured, "wanted": wanted})
        print(f"| {what} | {measured} | {wanted} |", flush=True)

    print("| what | measured | wanted |\n|---|---|---|")
    for command in (["--help"], ["lint", "configs/case4.yaml"]):
        median, most = seconds(20, *command)
        row(f"`tlpipe {' '.join(command)}`", f"{1000 * median:.0f} ms, at most {1000 * most:.0f}", "50 ms")

    rates = {r["name"]: r["rates"]["tlpipe"][1] for r in json.loads((FOLDER / "results.json").read_text())} if (FOLDER / "results.json").exists() else {}
    peak = json.loads(subprocess.run([".deps/pytorch/bin/python", "cmd/tlpipe-bench/peak.py"], check=True, capture_output=True, text=True).stdout)
    for size in (32, 224):
        for precision, most in peak.items():
            rate = rates.get(f"featurize, {size} px, {precision}")
            if rate:
                row(f"featurize, {size} px, {precision}: of {most / 1e9:,.0f} GFLOPS that matrix products reach", f"{rate * operations(size) / most:.0%}", "")

    took, decoded = {}, None  # seconds by images, in turns
    for _ in range(3):
        for parts in (["normalize.split.per_class={train: 450, test: 100}"], ["normalize.split.per_class={train: 2475, test: 550}"], []):
            stages = run(*config("case4-cifar10", "cifar10", *parts), "--until", "featurize", "--force", "featurize")
            took.setdefault(rows(stages["featurize"]), []).append(stages["featurize"]["seconds"])
            decoded = decoded or stages["decode"]  # the later ones find it done
    (a, one), (b, two), (c, three) = [(images, statistics.median(seconds)) for images, seconds in took.items()]
    first, second = (two - one) / (b - a), (three - two) / (c - b)
    row(f"featurize, each further image, from {a:,} to {b:,} and from there to {c:,}", f"{1e6 * first:.0f} and {1e6 * second:.0f} µs: {second / first - 1:+.1%}", "within 10 %")

    whole = config("case4-cifar10", "cifar10")
    fast = run(*whole)
    fast_accuracy, fast_agreement = accuracy(), served_agreement()
    exact = run(*config("case4-cifar10", "cifar10", "featurize.precision=float32"))
    exact_accuracy = accuracy()
    shares = [seconds / (decoded["seconds"] + seconds) for seconds in (exact["featurize"]["seconds"], three)]
    row("60,000 JPEGs of 32 px: share of featurize in the time of decode and featurize, in float32 and in auto", f"{shares[0]:.3f} and {shares[1]:.3f}", "0.95")
    cosine = cosines(features(fast["featurize"]), features(exact["featurize"]))
    row("features in the precision auto beside float32: cosine, mean and least", f"{cosine.mean():.5f} and {cosine.min():.5f}", "0.999")
    row("test accuracy of the head on each", f"{fast_accuracy:.4f} and {exact_accuracy:.4f}", "0.003 apart")
    if "VNNI" in subprocess.run(["bin/tlpipe", "doctor"], capture_output=True, text=True).stdout:
        quantized = run(*config("case4-cifar10", "cifar10", "featurize.precision=int8"))
        cosine = cosines(features(quantized["featurize"]), features(exact["featurize"]))
        row("features in int8 beside float32: cosine, mean and least", f"{cosine.mean():.5f} and {cosine.min():.5f}", "")
        row("test accuracy of the head on each", f"{accuracy():.4f} and {exact_accuracy:.4f}", "")
        row("same class from the model served in float32, with features in auto and in int8", f"{fast_agreement:.1%} and {served_agreement():.1%}", "98 %")
    median, most = seconds(5, "run", *whole)
    row("`tlpipe run` of 60,000 images with nothing to do", f"{median:.2f} s, at most {most:.2f}", "0.3 s")

    peaks, counts = [], []
    for copies in (2, 4):
        stages = run(*config("case4", "hymenoptera", "featurize.batch_size=16", f"featurize.copies={copies}", "featurize.augment={flip: horizontal}"), "--until", "featurize")
        peaks.append(stages["featurize"]["peak_bytes"] / 2**30)
        counts.append(rows(stages["featurize"]))
    row(f"featurize at 224 px, batch_size 16: most memory, for {counts[0]:,} images and for {counts[1]:,}", " and ".join(f"{peak:.2f} GiB" for peak in peaks), "1.5 GiB")
    (FOLDER / "runs.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

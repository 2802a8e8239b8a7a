"""Measures whole commands: how fast they start, a run with nothing to do, time and memory as images become more.

Prints a table; data comes by the overlays in DATA where there are some. Results go to artifacts/bench/runs.json.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "artifacts" / "bench"
DATA = pathlib.Path(os.environ.get("DATA", "../shared/data"))
STORE = FOLDER / "runs"


def seconds(times, *command):
    """Median and most of so many calls of tlpipe."""
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

    points = []  # images and seconds
    for parts in (["normalize.split.per_class={train: 450, test: 100}"], ["normalize.split.per_class={train: 2475, test: 550}"], []):
        stage = run(*config("case4-cifar10", "cifar10", *parts), "--until", "featurize")["featurize"]
        points.append((rows(stage), stage["seconds"]))
    (a, one), (b, two), (c, three) = points
    first, second = (two - one) / (b - a), (three - two) / (c - b)
    row(f"featurize, each further image, from {a:,} to {b:,} and from there to {c:,}", f"{1e6 * first:.0f} and {1e6 * second:.0f} µs: {second / first - 1:+.1%}", "within 10 %")

    whole = config("case4-cifar10", "cifar10")
    run(*whole)
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

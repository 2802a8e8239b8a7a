"""Measures README's configs on a GPU: accuracy, images/s and share of the GPU's peak, and the time to an accuracy.

gpu.py [NAME…] prints a table, of all rows or of those of some configs; data comes by the overlays in DATA where there are
some. Results go to .bench/gpu.json.
"""

import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import tensorflow as tf

from runs import operations

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".bench"
DATA = pathlib.Path(os.environ.get("DATA", "../shared/data"))
STORE = FOLDER / "gpu"
FORWARD_AND_BACKWARD = 3  # a layer's gradients, for its input and its kernel, take twice its own operations

# Config, overlay of its data, precision, whether XLA compiles what trains, pixels, blocks that featurize computes and blocks
# that train, accuracy on validation to time; case4 has no validation.
ROWS = [
    ("case2-gpu", "cifar10", "float32", False, 64, 0, 5, 0.93),
    ("case2-gpu", "cifar10", "float16", False, 64, 0, 5, 0.93),
    ("case1", "cifar10", "float32", False, 32, 0, 5, 0.80),
    ("case1", "cifar10", "float16", False, 32, 0, 5, 0.80),
    ("case1", "cifar10", "float16", True, 32, 0, 5, 0.80),
    ("case4-cifar10", "cifar10", "float32", False, 32, 4, 0, 0.74),
    ("case4-cifar10", "cifar10", "float16", False, 32, 4, 0, 0.74),
    ("case4", "hymenoptera", "float32", False, 224, 5, 0, None),
    ("case3", "", "float32", False, 32, 3, 0, 0.84),
    ("case2", "cifar10", "float32", False, 32, 0, 5, 0.80),
]


def run(name, overlay, settings):
    """The summary of a run that finds its images decoded, and its events by stage, each with its time in seconds."""
    file = DATA / f"{overlay}.overlay.yaml"
    command = ["bin/tlpipe", "run", "-f", f"configs/{name}.yaml", *(["-f", file] if file.exists() else []), "--store", STORE, "--device", "gpu:0"]
    command += [part for s in settings for part in ("--set", s)]
    summary = FOLDER / "gpu-run.json"
    with open(FOLDER / "gpu.log", "w") as log:
        subprocess.run([*command, "--until", "normalize"], check=True, stdout=log, stderr=log)
        subprocess.run([*command, "--summary-json", summary], check=True, stdout=log, stderr=log)
    summary = json.loads(summary.read_text())
    events = {}
    for line in (STORE / "runs" / summary["run"] / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        event["at"] = datetime.datetime.fromisoformat(event["time"]).timestamp()
        events.setdefault(event.get("stage"), []).append(event)
    return summary, events


def featurized(events):
    """Images/s from the first batch's end to the last's, writing included."""
    done = [e for e in events if e["message_type"] == "progress" and e.get("done")]
    return (done[-1]["done"] - done[0]["done"]) / (done[-1]["at"] - done[0]["at"]) if len(done) > 1 else 0


def trained(events, batch_size):
    """Images/s of the median epoch, validation included, without the first, which compiles."""
    epochs = [e["at"] for e in events if e["message_type"] == "epoch"]
    steps = [e["total"] for e in events if e["message_type"] == "progress"][0] / len(epochs)
    return steps * batch_size / statistics.median(b - a for a, b in zip(epochs, epochs[1:]))


def reached(events, accuracy):
    """Seconds from the start of training, with loading, to the end of the first epoch that is so accurate on validation, if any."""
    for event in events:
        if accuracy and event["message_type"] == "epoch" and event["values"]["val_accuracy"] >= accuracy:
            return event["at"] - events[0]["at"]
    return None


def peak(dtype):
    """FLOPS of a product of matrices; float32 as TensorFlow multiplies it on a GPU, in TF32."""
    size, times, most = 8192, 20, 0
    product = tf.function(lambda a, b: tf.reduce_max(tf.while_loop(lambda i, x: i < times, lambda i, x: (i + 1, tf.matmul(a, b) * x[0, 0]), [0, a])[1]))
    a, b = (tf.cast(tf.random.normal([size, size]) / size**0.5, dtype) for _ in range(2))
    for _ in range(4):
        began = time.perf_counter()
        product(a, b).numpy()
        most = max(most, times * 2 * size**3 / (time.perf_counter() - began))
    return most


def main():
    os.chdir(ROOT)
    FOLDER.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(STORE / "latest", ignore_errors=True)
    [gpu, *_] = tf.config.list_physical_devices("GPU") or sys.exit("not run: TensorFlow finds no GPU here")
    tf.config.experimental.set_memory_growth(gpu, True)
    device = tf.config.experimental.get_device_details(gpu)["device_name"]
    peaks = {precision: peak(precision) for precision in ("float32", "float16")}
    print(device + "".join(f"; {p}: {flops / 1e12:.0f} TFLOPS that matrix products reach" for p, flops in peaks.items()))
    print("| config | precision | test accuracy | featurize, images/s | share of the peak | fine-tune, images/s | share of the peak | time of training | to validation accuracy |")
    print("|---|---|---|---|---|---|---|---|---|")
    results = []
    for name, overlay, precision, compiled, size, frozen, training, accuracy in ROWS:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        chosen = [f"{stage}.precision={precision}" for stage in (["featurize"] if frozen else []) + ["fine-tune"]]
        summary, events = run(name, overlay, [*chosen, f"fine-tune.jit_compile={str(compiled).lower()}", "evaluate.gates={accuracy: 0}"])
        settings = summary["settings"]["stages"]["fine-tune"]
        rates = [featurized(events["featurize"]) if frozen else 0, trained(events["fine-tune"], settings["batch_size"])]
        work = [operations(size, frozen), FORWARD_AND_BACKWARD * operations(size, training)]
        shares = [rate * flop / peaks[precision] for rate, flop in zip(rates, work)]
        seconds = {s["stage"]: s["seconds"] for s in summary["stages"]}
        test, to = summary["metrics"]["test"]["accuracy"], reached(events["fine-tune"], accuracy)
        cells = [text for rate, share in zip(rates, shares) for text in (f"{rate:,.0f}" if rate else "", f"{share:.0%}" if share else "")]
        cells += [f"{seconds['fine-tune']:.1f} s, {settings['epochs']} epochs"]
        cells += [f"{accuracy} in {to:.1f} s" if to else f"{accuracy} not reached" if accuracy else ""]
        print("|", " | ".join([name, precision + ", XLA" * compiled, f"{test:.4f}", *cells]), "|", flush=True)
        results.append({"config": name, "precision": precision, "jit_compile": compiled, "accuracy": test, "images_per_s": rates, "shares": shares, "seconds": seconds, "accuracy_wanted": accuracy, "reached_s": to})
        (FOLDER / "gpu.json").write_text(json.dumps({"device": device, "peak": peaks, "rows": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()

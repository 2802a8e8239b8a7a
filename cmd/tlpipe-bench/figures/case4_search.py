#!/usr/bin/env python3
"""Chooses case4's settings by repeated 5-fold cross-validation inside its training images; the test split is never looked at.

    cmd/tlpipe-bench/figures/case4_search.py [--overlay FILE] [--store DIR]

Each candidate is trained on four fifths of the training images and measured on the last fifth, five times; all that for
three cuts into folds, since one cut of so few images ranks settings by chance. Printed best first: mean validation
accuracy with its standard error over the cuts, then mean validation loss. Features are computed once for each pooling. An
interrupted search goes on where it stopped.
"""
import argparse
import itertools
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDS = 5
CUTS = (1, 2, 3)  # seeds of the split

# What is made of the 7 × 7 positions of block5_pool: 512 features, or all 25,088.
POOLING = ("avg", "max", "none")
# How the new FC layer is trained on them.
NORMALIZATION = ("none", "layer")
LEARNING_RATE = ("0.001", "0.003", "0.01", "0.03")


def train(settings, cut, fold, args):
    """The last epoch of one training, from fine-tune's history."""
    command = [ROOT / "bin" / "tlpipe", "run", "-f", ROOT / "configs" / "case4.yaml"]
    command += ["-f", args.overlay] if args.overlay else []
    command += ["--store", args.store, "--until", "fine-tune", "--summary-json", args.store / "summary.json"]
    for key, value in {**settings, "normalize.split": f"{{folds: {FOLDS}, fold: {fold}, seed: {cut}}}"}.items():
        command += ["--set", f"{key}={value}"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode != 0:
        sys.exit(run.stdout)
    stages = {s["stage"]: s for s in json.loads((args.store / "summary.json").read_text())["stages"]}
    history = args.store / stages["fine-tune"]["path"] / "history.jsonl"
    return json.loads(history.read_text().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--overlay", type=pathlib.Path, help="where the data's official host cannot be reached")
    parser.add_argument("--store", type=pathlib.Path, default=pathlib.Path("artifacts"))
    args = parser.parse_args()
    args.store.mkdir(parents=True, exist_ok=True)

    rows = []
    for pooling, normalization, rate in itertools.product(POOLING, NORMALIZATION, LEARNING_RATE):
        settings = {"model.pooling": pooling, "model.head.normalization": normalization, "fine-tune.optimizer.learning_rate": rate}
        ends = [[train(settings, cut, fold, args) for fold in range(FOLDS)] for cut in CUTS]
        accuracies = [statistics.mean(e["val_accuracy"] for e in cut) for cut in ends]
        row = (statistics.mean(accuracies), statistics.stdev(accuracies) / len(CUTS) ** 0.5,
               statistics.mean(e["val_loss"] for cut in ends for e in cut), f"{pooling} | {normalization} | {rate}")
        rows.append(row)
        print(f"{row[0]:.4f} ± {row[1]:.4f} {row[2]:.4f} {row[3]}", file=sys.stderr)

    print("| validation accuracy | validation loss | pooling | normalization | learning rate |")
    print("|---|---|---|---|---|")
    for accuracy, error, loss, row in sorted(rows, key=lambda row: (-row[0], row[2])):
        print(f"| {accuracy:.4f} ± {error:.4f} | {loss:.4f} | {row} |")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Chooses case4's settings by 5-fold cross-validation inside its training images; the test split is never looked at.

    configs/case4-search.py [--overlay FILE] [--store DIR]

Each candidate is trained on four fifths of the training images and measured on the last fifth, five times.
Printed best first: mean validation accuracy over the folds, then mean validation loss. Features are computed once for
each tap; those with a flipped copy once for each fold too, since only training images have copies. An interrupted search
goes on where it stopped.
"""
import argparse
import itertools
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
FOLDS = 5

# What is tapped and stored: the features of a candidate.
PLAIN = {"featurize.copies": "1", "featurize.augment": "{flip: none}"}
FLIPPED = {"featurize.copies": "2", "featurize.augment": "{flip: horizontal}"}
TAPS = {
    "block5": {"model.truncate_at": "block5_pool"} | PLAIN,
    "block4+block5": {"model.truncate_at": "[block4_pool, block5_pool]"} | PLAIN,
    "block5, flipped copy": {"model.truncate_at": "block5_pool"} | FLIPPED,
}
# How the new FC layer is trained on them.
NORMALIZATION = ("none", "layer")
LEARNING_RATE = ("0.003", "0.01", "0.03")
EPOCHS = ("25", "50")


def train(settings, fold, args):
    """The last epoch of one training, from fine-tune's history."""
    command = [HERE.parent / "bin" / "tlpipe", "run", "-f", HERE / "case4.yaml"]
    command += ["-f", args.overlay] if args.overlay else []
    command += ["--store", args.store, "--until", "fine-tune", "--summary-json", args.store / "summary.json"]
    for key, value in {**settings, "normalize.split": f"{{folds: {FOLDS}, fold: {fold}}}"}.items():
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
    for taps, normalization, rate, epochs in itertools.product(TAPS, NORMALIZATION, LEARNING_RATE, EPOCHS):
        settings = TAPS[taps] | {"model.head.normalization": normalization, "fine-tune.epochs": epochs,
                                 "fine-tune.optimizer.learning_rate": rate}
        ends = [train(settings, fold, args) for fold in range(FOLDS)]
        row = (statistics.mean(e["val_accuracy"] for e in ends), statistics.mean(e["val_loss"] for e in ends),
               f"{taps} | {normalization} | {rate} | {epochs}")
        rows.append(row)
        print(f"{row[0]:.4f} {row[1]:.4f} {row[2]}", file=sys.stderr)

    print("| validation accuracy | validation loss | taps | normalization | learning rate | epochs |")
    print("|---|---|---|---|---|---|")
    for accuracy, loss, row in sorted(rows, key=lambda row: (-row[0], row[1])):
        print(f"| {accuracy:.4f} | {loss:.4f} | {row} |")


if __name__ == "__main__":
    main()

"""Prints a row of README's table beside the notebook: figures_tutorial.py CONFIG HALF SUMMARY…, one for each number of epochs."""

import json
import sys

name, half, *paths = sys.argv[1:]
runs = [json.load(open(path)) for path in paths]
accuracies = ", ".join(f"{run['metrics']['test']['accuracy']:.4f}" for run in runs)
# What both halves do: the images are decoded and split by one of them.
stages = [stage for stage in runs[-1]["stages"] + runs[-1]["models"] if stage["stage"] not in ("fetch", "decode", "normalize")]
minutes, seconds = divmod(round(sum(stage["seconds"] for stage in stages)), 60)
settings = runs[-1]["settings"]
per_class = settings["stages"]["normalize"]["split"]["per_class"].get("train", 5000)
print(f"| {name} | {half} | {10 * per_class:,} | {accuracies} | {minutes} min {seconds} s |")

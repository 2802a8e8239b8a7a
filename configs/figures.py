"""Prints one row of README's table of figures: figures.py CONFIG SUMMARY…, a summary for each seed."""

import json
import statistics
import sys

# 97.5 % quantile of Student's t distribution with n - 1 degrees of freedom, for the interval of a mean over n seeds.
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}

name, *paths = sys.argv[1:]
runs = [json.load(open(path)) for path in paths]
tests = [run["metrics"]["test"] for run in runs]
mean = statistics.mean(test["accuracy"] for test in tests)
low, high = tests[0]["accuracy_interval"]  # of one run: from the number of test images
took = f"{runs[0]['seconds']:.0f} s"
if len(runs) > 1:
    half = STUDENT[len(runs)] * statistics.stdev(test["accuracy"] for test in tests) / len(runs) ** 0.5
    low, high = mean - half, mean + half
    took += f"; another seed {statistics.median(run['seconds'] for run in runs[1:]):.0f} s"
seeds = ", ".join(str(run["settings"]["seed"]) for run in runs)
epochs = runs[0]["settings"]["stages"]["fine-tune"]["epochs"]
print(f"| {name} | {mean:.4f} | {low:.4f} to {high:.4f} | {tests[0]['count']:,} | {seeds} | {epochs} | {took} |")

"""Prints one row of README's table of figures: figures.py CONFIG WANTED SECONDS SUMMARY…, a summary for each seed.

WANTED is the least accuracy and SECONDS the most time of the first seed; empty: any. Fails if they are missed.
"""

import json
import statistics
import sys

# 97.5 % quantile of Student's t distribution with n - 1 degrees of freedom, for the interval of a mean over n seeds.
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}

name, wanted, limit, *paths = sys.argv[1:]
runs = [json.load(open(path)) for path in paths]
tests = [run["metrics"]["test"] for run in runs]
mean = statistics.mean(test["accuracy"] for test in tests)
low, high = tests[0]["accuracy_interval"]  # of one run: from the number of test images
seconds = runs[0]["seconds"]
took = f"{seconds:.0f} s"
if len(runs) > 1:
    half = STUDENT[len(runs)] * statistics.stdev(test["accuracy"] for test in tests) / len(runs) ** 0.5
    low, high = mean - half, mean + half
    took += f"; another seed {statistics.median(run['seconds'] for run in runs[1:]):.0f} s"
seeds = ", ".join(str(run["settings"]["seed"]) for run in runs)
epochs = runs[0]["settings"]["stages"]["fine-tune"]["epochs"]
at_most = f"{limit} s" if limit else ""
print(f"| {name} | {mean:.4f} | {wanted} | {low:.4f} to {high:.4f} | {tests[0]['count']:,} | {seeds} | {epochs} | {took} | {at_most} |")
problems = []
if wanted and mean < float(wanted):
    problems.append(f"{mean:.4f} is less than {wanted}")
if limit and seconds > float(limit):
    problems.append(f"{seconds:.0f} s is more than {limit} s")
if problems:
    sys.exit(f"{name} misses what is wanted of it: " + ", ".join(problems))

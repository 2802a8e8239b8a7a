#!/usr/bin/env bash
# Reproduces the figures in README: figures.sh short|long runs configs from nothing and prints a table. DATA may be a
# folder with overlays for data whose official host cannot be reached.
set -euo pipefail
cd "$(dirname "$0")/.."
store=$(mktemp -d)
trap 'rm -rf "$store"' EXIT

# row CONFIG OVERLAY SEEDS: the mean test accuracy over seeds and the time of the first, from nothing.
row() {
	local overlay=() summaries=()
	[ -n "$2" ] && [ -e "$DATA/$2.overlay.yaml" ] && overlay=(-f "$DATA/$2.overlay.yaml")
	for seed in $3; do
		bin/tlpipe run -f "configs/$1.yaml" "${overlay[@]}" --store "$store/$1" --set "seed=$seed" --summary-json "$store/$1-$seed.json" >"$store/log" 2>&1 ||
			{ cat "$store/log" >&2; exit 1; }
		summaries+=("$store/$1-$seed.json")
	done
	.deps/bin/python - "$1" "${summaries[@]}" <<-'PYTHON'
		import json, statistics, sys
		runs = [json.load(open(path)) for path in sys.argv[2:]]
		accuracies = [run["metrics"]["test"]["accuracy"] for run in runs]
		spread = f" ± {statistics.stdev(accuracies):.4f} (n={len(runs)})" if len(runs) > 1 else ""
		again = f", {statistics.median(run['seconds'] for run in runs[1:]):.0f} s for another seed" if len(runs) > 1 else ""
		print(f"| {sys.argv[1]} | {statistics.mean(accuracies):.4f}{spread} | {runs[0]['metrics']['test']['count']:,} | {runs[0]['seconds']:.0f} s{again} |")
	PYTHON
}

echo "| config | test accuracy | test images | time from nothing |"
echo "|---|---|---|---|"
case "$1" in
short)
	row quickstart "" "1"
	row case3 "" "1"
	row case3-block5 "" "1"
	row case4 hymenoptera "1 2 3 4 5"
	row case4-cifar10 cifar10 "1"
	;;
long)
	row case1 cifar10 "1"
	row case1-fashion-mnist "" "1"
	row case2 cifar10 "1"
	row case1-scratch cifar10 "1"
	;;
esac
echo
bin/tlpipe doctor | grep -E '^(cpu|bfloat16|libtensorflow|python)' | sed 's/^/    /; s/ (.*libtensorflow.*)//'

#!/usr/bin/env bash
# Reproduces the figures in README: figures.sh short|long|tutorial runs configs from nothing and prints a table. It fails
# if one misses what is wanted of it. DATA may be a folder with overlays for data whose official host cannot be reached.
set -euo pipefail
cd "$(dirname "$0")/../../.."
store=$(mktemp -d)
trap 'rm -rf "$store"' EXIT

# row CONFIG OVERLAY SEEDS WANTED SECONDS: the test accuracy, the mean over seeds if there are several, and the time of the
# first from nothing, beside what is wanted: at least so accurate in at most so many seconds; "" if nothing is.
missed=0
row() {
	local overlay=() summaries=()
	[ -n "$2" ] && [ -e "$DATA/$2.overlay.yaml" ] && overlay=(-f "$DATA/$2.overlay.yaml")
	for seed in $3; do
		bin/tlpipe run -f "configs/$1.yaml" "${overlay[@]}" --store "$store/$1" --set "seed=$seed" --summary-json "$store/$1-$seed.json" >"$store/log" 2>&1 ||
			{ cat "$store/log" >&2; exit 1; }
		summaries+=("$store/$1-$seed.json")
	done
	.deps/bin/python cmd/tlpipe-bench/figures/figures.py "$1" "$4" "$5" "${summaries[@]}" || missed=1
	rm -rf "${store:?}/$1"
}

# halves CONFIG SET…: a tutorial config in both halves, in float32. As the notebook does, it trains on all of the training
# images and measures on the test images after one, two and three epochs; training of three comes first, from nothing,
# and gives the time. (val, which chooses the best epoch elsewhere, is left out.)
halves() {
	local name=$1 configs=(-f "configs/tutorial/${1%-block5}.yaml" -f "configs/tutorial/$1.overlay.yaml") settings=() out=$store/$1
	shift
	for setting in "$@" normalize.split.val=0 fine-tune.keep=last fine-tune.precision=float32; do
		settings+=(--set "$setting")
	done
	[ -e "$DATA/cifar10.overlay.yaml" ] && configs+=(-f "$DATA/cifar10.overlay.yaml")
	for epochs in 3 1 2; do
		{
			bin/tlpipe run "${configs[@]}" "${settings[@]}" --set "fine-tune.epochs=$epochs" --store "$out" --summary-json "$out-$epochs.json" &&
				.deps/pytorch/bin/python pytorch/train.py "${configs[@]}" "${settings[@]}" --set "fine-tune.epochs=$epochs" --store "$out" --out "$out-pytorch-$epochs"
		} >"$store/log" 2>&1 || { cat "$store/log" >&2; exit 1; }
	done
	.deps/bin/python cmd/tlpipe-bench/figures/figures_tutorial.py "$name" tlpipe "$out"-[123].json
	.deps/bin/python cmd/tlpipe-bench/figures/figures_tutorial.py "$name" PyTorch "$out"-pytorch-[123]/summary.json
	rm -rf "$out"
}

machine() {
	echo
	bin/tlpipe doctor | grep -E '^(cpu|bfloat16|device|libtensorflow|python)' | sed 's/^/    /; s/ (.*libtensorflow.*)//; s/ (.*python)//'
}

if [ "$1" = tutorial ]; then
	echo "| config | half | training images | test accuracy after epochs 1, 2, 3 | time of three epochs |"
	echo "|---|---|---|---|---|"
	halves case4-block5 featurize.precision=float32
	halves case1-block5 'normalize.split.per_class={train: 200}' # of 5,000 a class, which would take most of a day
	machine
	exit
fi

echo "| config | test accuracy | wanted | 95 % interval | test images | seeds | epochs | time from nothing | at most |"
echo "|---|---|---|---|---|---|---|---|---|"
case "$1" in
short)
	row quickstart "" "1" 0.86 60
	row case3 "" "1" 0.86 180
	row case3-block5 "" "1" "" ""
	row case4 hymenoptera "1 2 3 4 5" 0.93 180
	row case4-cifar10 cifar10 "1" 0.74 240
	;;
long)
	row case1 cifar10 "1" 0.85 1800
	row case1-fashion-mnist "" "1" 0.93 1200
	row case2 cifar10 "1" 0.87 1800
	row case1-scratch cifar10 "1" "" ""
	row case4-cifar10-64px cifar10 "1" 0.80 1800
	;;
esac
machine
exit $missed

#!/usr/bin/env bash
# The four cases in both halves, tlpipe and pytorch/train.py, on small settings, and one page that compares them. DATA
# may be a folder with overlays for data whose official host cannot be reached.
set -euo pipefail
cd "$(dirname "$0")/../../.."
store=artifacts/tutorial
runs=()

# both CONFIG OVERLAY SET…: runs a config in both halves with the same settings. Both compute in float32 and with
# PyTorch's arithmetic, so that what differs is the framework's.
both() {
	local name=$1 overlay=$2 configs=(-f "configs/$1.yaml") settings=()
	shift 2
	for setting in "$@" fine-tune.optimizer.convention=torch fine-tune.precision=float32 'evaluate.gates={accuracy: 0}'; do
		settings+=(--set "$setting")
	done
	if [ -n "$overlay" ] && [ -e "$DATA/$overlay.overlay.yaml" ]; then
		configs+=(-f "$DATA/$overlay.overlay.yaml")
	elif [ -n "$overlay" ]; then
		echo "there is no $overlay.overlay.yaml in $DATA, so the data comes from its official host; make tutorial DATA=DIR names another folder"
	fi
	echo "== $name: tlpipe"
	bin/tlpipe run "${configs[@]}" "${settings[@]}" --store "$store" --summary-json "$store/$name.json"
	echo "== $name: PyTorch"
	.deps/pytorch/bin/python pytorch/train.py "${configs[@]}" "${settings[@]}" --store "$store" --out "$store/pytorch/$name"
	runs+=("$store/$name.json" "$store/pytorch/$name")
}

mkdir -p "$store"
small='normalize.split.per_class={train: 250, test: 100}'
both case1 cifar10 "$small" fine-tune.epochs=3
both case2 cifar10 "$small" fine-tune.epochs=3 'fine-tune.augment={flip: none}'
both case3 "" 'normalize.split.per_class={train: 100, test: 100}' featurize.precision=float32
both case4 hymenoptera featurize.precision=float32

bin/tlpipe compare --by-config "${runs[@]}" --intro configs/tutorial/intro.html --html "$store/index.html"
for name in case1 case2 case3 case4; do
	grep -q "<section [^>]*id=\"$name\"" "$store/index.html" || { echo "$store/index.html has no part $name" >&2; exit 1; }
done
echo "the four cases took $((SECONDS / 60)) min $((SECONDS % 60)) s"

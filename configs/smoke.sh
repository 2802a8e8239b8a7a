#!/usr/bin/env bash
# Small versions of the configs, end to end on real data. DATA is a folder with cifar10.overlay.yaml and
# hymenoptera.overlay.yaml beside the archives they name.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! [ -e "$DATA/cifar10.overlay.yaml" ]; then
	echo "no overlays in $DATA: set DATA to a folder that has cifar10.overlay.yaml" >&2
	exit 2
fi
store=$(mktemp -d)
trap 'rm -rf "$store"' EXIT

echo "== case1: the whole network, 2,000 images, one epoch"
bin/tlpipe run -f configs/case1.yaml -f "$DATA/cifar10.overlay.yaml" --store "$store" --summary-json "$store/case1.json" \
	--set 'normalize.split.per_class={train: 200, test: 50}' --set fine-tune.epochs=1 --set 'evaluate.gates={accuracy: 0.3}'

echo "== case4: ants and bees, frozen"
bin/tlpipe run -f configs/case4.yaml -f "$DATA/hymenoptera.overlay.yaml" --store "$store"

echo "== case4 again: nothing to do"
bin/tlpipe run -f configs/case4.yaml -f "$DATA/hymenoptera.overlay.yaml" --store "$store" | grep 'nothing to do'

bin/tlpipe verify --store "$store"

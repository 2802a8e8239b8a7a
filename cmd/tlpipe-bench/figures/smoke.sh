#!/usr/bin/env bash
# Small versions of the configs, end to end on real data. DATA may be a folder with overlays for data whose official
# host cannot be reached, beside the archives they name.
set -euo pipefail
cd "$(dirname "$0")/../../.."
store=$(mktemp -d)
trap 'rm -rf "$store"' EXIT

cifar10=() hymenoptera=()
[ -e "$DATA/cifar10.overlay.yaml" ] && cifar10=(-f "$DATA/cifar10.overlay.yaml")
[ -e "$DATA/hymenoptera.overlay.yaml" ] && hymenoptera=(-f "$DATA/hymenoptera.overlay.yaml")

echo "== every config, with its overlay"
bin/tlpipe lint configs/*.yaml configs/tutorial/case?.yaml
mapfile -t on_cifar10 < <(grep -l 'format: cifar10' configs/*.yaml configs/tutorial/case?.yaml)
bin/tlpipe lint "${on_cifar10[@]}" "${cifar10[@]}"
bin/tlpipe lint configs/case4.yaml "${hymenoptera[@]}"

echo "== case1: the whole network, 2,000 images, one epoch"
bin/tlpipe run -f configs/case1.yaml "${cifar10[@]}" --store "$store" --summary-json "$store/case1.json" \
	--set 'normalize.split.per_class={train: 200, test: 50}' --set fine-tune.epochs=1 --set 'evaluate.gates={accuracy: 0.3}'

echo "== case4: ants and bees, frozen"
bin/tlpipe run -f configs/case4.yaml "${hymenoptera[@]}" --store "$store"

echo "== case4 again: nothing to do"
bin/tlpipe run -f configs/case4.yaml "${hymenoptera[@]}" --store "$store" | grep 'nothing to do'

bin/tlpipe verify --store "$store"

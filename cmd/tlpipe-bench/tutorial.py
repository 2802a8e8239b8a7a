"""Measures the tutorial's case 4, from JPEG files to the accuracy: `tlpipe run` beside a script of the notebook's way.

Both take the same images, ImageNet's weights from Keras, block5_pool and a new FC layer, 50,000 images to train on, 10,000 to
test, batches of 4 and three epochs. tlpipe runs twice: in the precision that it chooses, and in float32 as the script does;
then only its head trains again, with other seeds. Results go to .bench/tutorial.json.
"""

import json
import shutil
import subprocess

import numpy as np

from bench import DATA, FOLDER, ROOT, TORCH, photographs, safetensors

CONFIGS = ["-f", "configs/tutorial/case4.yaml", "-f", "configs/tutorial/case4-block5.overlay.yaml"]
STORE = FOLDER / "tutorial"


def run(precision, *more):
    """Seconds and accuracy on test of `tlpipe run`, with more settings."""
    summary = FOLDER / "tutorial-run.json"
    overlay = DATA / "cifar10.overlay.yaml"
    files = ["-f", overlay] if overlay.exists() else []
    settings = ["normalize.split.val=0", "fine-tune.keep=last", f"featurize.precision={precision}", f"fine-tune.precision={precision}", *more]
    command = [ROOT / "bin/tlpipe", "run", *CONFIGS, *files, *(part for s in settings for part in ("--set", s)), "--store", STORE, "--summary-json", summary]
    with open(FOLDER / "tutorial.log", "w") as log:
        subprocess.run(command, cwd=ROOT, check=True, stdout=log, stderr=log)
    result = json.loads(summary.read_text())
    return result["seconds"], result["metrics"]["test"]["accuracy"]


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    tree = photographs("case4-cifar10")[0] / "tree"
    results = {}
    for precision in ("auto", "float32"):
        shutil.rmtree(STORE, ignore_errors=True)
        seconds, accuracy = run(precision)
        results[f"tlpipe run, {precision}"] = {"seconds": seconds, "accuracy": accuracy}
        print(f"tlpipe run, {precision}: {seconds:.0f} s, {accuracy:.4f}", flush=True)
    seeds = {seed: run("float32", f"seed={seed}")[1] for seed in range(1, 6)}
    results["tlpipe run, float32"]["seeds"] = seeds
    print(f"tlpipe run, float32, seeds: {seeds}", flush=True)
    weights = FOLDER / "imagenet.npz"
    np.savez(weights, **safetensors(next(STORE.glob("objects/*/*/weights.safetensors"))))
    task = json.dumps({"tree": str(tree), "weights": str(weights)})
    script = json.loads(subprocess.run([TORCH, "cmd/tlpipe-bench/peer_tutorial.py", task], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    results["the notebook's way"] = script
    print(f"the notebook's way: {script['seconds']:.0f} s, {script['accuracies']}")
    for name in list(results)[:2]:
        print(f"{name}: {script['seconds'] / results[name]['seconds']:.1f} × as fast")
    (FOLDER / "tutorial.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

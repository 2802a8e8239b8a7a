"""The tutorial in PyTorch: transfer learning with torchvision's VGG16 on the same config, images and split as `tlpipe run`.

    .deps/pytorch/bin/python pytorch/train.py [-f] CONFIG… [--set STAGE.KEY=VALUE]… [--store DIR]
                                              [--weights keras|torchvision] [--out DIR]

`tlpipe run` of the same config comes first: from the store this half takes what fetch, decode and normalize made, the
images as uint8 and which belongs to train, val and test. It then goes the tutorial's way, a function for each step:

    pretrained   torchvision's VGG16 with the weights that Keras exported (the very same numbers), or torchvision's own
    Network      cut off behind model.truncate_at, a new FC layer behind it, frozen through model.freeze_through
    featurize    what is frozen changes nothing any more, so each image goes through it once
    train        cross entropy, optimizer, schedule; the images in the same order; the best weights by val accuracy
    evaluate     the split that the config names

and fills DIR (by default STORE/pytorch/NAME) with files that have the form of tlpipe's own:

    metrics.json         as evaluate's, but for served_*          predictions.csv   as evaluate's
    history.jsonl        as fine-tune's                           labels.txt        as fine-tune's
    weights.safetensors  as of `tlpipe export-weights`: savedmodels/inkeras/load_weights.py reads it
    summary.json         as of `tlpipe run --summary-json`, with "runner": "pytorch", "weights", "versions", and "images",
                         how many went through each stage. Written last: a folder without it holds an unfinished run.

Both halves begin with the same numbers in the new layer; dropout draws others here. All is float32, on the CPU; to have
the other half compute in it too, set featurize.precision and fine-tune.precision.
"""

import argparse
import copy
import http.client
import json
import math
import pathlib
import platform
import sys
import time

BEGUN = time.monotonic()  # before PyTorch is loaded, which takes seconds

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    import torchvision
    from safetensors.torch import load_file, save_file
    from torch import nn
except ImportError as missing:
    print(f"error: {sys.executable} has no PyTorch ({missing}): run `make pytorch` and take .deps/pytorch/bin/python", file=sys.stderr)
    sys.exit(13)

import artifacts
from artifacts import Refused, rounded
from keras_weights import ARCHITECTURES, card, keras_arrays, load_keras
from optimization import class_weights, clip, make_optimizer, rate_factor
from randomness import epoch_order, glorot

# Where the YAML can ask for more than this script does: what it does, first what an error recommends.
SUPPORTED = {
    "featurize.precision": ["float32", "auto"],  # auto is float32 here, whatever the CPU has
    "featurize.store": ["float32"],
    "featurize.copies": [1],
    "fine-tune.precision": ["float32", "auto"],
    "fine-tune.augment": [{"flip": "none", "fill_mode": "reflect"}],  # nothing more that is not 0
    "fine-tune.early_stopping.patience": [0],
    "fine-tune.schedule.name": ["constant", "step", "exponential", "cosine"],
    "fine-tune.optimizer.convention": ["torch"],
}


def check(settings, weights):
    """Refuse a config whose training would not be the same in both halves, or means nothing."""
    for stage in ("featurize", "fine-tune", "evaluate"):
        if settings["stages"].get(stage) is None:
            raise Refused(f"the config has no stage {stage}, which the PyTorch half carries out: add it", 2)
    if weights == "torchvision" and settings["stages"]["normalize"]["mode"] == "caffe":
        hint = "--set normalize.mode=torch, in both halves, or take --weights keras"
        raise Refused(f"normalize.mode is caffe, but torchvision's weights were trained on RGB pixels, scaled: {hint}", 2)
    for place, allowed in SUPPORTED.items():
        value = settings["stages"]
        for key in place.split("."):
            value = value[key]
        if isinstance(value, dict):
            value = {key: v for key, v in value.items() if v}
        if value not in allowed:
            hint = "leave it out" if isinstance(value, dict) else f"--set {place}={allowed[0]}"
            raise Refused(f"{place} is {value}, which the PyTorch half does not do: {hint}, in both halves", 2)


def pretrained(model, weights, exported):
    """torchvision's VGG by its layers' Keras names: {"block1_conv1": conv and ReLU, …, "block5_pool": …, "fc1": …, "fc2": …}."""
    architecture = ARCHITECTURES[model["backbone"]]
    try:
        vgg = getattr(torchvision.models, architecture["torchvision"])(weights="IMAGENET1K_V1" if weights == "torchvision" else None)
    except (OSError, http.client.HTTPException, RuntimeError) as e:  # no network, a broken transfer, a damaged file
        hint = f"check the network, delete {torch.hub.get_dir()}/checkpoints if a file there is damaged, or take --weights keras"
        raise Refused(f"torchvision's own weights can't be had ({e}): {hint}", 1) from e
    layers, block, conv = {}, 1, 1
    for layer in vgg.features:
        if isinstance(layer, nn.Conv2d):
            layers[f"block{block}_conv{conv}"] = nn.Sequential(layer, nn.ReLU())
            conv += 1
        elif isinstance(layer, nn.MaxPool2d):
            layers[f"block{block}_pool"] = layer
            block, conv = block + 1, 1
    between = [vgg.avgpool, nn.Flatten()]  # 7 × 7 positions
    for i in range(len(architecture["fc"])):
        layers[f"fc{i + 1}"] = nn.Sequential(*between, *vgg.classifier[3 * i : 3 * i + 3])  # FC, ReLU, dropout
        between = []
    if weights == "keras":
        load_keras(layers, load_file(exported / "weights.safetensors"))
    return layers


class Network(nn.Module):
    """A VGG cut off behind its last tap, with new FC layers behind it; frozen and trained are the two parts of the VGG."""

    def __init__(self, layers, settings, recipe, classes):
        super().__init__()
        self.model, self.recipe, names = settings["model"], recipe, list(layers)
        taps = self.model["truncate_at"] if isinstance(self.model["truncate_at"], list) else [self.model["truncate_at"]]
        self.taps = sorted(set(taps), key=names.index)
        kept = names[: names.index(self.taps[-1]) + 1]
        cut = 0 if self.model["freeze_through"] == "none" else kept.index(self.model["freeze_through"]) + 1
        while 0 < cut < len(kept) and not list(layers[kept[cut]].parameters()):
            cut += 1  # a pooling layer has no weights to train
        self.last_frozen = kept[cut - 1] if cut else None
        self.frozen = nn.ModuleDict({name: layers[name] for name in kept[:cut]}).requires_grad_(False)
        self.trained = nn.ModuleDict({name: layers[name] for name in kept[cut:]})
        self.pool = {"avg": nn.AdaptiveAvgPool2d(1), "max": nn.AdaptiveMaxPool2d(1), "none": nn.Identity()}[self.model["pooling"]]

        with torch.no_grad():
            x = self.preprocess(torch.zeros(1, *self.model["input"], 3, dtype=torch.uint8))
            width = sum(v.shape[1] for v in self.run(x, {**self.frozen, **self.trained})[1])
        self.head = nn.ModuleDict()
        for i, units in enumerate([*self.model["head"]["units"], classes], 1):  # one new FC layer, as in the tutorial, or more
            self.head[f"head_{i}"] = nn.Linear(width, units)
            width = units

    def preprocess(self, images):
        """uint8 [n, h, w, 1 or 3] to float32 [n, 3, *input], as the mode of normalize says."""
        x, mode = images.permute(0, 3, 1, 2).float(), self.recipe["mode"]
        if list(x.shape[2:]) != self.model["input"]:
            x = F.interpolate(x, self.model["input"], mode="bilinear")
        x = x.expand(-1, 3, -1, -1)  # gray to RGB
        if mode == "caffe":  # Keras' VGG16 takes BGR, less ImageNet's mean
            return x.flip(1) - torch.tensor([103.939, 116.779, 123.68])[:, None, None]
        mean, std = {
            "tf": ([0.5] * 3, [0.5] * 3),
            "torch": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            "mean-std": (self.recipe.get("mean"), self.recipe.get("std")),
        }[mode]
        return (x / 255 - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]

    def run(self, x, part):
        """The output of a part of the network, and the vectors [n, …] of the layers tapped in it."""
        vectors = []
        for name, layer in part.items():
            x = layer(x)
            if name in self.taps:
                vectors.append(self.vector(x))
        return x, vectors

    def vector(self, x):
        """Pooled and flattened as Keras does it, channels last, so that the head's weights fit either half."""
        return self.pool(x).permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x

    def featurize(self, images):
        """The frozen part: what its last layer gives, and the vectors of the taps before it."""
        x, vectors = self.run(self.preprocess(images), self.frozen)
        if self.last_frozen in self.taps:
            vectors.pop()
        return [x if self.trained else self.vector(x), *vectors]

    def forward(self, x, *vectors):
        """The trained part and the head: what featurize gives, or images where nothing is frozen, to logits [n, classes]."""
        x, vectors = x if self.frozen else self.preprocess(x), list(vectors)
        if self.last_frozen and self.last_frozen.startswith("fc"):
            x = F.dropout(x, ARCHITECTURES[self.model["backbone"]]["fc_dropout"], self.training)  # that of this layer: what is random can't be stored
        if self.last_frozen in self.taps:
            vectors.append(self.vector(x))
        x = torch.cat(vectors + self.run(x, self.trained)[1], 1)
        head = self.model["head"]
        if head["normalization"] == "layer":
            x = F.layer_norm(x, x.shape[1:], eps=1e-3)  # Keras' epsilon
        for i, layer in enumerate(self.head.values()):
            x = x.relu() if i > 0 else x
            if i > 0 or len(self.head) == 1:
                x = F.dropout(x, head["dropout"], self.training)
            x = layer(x)
        return x

    def learning(self):
        """The layers that learn, by name."""
        return {**self.trained, **self.head}


class Examples:
    """Batches of what the network's forward takes: features, computed once, or the images where nothing is frozen."""

    def __init__(self, network, images, settings, workers):
        self.images, self.workers, self.features = images, workers, None
        if network.frozen:
            rows = np.sort(np.concatenate(list(images.rows.values())))
            self.place = np.full(len(images), -1)
            self.place[rows] = np.arange(len(rows))
            network.eval()
            with torch.no_grad():
                size = 128 if settings["batch_size"] == "auto" else settings["batch_size"]
                parts = [network.featurize(pixels) for pixels, _ in self.pixels(rows, size)]
            self.features = [torch.cat(part) for part in zip(*parts)]

    def pixels(self, rows, size):
        """The tutorial's loader: uint8 images and labels in this order. Shuffling is done by whoever gives the rows."""
        return torch.utils.data.DataLoader(self.images, batch_size=size, sampler=rows.tolist(), num_workers=self.workers)

    def batches(self, rows, size):
        """(inputs of Network.forward, labels [n]) for the rows, in this order."""
        if self.features is None:
            yield from (([pixels], labels) for pixels, labels in self.pixels(rows, size))
            return
        for first in range(0, len(rows), size):
            some = rows[first : first + size]
            at = torch.from_numpy(self.place[some])
            yield [feature[at] for feature in self.features], torch.from_numpy(self.images.labels[some])


def train(network, examples, settings, seed):
    """Train for the epochs of fine-tune and load the weights to keep. Returns the history and the epoch that was kept."""
    rows, val = examples.images.rows["train"], examples.images.rows.get("val")
    size, epochs = settings["batch_size"], settings["epochs"]
    steps_per_epoch = -(-len(rows) // size)
    optimizer = make_optimizer(network, settings)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate_factor(settings["schedule"], steps_per_epoch, epochs))
    factors = class_weights(settings["class_weight"], examples.images.dataset)
    history, best, best_weights = [], None, None
    for epoch in range(1, epochs + 1):
        network.train()
        for layer in network.trained.values():
            layer.requires_grad_(epoch > settings["head_first_epochs"])
        order, loss_sum, correct = rows[epoch_order(len(rows), seed, epoch)], 0.0, 0
        for inputs, labels in examples.batches(order, size):
            optimizer.zero_grad()
            logits = network(*inputs)
            losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=settings["label_smoothing"])
            loss = (losses if factors is None else losses * factors[labels]).mean()
            loss.backward()
            clip(network.parameters(), settings["optimizer"])
            optimizer.step()
            rate = settings["optimizer"]["learning_rate"] * scheduler.lr_lambdas[0](scheduler.last_epoch)
            scheduler.step()
            loss_sum += loss.item() * len(labels)
            correct += (logits.argmax(1) == labels).sum().item()
        if not math.isfinite(loss_sum):
            raise Refused(f"the loss became {loss_sum} in epoch {epoch}: lower optimizer.learning_rate, or add schedule.warmup_epochs", 1)
        result = {"epoch": epoch, "step": epoch * steps_per_epoch, "learning_rate": rate}
        result |= {"loss": rounded(loss_sum / len(rows)), "accuracy": rounded(correct / len(rows))}
        if val is not None:
            losses, probabilities = predict(network, examples, val, size)
            hits = probabilities.argmax(1) == examples.images.labels[val]
            result |= {"val_loss": rounded(losses.mean()), "val_accuracy": rounded(hits.mean())}
        history.append(result)
        print("  " + "  ".join(f"{key} {value:.6g}" for key, value in result.items()), flush=True)
        if settings["keep"] == "best" and (best is None or better(result, best)):
            best, best_weights = result, copy.deepcopy(network.state_dict())
    if best:
        network.load_state_dict(best_weights)
    return history, best or history[-1]


def better(result, best):
    """By val accuracy, then by val loss."""
    return (result["val_accuracy"], -result["val_loss"]) > (best["val_accuracy"], -best["val_loss"])


def predict(network, examples, rows, size):
    """Cross entropy [n] (float64) and class probabilities [n, classes] of the rows, in their order."""
    network.eval()
    losses, probabilities = [], []
    with torch.inference_mode():
        for inputs, labels in examples.batches(rows, size):
            logits = network(*inputs)
            losses.append(F.cross_entropy(logits, labels, reduction="none").double())
            probabilities.append(logits.softmax(1))
    return torch.cat(losses).numpy(), torch.cat(probabilities).numpy()


def evaluate(network, examples, settings):
    """metrics.json, the rows of the split, and their class probabilities."""
    images, rows = examples.images, examples.images.rows.get(settings["split"])
    if rows is None:
        raise Refused(f"there is no {settings['split']} split: set decode.splits, normalize.split or evaluate.split", 2)
    losses, probabilities = predict(network, examples, rows, 256)
    metrics = artifacts.measure(images.classes, images.labels[rows], probabilities, settings["top_k"])
    return {"split": settings["split"], **metrics, "loss": rounded(losses.mean()), "served": 0}, rows, probabilities


def main(begun):
    """Carry out the command line; begun is when the program was, on the clock of time.monotonic."""
    parser = argparse.ArgumentParser(description="Carry out a config in PyTorch, on what `tlpipe run` of it has stored.")
    parser.add_argument("configs", nargs="*", metavar="CONFIG")
    parser.add_argument("-f", "--file", action="append", default=[], help="config; several are merged, later ones win")
    parser.add_argument("--set", action="append", default=[], help="override a setting: STAGE.KEY=VALUE")
    parser.add_argument("--store", default="artifacts", help="where artifacts live")
    parser.add_argument("--weights", choices=["keras", "torchvision"], default="keras", help="which pretrained weights")
    parser.add_argument("--out", type=pathlib.Path, help="folder of the results; by default STORE/pytorch/NAME")
    parser.add_argument("--workers", type=int, default=2, help="processes that load images, as in the tutorial")
    arguments = parser.parse_args()
    try:
        carry_out(arguments, begun)
    except Refused as e:
        print(f"error: {e}", file=sys.stderr)
        return e.code
    except KeyboardInterrupt:
        return 130
    return 0


def carry_out(arguments, begun):
    """The steps in order. Each is timed and ends with a line of the summary."""
    status = artifacts.status_of(arguments.configs + arguments.file, arguments.set, arguments.store)
    settings, seed = status["settings"], status["settings"]["seed"]
    check(settings, arguments.weights)
    needs = ["decode", "normalize"] + ["export-suffix"] * (arguments.weights == "keras")
    paths = artifacts.folders_of(status, needs, arguments.store)
    out = arguments.out or pathlib.Path(arguments.store) / "pytorch" / status["config"]
    out.mkdir(parents=True, exist_ok=True)
    (out / "summary.json").unlink(missing_ok=True)
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(seed)
    stages = [s for s in status["stages"] if s["stage"] in ("fetch", "decode", "normalize")]
    ended = begun

    def done(stage, count):
        nonlocal ended
        began, ended = ended, time.monotonic()
        stages.append({"stage": stage, "status": "ran", "seconds": ended - began, "path": str(out.resolve())})
        stages[-1] |= {"peak_bytes": artifacts.peak_memory(), "images": count}
        print(f"{stage}: {count} images in {ended - began:.1f} s", flush=True)

    images = artifacts.Images(paths["decode"], paths["normalize"])
    layers = pretrained(settings["model"], arguments.weights, paths.get("export-suffix"))
    network = Network(layers, settings, images.dataset["recipe"], len(images.classes))
    fresh = network.learning() if settings["model"]["weights"] == "random" and arguments.weights == "keras" else network.head
    load_keras(fresh, {name: glorot(tuple(array.shape), seed, name) for name, array in keras_arrays(fresh).items()})
    done("network", 0)  # and all that came before it, as PyTorch's own start

    examples = Examples(network, images, settings["stages"]["featurize"], arguments.workers)
    done("featurize", sum(map(len, images.rows.values())) if network.frozen else 0)

    history, kept = train(network, examples, settings["stages"]["fine-tune"], seed)
    artifacts.write(out / "history.jsonl", "".join(json.dumps(line) + "\n" for line in history))
    artifacts.write(out / "labels.txt", "".join(name + "\n" for name in images.classes))
    weights = keras_arrays({**network.frozen, **network.learning()})
    save_file(weights, out / "weights.safetensors", {"format": "pt", "card": json.dumps(card(network, images))})
    done("fine-tune", len(history) * len(images.rows["train"]))

    metrics, rows, probabilities = evaluate(network, examples, settings["stages"]["evaluate"])
    artifacts.write_json(out / "metrics.json", metrics)
    artifacts.write_predictions(out / "predictions.csv", metrics["split"], images, rows, probabilities)
    done("evaluate", len(rows))

    summary = {
        "config": status["config"], "run": artifacts.run_id(status["config"]), "runner": "pytorch", "ok": True, "seconds": ended - begun,
        "stages": stages, "models": [], "metrics": {metrics["split"]: metrics}, "settings": settings,
        "precision": {"fine-tune": "float32"} | ({"featurize": "float32"} if network.frozen else {}),
        "weights": arguments.weights, "kept_epoch": kept["epoch"],
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "torchvision": torchvision.__version__, "numpy": np.__version__},
    }
    if "val_accuracy" in kept:
        summary["metrics"]["val"] = {"accuracy": kept["val_accuracy"], "loss": kept["val_loss"], "count": len(images.rows["val"])}
    artifacts.write_json(out / "summary.json", summary)
    print(f"{metrics['split']} accuracy {metrics['accuracy']:.4f} ({metrics['count']} images)\nlook at {out}")


if __name__ == "__main__":
    sys.exit(main(BEGUN))

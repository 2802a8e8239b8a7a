"""What the PyTorch half reads of tlpipe's store, and the files it writes in the same form.

The formats are those of stages/formats/doc.go. Images are uint8 .npy shards, splits are lists of rows, and a report has the
metrics.json and predictions.csv of the stage evaluate.
"""

import csv
import fcntl
import io
import json
import math
import os
import pathlib
import secrets
import subprocess
import time

import numpy as np

TLPIPE = pathlib.Path(__file__).resolve().parent.parent / "bin" / "tlpipe"
BINS = 15  # of the calibration


class Refused(Exception):
    """A sentence for the user, with the exit code that tlpipe has for such a case."""

    def __init__(self, sentence, code):
        super().__init__(sentence)
        self.code = code


def status_of(configs, sets, store):
    """What `tlpipe status --json` says of a config: its settings, its stages and where their artifacts lie."""
    arguments = [f"--file={file}" for file in configs] + [f"--set={text}" for text in sets] + [f"--store={store}"]
    try:
        done = subprocess.run([TLPIPE, "status", "--json", *arguments], capture_output=True, text=True)
    except OSError as e:
        raise Refused(f"{TLPIPE} does not start ({e.strerror}): run `make build`", 13) from e
    if done.returncode != 0:
        raise Refused(done.stderr.strip().removeprefix("tlpipe: "), done.returncode)
    return json.loads(done.stdout)


def folders_of(status, needs, store):
    """Where the artifacts lie, by stage. Raises Refused where one of the stages in needs is not stored yet."""
    folders = {s["stage"]: pathlib.Path(s["path"]) for s in status["stages"] + status["models"] if s.get("path")}
    if missing := ", ".join(stage for stage in needs if stage not in folders):
        missing = f"{missing} of {status['config']} is not stored in {store}"
        if in_progress(store):
            raise Refused(f"{missing}, where a run is in progress: wait until it ends", 11)
        raise Refused(f"{missing}, and this half begins with what the other made: first give the same config and settings to `tlpipe run`", 2)
    return folders


def in_progress(store):
    """Whether a process of tlpipe writes to the store."""
    try:
        with open(pathlib.Path(store) / "lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


class Images:
    """The decoded images and the split. A torch.utils.data.Dataset over rows: [row] is (uint8 [h, w, c], label)."""

    def __init__(self, decoded, normalized):
        info = json.loads((decoded / "images.json").read_text(encoding="utf-8"))
        self.dataset = json.loads((normalized / "dataset.json").read_text(encoding="utf-8"))
        self.classes = info["classes"]
        self.shards = [np.load(file, mmap_mode="r") for file in sorted(decoded.glob("images-*.npy"))]
        self.ends = np.cumsum([len(shard) for shard in self.shards])
        self.labels = np.load(decoded / "labels.npy").astype(np.int64)
        self.rows = {s: np.load(normalized / f"{s}.npy") for s in ("train", "val", "test") if (normalized / f"{s}.npy").exists()}
        with open(decoded / "samples.jsonl", encoding="utf-8") as file:
            self.paths = [json.loads(line)["path"] for line in file]
        height, width, self.channels = info["shape"]
        self.decoded, side = info["shape"], self.dataset["recipe"]["crop"]
        top, left = ((height - side) // 2, (width - side) // 2) if side else (0, 0)
        self.crop = np.s_[top : top + (side or height), left : left + (side or width)]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, row):
        shard = np.searchsorted(self.ends, row, side="right")
        return np.array(self.shards[shard][row - self.ends[shard]][self.crop]), self.labels[row]  # counted from its end


def measure(classes, labels, probabilities, top_k):
    """What metrics.json says of class probabilities [n, classes] and the labels [n] (numbers of classes)."""
    n, predicted = len(labels), probabilities.argmax(1)
    matrix = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    support, calls, right = matrix.sum(1), matrix.sum(0), matrix.diagonal()
    columns = [right / np.maximum(calls, 1), right / np.maximum(support, 1), 2 * right / np.maximum(calls + support, 1)]
    names = ["precision", "recall", "f1"]
    per_class = [dict(zip(names, map(rounded, row))) for row in zip(*columns)]
    own = probabilities[np.arange(n), labels][:, None]
    earlier = np.arange(len(classes)) < labels[:, None]  # of equally probable classes the first comes first
    rank = ((probabilities > own) | ((probabilities == own) & earlier)).sum(1)
    confidence = probabilities[np.arange(n), predicted].astype(np.float64)
    bin_of = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins, error = [], 0.0
    for i in np.unique(bin_of):
        here = bin_of == i
        sure, accuracy = confidence[here].mean(), (predicted == labels)[here].mean()
        error += abs(sure - accuracy) * here.sum() / n
        bins.append({"from": rounded(i / BINS), "to": rounded((i + 1) / BINS), "count": int(here.sum())})
        bins[-1] |= {"confidence": rounded(sure), "accuracy": rounded(accuracy)}
    return {
        "count": n,
        "accuracy": rounded(right.sum() / n),
        "accuracy_interval": wilson(right.sum() / n, n),
        "top_k": {str(k): rounded((rank < k).mean()) for k in top_k if k < len(classes)},
        "macro": {name: rounded(column.mean()) for name, column in zip(names, columns)},
        "per_class": [{"class": c, **m, "support": int(s)} for c, m, s in zip(classes, per_class, support)],
        "calibration": {"expected_calibration_error": rounded(error), "bins": bins},
    }


def wilson(share, n, z=1.959963984540054):
    """The 95 % score interval of a share of n."""
    center, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return [rounded(max(0, (center - half) / (1 + z * z / n))), rounded(min(1, (center + half) / (1 + z * z / n)))]


def rounded(value):
    return round(float(value), 6)


def run_id(name):
    """Names a run of a config, as tlpipe does it: 20261124-180000-quickstart-1f3a."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{name}-{secrets.token_hex(2)}"


def peak_memory():
    """The most bytes this process had resident since the last call, or since it began; 0 where the kernel does not tell."""
    try:
        status = pathlib.Path("/proc/self/status").read_text()
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def write_predictions(file, split, images, rows, probabilities):
    table, text = [["path", "split", "label", "predicted", "probability", "correct"]], io.StringIO()
    for row, p in zip(rows, probabilities):
        label, predicted = images.classes[images.labels[row]], images.classes[p.argmax()]
        table.append([cell(images.paths[row]), split, cell(label), cell(predicted), f"{p.max():.6f}", str(label == predicted).lower()])
    csv.writer(text, lineterminator="\n").writerows(table)
    write(file, text.getvalue())


def cell(name):
    """A name as it may stand in a CSV file: what a spreadsheet would compute begins with an apostrophe, as tlpipe has it."""
    return "'" + name if name.startswith(("=", "+", "-", "@", "'")) else name


def write_json(file, value):
    write(file, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write(file, text):
    """Write a file so that after a crash it holds all of the text or what it held before."""
    temporary = file.with_name(f".{file.name}.tmp")
    with open(temporary, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(temporary, file)

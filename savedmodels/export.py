"""Export Keras applications as SavedModels that tlpipe trains and runs from Go.

Reads from its standard input, line by line, paths of JSON files: {"kind": "prefix" or "suffix", "spec": {...}, "out": DIR,
"work": DIR for temporary files, "cache": DIR, "weights_file": PATH or "", "versions": {PACKAGE: VERSION}, "digests":
{BACKBONE: {TENSOR: SHA256}}}. Fills DIR with a SavedModel and card.json and prints a line of JSON for each: {"digest"}, or
{"error", "hint"}, or {"status"} where an export ended without an answer, as os.waitpid gives it. The first line, {}, says that
all is loaded. Whatever else is printed goes to stderr.

Each export runs in a child of its own that has TensorFlow loaded already, which takes longer than most exports. So each begins
with the same counters, from which saved_model.pb has names, and what one does cannot reach another. The process ends when its
standard input is closed, which the end of the parent does, however it comes; its children end with it.

    prefix   prepare() once before the others, featurize(images) -> features, and if the spec has augment,
             featurize_augmented(images, rows, copy, seed); if its precision is int8, calibrate(images) -> ranges, of which
             set_ranges(ranges) takes the largest before featurize
    suffix   init(seed), train_step(x, labels, learning_rate, step, seed), evaluate(x, labels), predict(images),
             get_state(), set_state(...); if the spec has head_first, train_head, a train_step of the head alone; if it has
             class_weights, both take class_weights; set_serving(...), serving_default(images), serving_bytes(image_bytes)

x is what featurize gives. If nothing is frozen there is no prefix, and x is the images. predict takes images decoded and cropped
as the training images; serving_default takes any and serving_bytes files, and both do what set_serving said was done. Beside a suffix stands
weights.safetensors with the pretrained weights of all of its backbone, by their Keras names, for programs without TensorFlow.

Only raw variables are tracked, never layers: a Keras layer hung on a module is saved but not restored by the C loader.
"""

import gc
import hashlib
import json
import os
import pathlib
import select
import shutil
import signal
import sys
import tempfile
import threading
import traceback

gc.disable()  # collecting takes a quarter of the time that loading TensorFlow does


class Parent:
    """Whoever started this process: watched from the start, since loading TensorFlow takes seconds."""

    def __init__(self):
        self.gone = select.poll()
        self.gone.register(0, 0)  # tells of a hang-up alone, and takes nothing of what is sent
        self.loaded = threading.Event()
        self.watch = threading.Thread(target=self.until_loaded, daemon=True)
        self.watch.start()

    def until_loaded(self):
        while not self.loaded.is_set():
            if self.gone.poll(100):
                os._exit(130)

    def stop_watching(self):
        """There must be no second thread when this process forks."""
        self.loaded.set()
        self.watch.join()


parent = Parent()

import keras
import tensorflow as tf

from architectures import ARCHITECTURES
from common import ExportError, path_of, sha256, signature_name
from network import Network
from serving import Serving
from training import Classifier
from weights import cached, fetch, load_weights, parts, write_safetensors

# Whatever a keras.json under KERAS_HOME says.
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_image_data_format("channels_last")

IMAGES = tf.TensorSpec([None, None, None, None], tf.uint8, "images")
FILES = tf.TensorSpec([None], tf.string)


def signature(function, **inputs):
    """A concrete function; inputs are TensorSpecs by name."""
    specs = {name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in inputs.items()}
    return tf.function(function, autograph=False, jit_compile=False).get_concrete_function(**specs)


# A model is identified by its settings, its tensors and the version of its kind, and results computed with it are reused while
# the identity stays the same. Raise the version of a kind when the same settings and tensors would give a model that computes
# different numbers, even in the last bit, or that has different signatures. Changes of comments, messages or speed need none.
PREFIX_VERSION = 1


def prefix_signatures(network):
    def featurize(images):
        return {"features": network.featurize(images)}

    def featurize_augmented(images, rows, copy, seed):
        """Images named by their rows: a copy of one is the same in whatever batch it stands."""
        return {"features": network.featurize(network.augmentation.copies(network.resize(images), rows, copy, seed))}

    signatures = {"prepare": signature(network.prepare), "featurize": signature(featurize, images=IMAGES)}
    if quantization := network.quantization:
        signatures["calibrate"] = signature(lambda images: {"ranges": quantization.calibrate(images)}, images=IMAGES)
        signatures["set_ranges"] = signature(lambda ranges: {"ranges": quantization.ranges.assign(ranges)}, ranges=tf.TensorSpec(quantization.ranges.shape))
    if network.augmentation:
        rows, scalar = tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int64)
        signatures["featurize_augmented"] = signature(featurize_augmented, images=IMAGES, rows=rows, copy=scalar, seed=scalar)
    return signatures


SUFFIX_VERSION = 1  # raised as PREFIX_VERSION is


def suffix_signatures(classifier, serving):
    def serving_default(images):
        return classifier.predict(serving.images(images))

    def serving_bytes(image_bytes):
        return classifier.predict(serving.files(image_bytes))

    scalar = {t: tf.TensorSpec([], t) for t in (tf.float32, tf.int64)}
    labels = tf.TensorSpec([None], tf.int32)
    features = classifier.network.features()
    x = tf.TensorSpec([None, features], tf.float32) if features else IMAGES
    batch = {"x": x, "labels": labels, "learning_rate": scalar[tf.float32], "step": scalar[tf.int64], "seed": scalar[tf.int64]}
    if classifier.spec["class_weights"]:
        batch["class_weights"] = tf.TensorSpec([classifier.spec["classes"]], tf.float32)
    signatures = {"train_head": signature(classifier.train_head, **batch)} if classifier.spec["head_first"] else {}
    return signatures | {
        "init": signature(classifier.init, seed=scalar[tf.int64]),
        "train_step": signature(classifier.train_step, **batch),
        "evaluate": signature(classifier.evaluate, x=x, labels=labels),
        "predict": signature(classifier.predict, images=IMAGES),
        "serving_default": signature(serving_default, images=IMAGES),
        "serving_bytes": signature(serving_bytes, image_bytes=FILES),
        "set_serving": signature(serving.set, **serving.variables),
        "get_state": signature(classifier.get_state),
        "set_state": signature(classifier.set_state, **classifier.state),
    }


def describe(function):
    def one(spec):
        return {"dtype": spec.dtype.name, "shape": [-1 if n is None else n for n in spec.shape]}

    inputs, outputs = tf.nest.flatten(function.structured_input_signature), function.structured_outputs
    return {
        "inputs": {spec.name: one(spec) for spec in inputs},
        "outputs": {name: one(outputs[name]) for name in outputs},
    }


def export(request):
    spec, out = request["spec"], pathlib.Path(request["out"])
    network = Network(spec, features_only=request["kind"] == "prefix")
    load_weights(network, request)
    variables = {path_of(v): v.value for v in (v for layer in network.layers for v in layer.weights)}
    trainable, serving = [], None
    if request["kind"] == "prefix":
        if not network.frozen:
            raise ExportError("nothing is frozen, so there is no prefix", "set model.freeze_through")
        if spec.get("precision") == "int8":
            network.quantize()
        frozen = {path_of(v) for layer in network.frozen for v in layer.weights}
        variables = {name: v for name, v in variables.items() if name in frozen}
        version, signatures = PREFIX_VERSION, prefix_signatures(network)
    else:
        write_safetensors(out / "weights.safetensors", variables)
        classifier, serving = Classifier(network), Serving(network.size)
        variables |= {path_of(v): v.value for layer in classifier.head for v in layer.weights}
        variables |= dict(classifier.slots)
        trainable = [path_of(v) for v in classifier.trainable]
        version, signatures = SUFFIX_VERSION, suffix_signatures(classifier, serving)

    module = tf.Module()
    for name in sorted(variables):
        setattr(module, signature_name(name), variables[name])
    module.kernels = list(network.kernels.values())
    if network.quantization:
        module.ranges = network.quantization.ranges
    if serving:
        module.serving = serving.variables
    tf.saved_model.save(module, str(out), signatures=signatures)
    (out / "fingerprint.pb").unlink(missing_ok=True)  # holds a random id
    shutil.rmtree(out / "assets", ignore_errors=True)

    tensors = []
    for name in sorted(variables):
        value = variables[name].numpy()
        tensors.append({"name": name, "shape": list(value.shape), "dtype": value.dtype.name, "sha256": sha256(value)})
    card = {
        "kind": request["kind"],
        "version": version,
        "spec": spec,
        "architecture": ARCHITECTURES[spec["backbone"]],
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "features": network.features(),
        "signatures": {name: describe(function) for name, function in sorted(signatures.items())},
        "tensors": tensors,
        "trainable": trainable,
    }
    hashed = {key: card[key] for key in ("kind", "version", "spec", "keras", "tensorflow", "tensors")}
    card["digest"] = hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
    (out / "card.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    return card


def check_versions(wanted):
    """Other versions would make other models under the same key."""
    for name, found in (("keras", keras.__version__), ("tensorflow", tf.__version__)):
        if found != wanted[name]:
            raise ExportError(f"{sys.executable} has {name} {found}; models are exported with {wanted[name]} alone", "run `make deps`")


def answer(path, fetched):
    """The answer to a request. None: weights were downloaded, and the export must be repeated in a fresh child process."""
    try:
        with open(path, encoding="utf-8") as f:
            request = json.load(f)
        tempfile.tempdir = os.environ["TMPDIR"] = request["work"]
        check_versions(request["versions"])
        spec = request["spec"]
        missing = []
        if not fetched and spec["weights"] == "imagenet":
            missing = [part for part in parts(spec) if cached(spec["backbone"], part, request)[1] is None]
        for part in missing:
            fetch(spec["backbone"], part, request)
        return None if missing else {"digest": export(request)["digest"]}
    except ExportError as e:
        return {"error": e.error, "hint": e.hint}


def in_child(path, fetched=False):
    """Runs an export in a child process and returns its line of output."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reads)
            text = json.dumps(answer(path, fetched))
            with os.fdopen(writes, "w") as out:
                out.write(text)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)  # taking TensorFlow down would take as long as an export
    os.close(writes)
    poll = select.poll()
    poll.register(0, 0)
    poll.register(reads, select.POLLIN)
    with os.fdopen(reads) as result:
        while reads not in (fds := [fd for fd, _ in poll.poll()]):
            if 0 in fds:
                os.kill(child, signal.SIGKILL)
                os._exit(130)
        text = result.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        return {"status": status}
    return json.loads(text)


def main():
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever libraries print must not mix with the answers

    def send(line):
        print(json.dumps(line), file=answers, flush=True)

    parent.stop_watching()
    send({})
    for path in sys.stdin:
        path = path.rstrip("\n")
        send(in_child(path) or in_child(path, fetched=True))


if __name__ == "__main__":
    try:
        main()
    finally:
        sys.stderr.flush()
    os._exit(0)

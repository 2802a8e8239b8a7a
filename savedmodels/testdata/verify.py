"""What the exporter does with ImageNet weights that were changed. Usage: verify.py FOLDER_OF_EXPORT_PY DIGESTS DIR. Prints the error
for a changed tensor, and what is left of a cache file that was cut short."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
from common import ExportError, sha256
from weights import cached, store, verify

lines = [line.split() for line in open(sys.argv[2]) if not line.startswith("#")]
digests = {name: digest for digest, name, _ in lines}
arrays = {name: np.zeros([int(n) for n in shape.split("x")], np.float32) for _, name, shape in lines[:3]}
digests["block1_conv1/kernel"] = sha256(arrays["block1_conv1/kernel"])
try:
    verify(arrays, digests, "vgg19", "the source")
except ExportError as e:
    print(e.error.split(":")[1].strip())
file = pathlib.Path(sys.argv[3]) / "vgg16-imagenet-notop.npz"
store(file, arrays)
file.write_bytes(file.read_bytes()[:1000])
print(cached("vgg16", "notop", {"cache": sys.argv[3], "digests": {"vgg16": digests}})[1])

"""Has TensorBoard itself read event files, and writes what it read as JSON.

    python read.py FOLDER > read.json      (pip install tensorboard; FOLDER is testdata for the sample of the test)
"""
import base64
import json
import sys

from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.util.tensor_util import make_ndarray

accumulator = plugin_event_accumulator.EventAccumulator(sys.argv[1], size_guidance={"tensors": 0})
accumulator.Reload()
read = {"scalars": {}, "images": {}, "histograms": {}}
for tag in accumulator.Tags()["tensors"]:
    metadata = accumulator.SummaryMetadata(tag)
    for event in accumulator.Tensors(tag):
        proto, plugin = event.tensor_proto, metadata.plugin_data.plugin_name
        value = make_ndarray(proto)
        if plugin == "scalars":
            read["scalars"].setdefault(tag, []).append([event.wall_time, event.step, float(value)])
        elif plugin == "images":
            read["images"][tag] = {"sizes": " x ".join(v.decode() for v in value[:2]), "text": metadata.summary_description,
                                   "file": base64.b64encode(value[2]).decode()[:80]}
        elif plugin == "histograms":
            read["histograms"][tag] = {"step": event.step, "buckets": value.tolist()}
json.dump(read, sys.stdout, indent=1)
print()

"""Prints the FLOPS that matrix products reach here in float32 and in bfloat16: the best of some, by PyTorch's oneDNN."""

import json
import time

import torch

torch.set_num_threads(2)
peak = {}
for precision, size in (("float32", 2048), ("bfloat16", 4096)):
    a, b = (torch.randn(size, size).to(getattr(torch, precision)) for _ in range(2))
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - began)
    peak[precision] = 2 * size**3 / min(seconds)
print(json.dumps(peak))

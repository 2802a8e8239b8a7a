"""Prints the FLOPS that products of matrices reach here in float32 and in bfloat16: the best of some sizes, by PyTorch's oneDNN."""

import json
import time

import torch

torch.set_num_threads(2)
peak = {}
for precision in ("float32", "bfloat16"):
    peak[precision] = 0
    for size in (1024, 2048, 4096):
        a, b, c = (torch.randn(size, size).to(getattr(torch, precision)) for _ in range(3))
        for _ in range(10):
            began = time.perf_counter()
            torch.mm(a, b, out=c)
            peak[precision] = max(peak[precision], 2 * size**3 / (time.perf_counter() - began))
print(json.dumps(peak))

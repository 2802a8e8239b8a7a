"""Prints the FLOPS that products of matrices reach here in float32 and in bfloat16: the best of some sizes by PyTorch, as a
product, for which it has MKL in float32, and as a convolution with kernels of 1 × 1, for which it has oneDNN."""

import json
import time

import torch

torch.set_num_threads(2)
torch.set_grad_enabled(False)
peak = {}
for precision in ("float32", "bfloat16"):
    peak[precision] = 0
    for size in (1024, 2048, 4096):
        a, b = (torch.randn(size, size).to(getattr(torch, precision)) for _ in range(2))
        pixels = a.reshape(1, 32, -1, size).permute(0, 3, 1, 2)  # channels last: a row of a for each pixel
        for multiply in (lambda: torch.mm(a, b), lambda: torch.nn.functional.conv2d(pixels, b[:, :, None, None])):
            for _ in range(10):
                began = time.perf_counter()
                multiply()
                peak[precision] = max(peak[precision], 2 * size**3 / (time.perf_counter() - began))
print(json.dumps(peak))

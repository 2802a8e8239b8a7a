"""PyTorch: channels last, inference mode, bfloat16 weights or autocast, as it is and compiled."""

import numpy as np
import torch
import torchvision
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import quantize_fx
from torch.nn import functional as F

from peer import Task, serve

task = Task()
torch.set_num_threads(2)
mean = torch.tensor([123.68, 116.779, 103.939])[:, None, None]


class Network(nn.Module):
    """VGG16 up to block5_pool, averaged, from uint8 [n, h, w, 3]."""

    def __init__(self):
        super().__init__()
        self.layers = torchvision.models.vgg16(weights=None).features
        weights, block, conv = task.weights(), 1, 1
        for layer in self.layers:
            if isinstance(layer, nn.MaxPool2d):
                block, conv = block + 1, 1
            if isinstance(layer, nn.Conv2d):
                kernel = torch.from_numpy(weights[f"block{block}_conv{conv}/kernel"]).permute(3, 2, 0, 1)
                # Keras' first layer takes BGR: turning its weights costs less than turning every image.
                layer.weight.data.copy_(kernel.flip(1) if (block, conv) == (1, 1) else kernel)
                layer.bias.data.copy_(torch.from_numpy(weights[f"block{block}_conv{conv}/bias"]))
                conv += 1

    def forward(self, images):
        x = images.permute(0, 3, 1, 2).float() - mean  # channels last as it is
        if task.bfloat16 and not self.training:  # in training the weights stay float32, under autocast
            x = x.bfloat16()
        return self.layers(x).mean((2, 3))


def compiled(module):
    return torch.compile(module) if task.variant == "compile" else module


def batches(*arrays):
    for first in range(0, len(arrays[0]) - task.batch + 1, task.batch):
        yield [torch.from_numpy(array[first : first + task.batch]) for array in arrays]


def featurize():
    with torch.inference_mode():
        features = [run(images) for (images,) in batches(task.images)]
    return features[0][0, :8].float()


def train(*arrays):
    for x, labels in batches(*arrays, task.labels.astype(np.int64)):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=task.bfloat16):
            logits = run(x)
        loss = F.cross_entropy(logits.float(), labels)
        loss.backward()
        optimizer.step()
    return [loss.item()]


def quantize(layers):
    """In int8 by FX graph mode, static, calibrated on the first batch."""
    torch.backends.quantized.engine = "onednn"
    settings = quantization.get_default_qconfig_mapping("onednn")
    pixels = torch.from_numpy(task.images[: task.batch]).permute(0, 3, 1, 2).float() - mean
    with torch.inference_mode():
        layers = quantize_fx.prepare_fx(layers, settings, (pixels,))
        layers(pixels)
        return quantize_fx.convert_fx(layers)


if task.work == "featurize":
    network = Network().to(memory_format=torch.channels_last).eval()
    if task.precision == "int8":
        network.layers = quantize(network.layers)
    run = compiled(network.bfloat16() if task.bfloat16 else network)
    serve(featurize)
else:
    on_images = task.work == "train" or task.variant == "whole"
    network = nn.Sequential(Network().to(memory_format=torch.channels_last), nn.Linear(512, 10)) if on_images else nn.Linear(512, 10)
    if task.variant == "whole":  # the tutorial's way: what is frozen computes its features anew in every epoch
        network[0].requires_grad_(False)
    run = compiled(network)
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1e-5, momentum=0.9)
    serve(lambda: train(task.images if on_images else task.features))

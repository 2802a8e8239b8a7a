"""How the weights change: what fine-tune's optimizer, schedule, learning_rate_multiplier and class_weight mean in PyTorch."""

import math

import torch
from torch import nn


def make_optimizer(network, settings):
    """The optimizer, with a group for each layer: its learning rate is multiplied by the most specific factor."""
    s, factors = settings["optimizer"], settings["learning_rate_multiplier"] or {}
    groups = []
    for name, layer in network.learning().items():
        named = [name, name.split("_")[0], "head" if name in network.head else "backbone"]  # block5_conv3, block5, backbone
        factor = next((factors[n] for n in named if n in factors), 1)
        groups.append({"params": list(layer.parameters()), "lr": s["learning_rate"] * factor})
    if s["name"] == "sgd":
        return torch.optim.SGD(groups, momentum=s["momentum"], nesterov=s["nesterov"], weight_decay=s["weight_decay"])
    if s["name"] == "adamw":
        return torch.optim.AdamW(groups, weight_decay=s["weight_decay"])
    return torch.optim.RMSprop(groups, momentum=s["momentum"], weight_decay=s["weight_decay"])


def rate_factor(schedule, steps_per_epoch, epochs):
    """What the learning rate is multiplied with at a step, as a function for LambdaLR; step is the tutorial's StepLR."""
    warmup = schedule["warmup_epochs"] * steps_per_epoch

    def factor(step):
        epoch, value = step // steps_per_epoch, 1.0
        if schedule["name"] == "step":
            value = schedule["gamma"] ** (epoch // schedule["step_size"])
        elif schedule["name"] == "exponential":
            value = schedule["gamma"] ** epoch
        elif schedule["name"] == "cosine":
            value = (1 + math.cos(math.pi * max(0, step - warmup) / (epochs * steps_per_epoch - warmup))) / 2
        return value * (step + 1) / warmup if step + 1 < warmup else value

    return factor


def clip(parameters, settings):
    """Limit the gradients, by at most one of the three."""
    parameters = [p for p in parameters if p.grad is not None]
    for p in parameters if settings["clipnorm"] else []:  # each variable's alone
        nn.utils.clip_grad_norm_([p], settings["clipnorm"])
    if settings["global_clipnorm"]:
        nn.utils.clip_grad_norm_(parameters, settings["global_clipnorm"])
    if settings["clipvalue"]:
        nn.utils.clip_grad_value_(parameters, settings["clipvalue"])


def class_weights(setting, dataset):
    """The factor of each class on its images' losses, float32 [classes]; None: all count the same."""
    if setting == "none":
        return None
    if setting != "balanced":
        return torch.tensor([float(setting.get(name, 1)) for name in dataset["classes"]])
    counts = torch.tensor(dataset["counts"]["train"], dtype=torch.float64)
    return torch.where(counts > 0, counts.sum() / ((counts > 0).sum() * counts), 1.0).float()

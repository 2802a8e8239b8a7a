"""The tutorial's case 4 as its notebook has it: CIFAR-10 through the whole network in each of three epochs.

Every batch of 4 runs through all of VGG16, of which only the new FC layer learns; after each epoch the test images choose
the best weights. Takes a task of tutorial.py; prints the seconds and the accuracies.
"""

import json
import sys
import time

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision import transforms

task = json.loads(sys.argv[1])
began = time.perf_counter()
torch.manual_seed(1)

transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)])
data = {split: torchvision.datasets.ImageFolder(f"{task['tree']}/{split}", transform) for split in ("train", "test")}
loaders = {split: torch.utils.data.DataLoader(d, batch_size=4, shuffle=True, num_workers=2) for split, d in data.items()}

base = torchvision.models.vgg16(weights=None).features
weights, block, conv = np.load(task["weights"]), 1, 1
for layer in base:
    if isinstance(layer, nn.MaxPool2d):
        block, conv = block + 1, 1
    if isinstance(layer, nn.Conv2d):
        layer.weight.data.copy_(torch.from_numpy(weights[f"block{block}_conv{conv}/kernel"]).permute(3, 2, 0, 1))
        layer.bias.data.copy_(torch.from_numpy(weights[f"block{block}_conv{conv}/bias"]))
        conv += 1
base.requires_grad_(False)
model = nn.Sequential(base, nn.Flatten(), nn.Linear(512, 10))

criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model[2].parameters(), lr=0.001, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
accuracies = []
for epoch in range(3):
    for split, loader in loaders.items():
        model.train(split == "train")
        correct = 0
        for images, labels in loader:
            optimizer.zero_grad()
            with torch.set_grad_enabled(split == "train"):
                logits = model(images)
                loss = criterion(logits, labels)
                if split == "train":
                    loss.backward()
                    optimizer.step()
            correct += (logits.argmax(1) == labels).sum().item()
        if split == "train":
            scheduler.step()
    accuracies.append(correct / len(data["test"]))
    print(f"epoch {epoch + 1}: {accuracies[-1]:.4f}", file=sys.stderr, flush=True)
print(json.dumps({"seconds": time.perf_counter() - began, "accuracies": accuracies}))

"""torchvision: a DataLoader of two workers, with Pillow as the tutorial has it, or on tensors."""

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.v2.functional import center_crop, pil_to_tensor, resize

from peer import Task, serve

task = Task()


class Files(Dataset):
    def __len__(self):
        return len(task.files)

    def __getitem__(self, i):
        pillow = task.variant.startswith("pillow")
        image = Image.open(task.files[i]).convert("RGB") if pillow else decode_image(task.files[i], ImageReadMode.RGB)
        if task.precision == "antialias":
            image = center_crop(resize(image, [task.size]), [task.size])
        return pil_to_tensor(image) if pillow else image


data = DataLoader(Files(), batch_size=task.batch, num_workers=2, persistent_workers=True)


def once():
    return task.keep(data).astype("float32").mean((1, 2))


serve(once)

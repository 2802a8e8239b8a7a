"""Proves that both halves see the same pixels, in the same order, and make the same features of them."""

import shutil
import unittest

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Resize

from lab import ROOT, lab, sets, tlpipe
from randomness import epoch_order

POOLS = [f"block{i}_pool" for i in range(1, 6)]


class Features(unittest.TestCase):
    def compare(self, config, layers, *settings):
        """Runs featurize in both halves; the features of each layer agree."""
        arguments = [config, "--store", lab().store, *sets(*settings)]
        tlpipe("export", *arguments)
        tlpipe("run", *arguments, "--until", "featurize")  # last: latest/ shows one run
        made = lab().store / "latest" / "features" / "featurize"
        theirs = torch.from_numpy(np.concatenate([np.load(file) for file in sorted(made.glob("features-*.npy"))]))
        network, images = lab().network(config, *settings)
        rows = np.load(made / "rows.npy")
        with torch.no_grad():
            last, *vectors = network.eval().featurize(torch.stack([torch.from_numpy(images[row][0]) for row in rows]))
        vectors.append(last)
        self.assertEqual(len(vectors), len(layers))
        for name, ours, of_keras in zip(layers, vectors, theirs.split([v.shape[1] for v in vectors], 1)):
            with self.subTest(config=config.name, layer=name):
                self.assertGreater(of_keras.std(), 0)
                self.assertLess(((ours - of_keras).norm() / of_keras.norm()).item(), 1e-4)
                self.assertLess(((ours - of_keras).abs().max() / of_keras.abs().max()).item(), 1e-4)

    def test_every_pool_layer(self):
        tapped = f"model.truncate_at=[{','.join(POOLS)}]"
        for name in ("frozen", "whole"):  # random weights, and ImageNet's, which have biases
            self.compare(lab().config(name), POOLS, "name=features", tapped, "model.freeze_through=block5_pool", "featurize.precision=float32")

    def test_behind_flatten(self):
        """fc1 takes 7 × 7 positions, which are not all alike only where the image has more than 32 pixels."""
        few = "normalize.split.per_class={train: 4, test: 1}"
        behind = ["model.truncate_at=fc2", "model.freeze_through=fc2", "model.input=[64, 64]"]
        self.compare(lab().config("frozen"), ["fc2"], "name=features", few, *behind)

    def test_pixels_are_torchvisions(self):
        """decode makes squares as torchvision's Resize and CenterCrop do: of PNG to the last bit, of JPEG within the
        tolerances of stages/imagefile, where Go's decoder and libjpeg differ."""
        folder, samples = lab().folder / "photos", ROOT / "stages" / "imagefile" / "testdata"
        (folder / "train" / "photo").mkdir(parents=True)
        worst = {"noise.png": 0, "wide.png": 0, "tall.png": 0, "wide.jpg": 2, "tall.jpg": 2, "wide-subsampled.jpg": 16, "tall-subsampled.jpg": 16}
        for name in worst:
            shutil.copy(samples / name, folder / "train" / "photo")
        for size in (21, 55):
            config = lab().folder / f"photos-{size}.yaml"
            config.write_text(f"name: photos\nstages:\n  - fetch: {{sources: [{{path: photos}}]}}\n  - decode: {{format: image-folder, size: {size}}}\n")
            tlpipe("run", config, "--store", lab().store)
            decoded = lab().store / "latest" / "photos" / "decode"
            pixels = np.concatenate([np.load(file) for file in sorted(decoded.glob("images-*.npy"))])
            square = Compose([Resize(size), CenterCrop(size)])
            for name, ours in zip(sorted(worst), pixels, strict=True):
                theirs = np.asarray(square(Image.open(samples / name).convert("RGB")))
                with self.subTest(image=name, size=size):
                    self.assertLessEqual(np.abs(ours.astype(int) - theirs.astype(int)).max(), worst[name])

    def test_order_of_images(self):  # the same as in stages/shuffle/shuffle_test.go
        self.assertEqual(epoch_order(8, 1, 1).tolist(), [2, 0, 6, 1, 4, 3, 7, 5])
        self.assertEqual(epoch_order(8, 2, 1).tolist(), [2, 6, 1, 3, 0, 5, 4, 7])
        self.assertEqual(epoch_order(8, 1, 2).tolist(), [4, 1, 2, 0, 6, 3, 5, 7])


if __name__ == "__main__":
    unittest.main(verbosity=2)

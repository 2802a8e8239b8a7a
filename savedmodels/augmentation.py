"""Random changes of images while training, named after Keras' layers.

All that is random comes from Philox, by keys that are inputs: the seed and the step for a batch that trains, the seed,
the image's row and the copy for features that are stored. Nothing depends on what was computed before.
"""

import math

import tensorflow as tf

from philox import PHILOX, uniform

AUGMENT, MIX_UP = 0x41554721, 0x4D495821  # tell these numbers from those of dropout, which counts layers from 0

# The numbers drawn for each image, uniformly from [0, 1). All are drawn even if unused, so that changing one setting does not change
# the random numbers of another.
DRAWN = [
    "flip", "crop_x", "crop_y", "translate_x", "translate_y", "rotate", "brightness", "contrast", "saturation",
    "cutout_x", "cutout_y",
]  # fmt: skip


def drawn_for_step(n, seed, step):
    """float32 [n, len(DRAWN)] for the images of a batch."""
    key = tf.random.fold_in(tf.stack([seed, step]), AUGMENT, PHILOX)
    return uniform([n, len(DRAWN)], key)


def drawn_for_copy(row, copy, seed):
    """float32 [1, len(DRAWN)] for a copy of the image that stands in a row."""
    key = tf.random.fold_in(tf.random.fold_in(tf.stack([seed, row]), AUGMENT, PHILOX), copy, PHILOX)
    return uniform([1, len(DRAWN)], key)


class Augmentation:
    """Applies the settings of augment to float32 images [n, height, width, 3] with values 0 to 255."""

    def __init__(self, settings, size):
        self.settings, (self.height, self.width) = settings, size

    def __call__(self, x, drawn):
        """The changed images; drawn is the result of one of the functions above."""
        draw = dict(zip(DRAWN, tf.unstack(drawn, axis=1)))
        return self.cut_out(self.color(self.move(x, draw), draw), draw)

    def copies(self, x, rows, copy, seed):
        """A copy of each image, one by one: how a sum or a sine is rounded depends on where it stands among others."""

        def one(image_and_row):
            image, row = image_and_row
            return self(image[None], drawn_for_copy(row, copy, seed))[0]

        return tf.map_fn(one, (x, rows), fn_output_signature=tf.TensorSpec([self.height, self.width, 3]))

    def move(self, x, draw):
        """RandomFlip, RandomRotation, RandomTranslation and a random crop of the padded image, in one interpolation
        (bilinear), which is exact where pixels move by whole numbers."""
        settings, width, height = self.settings, float(self.width), float(self.height)
        flip = settings["flip"] == "horizontal"
        if not (flip or settings["crop_padding"] or settings["translate"] or settings["rotate"]):
            return x
        zero = tf.zeros_like(draw["flip"])
        right, down, cos, sin = zero, zero, zero + 1.0, zero
        if settings["translate"]:
            right += around(draw["translate_x"], settings["translate"]) * width
            down += around(draw["translate_y"], settings["translate"]) * height
        if padding := settings["crop_padding"]:
            right += tf.floor(draw["crop_x"] * (2 * padding + 1)) - padding
            down += tf.floor(draw["crop_y"] * (2 * padding + 1)) - padding
        if settings["rotate"]:
            angle = around(draw["rotate"], math.radians(settings["rotate"]))
            cos, sin = tf.cos(angle), tf.sin(angle)
        # Source position of the output's pixel (x, y): shifted back, then rotated about the centre.
        center_x, center_y = (width - 1) / 2, (height - 1) / 2
        from_x = center_x - cos * (center_x + right) + sin * (center_y + down)
        from_y = center_y - sin * (center_x + right) - cos * (center_y + down)
        x_of_x, x_of_y = cos, -sin
        if flip:
            mirrored = draw["flip"] < 0.5
            x_of_x, x_of_y = tf.where(mirrored, -cos, cos), tf.where(mirrored, sin, -sin)
            from_x = tf.where(mirrored, width - 1 - from_x, from_x)
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=x,
            transforms=tf.stack([x_of_x, x_of_y, from_x, sin, cos, from_y, zero, zero], 1),
            output_shape=[self.height, self.width],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode=settings["fill_mode"].upper(),
        )

    def color(self, x, draw):
        """RandomBrightness, RandomContrast (about each channel's mean) and saturation (about the gray image)."""

        def drawn(name):
            return tf.reshape(around(draw[name], self.settings[name]), [-1, 1, 1, 1])

        if self.settings["brightness"]:
            x = tf.clip_by_value(x + drawn("brightness") * 255.0, 0.0, 255.0)
        if self.settings["contrast"]:
            mean = tf.reduce_mean(x, [1, 2], keepdims=True)
            x = tf.clip_by_value(mean + (x - mean) * (1.0 + drawn("contrast")), 0.0, 255.0)
        if self.settings["saturation"]:
            gray = tf.reduce_sum(x * tf.constant([0.299, 0.587, 0.114]), 3, keepdims=True)
            x = tf.clip_by_value(gray + (x - gray) * (1.0 + drawn("saturation")), 0.0, 255.0)
        return x

    def cut_out(self, x, draw):
        """A black square, whose centre may be any pixel: at an edge a part of it is seen."""
        side = self.settings["cutout"]
        if not side:
            return x

        def within(center, length):
            first = tf.floor(center * length)[:, None] - side // 2
            at = tf.range(length, dtype=tf.float32)[None, :]
            return tf.logical_and(at >= first, at < first + side)

        inside = tf.logical_and(
            within(draw["cutout_y"], self.height)[:, :, None], within(draw["cutout_x"], self.width)[:, None, :]
        )
        return tf.where(inside[..., None], 0.0, x)


def around(drawn, strength):
    """From [0, 1) to [-strength, strength)."""
    return (2.0 * drawn - 1.0) * strength


def mix_weights(n, alpha, seed, step):
    """float32 [n]: how much of each image stays, drawn from Beta(alpha, alpha)."""
    key = tf.random.fold_in(tf.stack([seed, step]), MIX_UP, PHILOX)
    # In float64: a small alpha draws numbers that float32 can't hold. The generator is Philox on CPU and GPU.
    gammas = tf.random.stateless_gamma([n, 2], key, tf.constant(alpha, tf.float64), dtype=tf.float64)
    return tf.cast(gammas[:, 0] / tf.reduce_sum(gammas, 1), tf.float32)


def partners(values):
    """The mixing partner of each value: the preceding one in the batch, whose order is random already."""
    return tf.roll(values, 1, 0)


def mix_up(values, weights):
    """MixUp of float32 images or targets."""
    weights = tf.reshape(weights, [-1] + [1] * (len(values.shape) - 1))
    return weights * values + (1.0 - weights) * partners(values)

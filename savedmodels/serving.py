"""Images of any size, and image files, as decode and normalize made those that a model was trained on: for the signatures that
servers call. All is in integers, as in stages/imagefile, so that pixels are the same."""

import tensorflow as tf

from exif import orientation

# How decode scaled images: not at all, like torchvision, or like Keras (stages/imagefile/resize.go).
KEEP, ANTIALIAS, BILINEAR = range(3)

PRECISION = 32 - 8 - 2  # binary digits of a weight, as in Pillow's Resample.c for 8 bits a channel
FILES_AT_A_TIME = 4  # each may be a large photograph


class Serving:
    """The preparation of the training images, held in variables, since the export does not know the data."""

    def __init__(self, size):
        square = size[0] == size[1]
        values = {
            "decoded": [*size, 3],  # height, width and channels of a decoded image
            "resize": ANTIALIAS if square else KEEP,
            "crop": 0,  # side of the centre square that was used of it; 0: all of it
            "background": [-1, -1, -1],  # what shines through where alpha is less than 255; -1: alpha is dropped
        }
        # int64: an int32 has no variable on a GPU.
        self.variables = {name: tf.Variable(value, dtype=tf.int64) for name, value in values.items()}

    def set(self, **values):
        for name, variable in self.variables.items():
            variable.assign(values[name])
        return {"variables": tf.constant(len(self.variables), tf.int32)}

    def get(self, name):
        return self.variables[name].value()

    def images(self, images):
        """uint8 [n, height, width, channels] to what predict takes."""
        channels = tf.shape(images)[3]
        known = tf.reduce_any(tf.equal(channels, [1, 3, 4]))
        problem = ["expected images of 1 channel (gray), 3 (RGB) or 4 (RGB and alpha), received", channels]
        return self.prepared(checked(images, known, problem))

    def files(self, files):
        """string [n], each a JPEG, PNG, GIF or BMP file, to what predict takes."""
        one = tf.TensorSpec([None, None, 3], tf.uint8)
        return tf.map_fn(self.file, files, fn_output_signature=one, parallel_iterations=FILES_AT_A_TIME)

    def file(self, file):
        def begins(*magics):
            return tf.reduce_any([tf.equal(tf.strings.substr(file, 0, len(magic)), magic) for magic in magics])

        def jpeg():
            fast, accurate = (lambda method=m: tf.io.decode_jpeg(file, channels=3, dct_method=method) for m in ("INTEGER_FAST", "INTEGER_ACCURATE"))
            return tf.cond(tf.equal(self.get("resize"), BILINEAR), fast, accurate)  # as decode takes them

        def others():  # none but these: of an animated WebP, TensorFlow 2.21 writes behind its memory
            known = begins(b"\x89PNG", b"GIF8", b"BM")
            return tf.io.decode_image(checked(file, known, ["expected a JPEG, PNG, GIF or BMP file"]), expand_animations=False)

        image = tf.cond(begins(b"\xff\xd8"), jpeg, others)
        return self.prepared(turned(image, orientation(file))[None])[0]

    def prepared(self, images):
        """uint8 [n, height, width, 1 to 4 channels], of which the second or fourth is alpha."""
        return self.cropped(self.gray(self.scaled(self.rgb(images))))

    def rgb(self, images):
        channels = tf.shape(images)[3]
        colors = channels - (1 - channels % 2)
        alpha = tf.cast(images[..., colors:], tf.int32)  # 0 or 1 channels
        images = tf.gather(images, tf.minimum([0, 1, 2], colors - 1), axis=3)
        background = tf.cast(self.get("background"), tf.int32)

        def blended():
            color = tf.cast(images, tf.int32)
            return tf.cast((color * alpha + background * (255 - alpha) + 127) // 255, tf.uint8)

        blends = tf.logical_and(tf.greater(channels, colors), tf.greater_equal(background[0], 0))
        return tf.ensure_shape(tf.cond(blends, blended, lambda: images), [None, None, None, 3])

    def scaled(self, images):
        """As Decode of stages/imagefile: what has the size already stays as it is."""
        height, width = size_of(images)
        decoded, resize = self.get("decoded"), self.get("resize")
        same = tf.logical_and(tf.equal(height, decoded[0]), tf.equal(width, decoded[1]))
        problem = ["the images are", height, "pixels high and", width, "wide, all training images were", decoded[0], "and"]
        problem += [decoded[1], "and decode.size scaled none"]
        images = checked(images, tf.logical_or(same, tf.not_equal(resize, KEEP)), problem)

        def resampled():
            short, size = tf.minimum(height, width), decoded[0]
            taps = []
            for length in height, width:
                along = tf.cond(
                    tf.equal(resize, BILINEAR),
                    lambda: interpolated(short, size, (length - short) // 2),
                    lambda: filtered(length, size * length // short, size),
                )
                taps.append(along)
            return resample(images, *taps)

        return tf.cond(same, lambda: images, resampled)

    def gray(self, images):
        """Gray, in Pillow's integers, where all training images were: in three equal channels."""

        def luma():
            parts = tf.cast(images, tf.int32) * tf.constant([19595, 38470, 7471])
            gray = tf.bitwise.right_shift(tf.reduce_sum(parts, 3, keepdims=True) + (1 << 15), 16)
            return tf.repeat(tf.cast(gray, tf.uint8), 3, axis=3)

        return tf.cond(tf.equal(self.get("decoded")[2], 1), luma, lambda: images)

    def cropped(self, images):
        height, width = size_of(images)
        crop = self.get("crop")
        tall, wide = tf.where(crop > 0, crop, height), tf.where(crop > 0, crop, width)
        top, left = (height - tall) // 2, (width - wide) // 2
        return images[:, top : top + tall, left : left + wide]


def checked(value, good, problem):
    with tf.control_dependencies([tf.debugging.Assert(good, problem)]):
        return tf.identity(value)


def size_of(images):
    shape = tf.shape(images, tf.int64)
    return shape[1], shape[2]


def turned(image, orientation):
    """An image as it is shown, by EXIF's number of how it is stored."""

    def among(*numbers):
        return tf.reduce_any(tf.equal(orientation, tf.constant(numbers, tf.int64)))

    image = tf.raw_ops.Reverse(tensor=image, dims=[among(3, 4, 6, 7), among(2, 3, 7, 8), False])
    return tf.transpose(image, tf.where(among(5, 6, 7, 8), [1, 0, 2], [0, 1, 2]))


# How rows or columns of the result are made of those of the source: int64 [n], the first of a run of them, and int32 [n, length
# of a run], their weights.


def filtered(length, scaled, size):
    """Scales length pixels by Pillow's BILINEAR and takes those in the middle."""
    scale = tf.cast(length, tf.float64) / tf.cast(scaled, tf.float64)
    support = tf.maximum(scale, 1.0)
    begin = tf.round(tf.cast(scaled - size, tf.float64) / 2.0)  # half to even
    center = (begin + tf.range(tf.cast(size, tf.float64), dtype=tf.float64) + 0.5) * scale
    first = tf.cast(tf.maximum(center - support + 0.5, 0.0), tf.int64)
    end = tf.minimum(tf.cast(center + support + 0.5, tf.int64), length)
    at = first[:, None] + tf.range(tf.reduce_max(end - first))
    distance = tf.abs((tf.cast(at, tf.float64) - center[:, None] + 0.5) * (1.0 / support))
    weights = tf.where(at < end[:, None], tf.maximum(1.0 - distance, 0.0), 0.0)
    weights /= tf.reduce_sum(weights, 1, keepdims=True)
    return first, tf.cast(0.5 + weights * 2.0**PRECISION, tf.int32)


def interpolated(length, size, offset):
    """Scales length pixels, which begin at offset, as tf.image.resize does without antialias."""
    scale = tf.cast(length, tf.float64) / tf.cast(size, tf.float64)
    at = (tf.range(tf.cast(size, tf.float64), dtype=tf.float64) + 0.5) * scale - 0.5
    at = tf.clip_by_value(at, 0.0, tf.cast(length - 1, tf.float64))
    low = tf.minimum(tf.cast(at, tf.int64), tf.maximum(length - 2, 0))
    second = tf.cast((at - tf.cast(low, tf.float64)) * 2.0**PRECISION + 0.5, tf.int32)
    return offset + low, tf.stack([2**PRECISION - second, second], 1)


def resample(images, rows, columns):
    """Scales horizontally first and rounds to 8 bits, as Pillow does, for the needed rows only."""
    (first, weights), last = rows, tf.shape(images, tf.int64)[1]
    top, end = first[0], tf.minimum(first[-1] + tf.shape(weights, tf.int64)[1], last)
    images = turned_over(weighed(turned_over(images[:, top:end]), columns))
    return weighed(images, (first - top, weights))


def turned_over(images):
    return tf.transpose(images, [0, 2, 1, 3])


def weighed(images, taps):
    """Of rows, which lie in one piece."""
    first, weights = taps
    last = tf.shape(images, tf.int64)[1] - 1

    def add(i, total):
        part = tf.gather(images, tf.minimum(first + tf.cast(i, tf.int64), last), axis=1)
        return i + 1, total + tf.cast(part, tf.int32) * weights[:, i, None, None]

    n, _, width, _ = tf.unstack(tf.shape(images))
    start = tf.fill([n, tf.size(first), width, 3], 1 << (PRECISION - 1))
    start = tf.ensure_shape(start, [None, None, None, 3])
    _, total = tf.while_loop(lambda i, _: i < tf.shape(weights)[1], add, [0, start], parallel_iterations=1)
    return tf.cast(tf.bitwise.right_shift(total, PRECISION), tf.uint8)

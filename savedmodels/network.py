"""The backbone, divided at the cut."""

import math

import keras
import tensorflow as tf

from architectures import ARCHITECTURES, application, fc_layers, has_top
from augmentation import Augmentation
from common import ExportError
from convolution import WINOGRAD_FILTERS, as_matrix, in_parts, side_by_side, trained_side_by_side, winograd, winograd_kernel
from philox import dropout
from quantization import Quantization

# The first blocks have large maps and small kernels, so they process few images at a time, such that a map has at most this many
# bytes and stays in the CPU's cache. Block 3 is faster with more images on matrix units (AMX, bfloat16). architectures.json says
# which blocks these are (blocks_in_parts).
PART_BYTES = 8 << 20


class AdaptivePooling(keras.layers.Layer):
    """Average pooling of maps of any size to positions × positions, with the bins of torch.nn.AdaptiveAvgPool2d.

    Keras' AdaptiveAveragePooling2D has the same bins, but does not accept a map with a single row or column, which an input of 32 pixels becomes.
    """

    def __init__(self, positions, **options):
        super().__init__(**options)
        self.positions = positions

    def get_config(self):
        return super().get_config() | {"positions": self.positions}

    def call(self, x):
        _, height, width, _ = x.shape
        x = tf.stack([tf.reduce_mean(x[:, first:end], 1) for first, end in bins(height, self.positions)], 1)
        return tf.stack([tf.reduce_mean(x[:, :, first:end], 2) for first, end in bins(width, self.positions)], 2)

    def compute_output_shape(self, shape):
        return (shape[0], self.positions, self.positions, shape[3])


class Network:
    """The backbone up to its last tap, from uint8 images to one flat vector an image, divided at the cut.

    With features_only it is laid out for them as spec["precision"] says: no gradient passes, and nobody serves it.
    """

    def __init__(self, spec, features_only=False):
        layout = spec.get("precision")
        self.parts = features_only and layout is not None
        # A frozen side that computes in bfloat16 has its variables in it: there is half as much to read, and nothing to
        # convert. What trains keeps float32 variables, which TensorFlow's rewriter converts.
        self.dtype = tf.bfloat16 if features_only and layout == "bfloat16" else tf.float32
        self.spec = spec
        self.size = spec["input"]
        self.architecture, self.fc = ARCHITECTURES[spec["backbone"]], fc_layers(spec["backbone"])
        self.base = application(spec["backbone"])(include_top=False, weights=None, input_shape=(*self.size, 3))
        self.last_block = self.base.layers[-1].name
        self.positions = AdaptivePooling(self.architecture["positions"], dtype="float32")
        self.flatten = keras.layers.Flatten(dtype="float32")
        if has_top(spec):
            x = self.flatten(self.positions(self.base.output))
            for name, units in self.fc.items():
                x = keras.layers.Dense(units, "relu", kernel_initializer="zeros", name=name)(x)
            self.base = keras.Model(self.base.input, x)
        if self.dtype != tf.float32:
            self.base = keras.models.clone_model(self.base, clone_function=lambda layer: recast(layer, self.dtype.name))
        # Pooling and flattening before fc1 are part of fc1.
        apart = (keras.layers.InputLayer, AdaptivePooling, keras.layers.Flatten)
        chain = [layer for layer in self.base.layers if not isinstance(layer, apart)]
        names = [layer.name for layer in chain]
        for name in spec["taps"] + [spec["freeze"]]:
            if name not in names and name != "none":
                raise ExportError(f"{spec['backbone']} has no layer {name}", "its layers are " + ", ".join(names))
        self.layers = chain[: names.index(spec["taps"][-1]) + 1]
        cut = 0 if spec["freeze"] == "none" else names.index(spec["freeze"]) + 1
        self.frozen, self.trained = self.layers[:cut], self.layers[cut:]
        self.pool = {
            "avg": keras.layers.GlobalAveragePooling2D(dtype="float32"),
            "max": keras.layers.GlobalMaxPooling2D(dtype="float32"),
            "none": keras.layers.Flatten(dtype="float32"),
        }[spec["pooling"]]
        # Taps whose pooled outputs are stored beside the activations at the cut.
        self.beside = [layer.name for layer in self.frozen[:-1] if layer.name in spec["taps"]] if self.trained else []
        self.augmentation = Augmentation(spec["augment"], self.size) if spec.get("augment") else None
        self.quantization = None
        # What prepare makes of the kernels, by layer. It is not saved: it has four times their size.
        self.kernels = {}
        if features_only and layout in ("float32", "bfloat16") and not spec.get("matrix_units"):
            empty = tf.zeros([0], self.dtype)
            self.kernels = {layer: tf.Variable(empty, shape=tf.TensorShape(None)) for layer in self.frozen if has_winograd(layer)}

    def prepare(self):
        """Once, before featurize."""
        for layer, kernel in self.kernels.items():
            kernel.assign(tf.cast(winograd_kernel(layer.kernel.value), self.dtype))
        return {"variables": tf.constant(len(self.kernels), tf.int32)}

    def quantize(self):
        """Make the frozen side compute in int8 from now on, with the present weights."""
        self.quantization = Quantization(self)

    def resize(self, images):
        """uint8 [n, height, width, 1 or 3] to float32 [n, *size, 3]. Idempotent."""
        x = tf.image.resize(images, self.size)  # bilinear; exactly the identity at equal size
        x = tf.broadcast_to(x, tf.concat([tf.shape(x)[:3], [3]], 0))
        return tf.ensure_shape(x, [None, *self.size, 3])

    def preprocess(self, images):
        """uint8 [n, height, width, 1 or 3] to the input of the first layer, float32 [n, *size, 3], as Keras' preprocess_input does."""
        recipe = self.spec["preprocess"]
        mode = recipe["mode"]
        if mode == "caffe":  # BGR; reversed before there are more pixels of more bytes
            return self.resize(tf.reverse(images, [-1])) - tf.constant([103.939, 116.779, 123.68])
        x = self.resize(images)
        if mode == "tf":
            return x / exactly(127.5) - 1.0
        mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
        if mode == "mean-std":
            mean, std = recipe["mean"], recipe["std"]
        return (x / exactly(255.0) - tf.constant(mean, tf.float32)) / exactly(std)

    def run(self, x, layers, taps, random=None):
        """random: None, or (seed, step) while training."""
        for layer in layers:
            if layer.name == next(iter(self.fc)):
                x = self.flatten(self.positions(self.real(self.base.get_layer(self.last_block), x)))
            x = self.drop(self.apply(layer, x), layer.name, random)
            if layer.name in self.spec["taps"]:
                taps[layer.name] = self.tap(layer, x)
        return x

    def apply(self, layer, x):
        """The output of one layer."""
        if self.quantization:
            return self.quantization.apply(layer, x)
        layout = self.spec.get("precision")
        if layout not in ("float32", "bfloat16") or not isinstance(layer, keras.layers.Conv2D):
            return layer(x)
        if layer in self.kernels:
            _, _, channels, filters = layer.kernel.shape
            return winograd(layer, tf.ensure_shape(self.kernels[layer], [None, channels, filters]), x)
        pixels = x.shape[1] * x.shape[2]
        if self.spec.get("matrix_units"):
            return side_by_side(layer, x) if pixels <= 16 else layer(x)
        if layer in self.frozen:
            return as_matrix(layer, x) if pixels <= 4 else layer(x)
        if layout == "bfloat16":
            return trained_side_by_side(layer, x) if pixels <= 64 else layer(x)
        return side_by_side(layer, x) if pixels <= 4 else layer(x)

    def real(self, layer, x):
        """The output of a layer, dequantized if it is quantized."""
        return self.quantization.real(layer, x) if self.quantization else x

    def tap(self, layer, x):
        x = self.real(layer, x)
        return self.pool(x) if len(x.shape) == 4 else tf.cast(x, tf.float32)

    def featurize(self, images):
        """The frozen side: images (resized or not) to float32 [n, features]."""
        taps = {}
        if self.parts:
            x, rest = self.first_blocks(images, taps)
        else:
            x, rest = self.preprocess(images), self.frozen
        x = self.run(x, rest, taps)
        if not self.trained:
            return tf.concat([taps[name] for name in self.spec["taps"]], 1)
        x = self.real(self.frozen[-1], x)
        return tf.concat([tf.cast(flat(x), tf.float32)] + [taps[name] for name in self.beside], 1)

    def first_blocks(self, images, taps):
        """The output of the first blocks of the frozen side, in parts, and the layers that are left."""
        dtype, enter = (tf.uint8, self.quantization.pixels) if self.quantization else (self.dtype, self.preprocess)
        blocks = tuple(f"block{i + 1}_" for i in range(self.architecture["blocks_in_parts"][self.spec["precision"]]))
        layers = [layer for layer in self.frozen if layer.name.startswith(blocks)]
        tapped = [layer.name for layer in layers if layer.name in self.spec["taps"]]

        def run(images):
            taps = {}
            return [self.run(enter(images), layers, taps)] + [taps[name] for name in tapped]

        outputs = [tf.TensorSpec([None, *layers[-1].output.shape[1:]], dtype)]
        outputs += [tf.TensorSpec([None, self.pooled(name)], tf.float32) for name in tapped]
        a_map = math.prod(layers[0].output.shape[1:]) * dtype.size
        x, *values = in_parts(run, images, max(1, PART_BYTES // a_map), outputs)
        taps.update(zip(tapped, values))
        return x, self.frozen[len(layers) :]

    def finish(self, x, random=None):
        """The trained side: the output of featurize (or images, resized or not, if nothing is frozen) to the input of the head,
        float32 [n, length]. random: None, or (seed, step) in training."""
        if not self.trained:
            if not random or not has_top(self.spec):
                return x
            sizes = [self.pooled(name) for name in self.spec["taps"]]
            *rest, x = tf.split(x, sizes, axis=1)
            return tf.concat([*rest, self.drop(x, self.spec["taps"][-1], random)], 1)
        taps = {}
        if not self.frozen:
            x = self.preprocess(x)
        else:
            last = self.frozen[-1]
            shape = last.output.shape[1:]
            sizes = [math.prod(shape)] + [self.pooled(name) for name in self.beside]
            x, *rest = tf.split(x, sizes, axis=1)
            taps.update(zip(self.beside, rest))
            x = self.drop(tf.reshape(x, [-1, *shape]), last.name, random)
            if last.name in self.spec["taps"]:
                taps[last.name] = self.tap(last, x)
        self.run(x, self.trained, taps, random)
        return tf.concat([taps[name] for name in self.spec["taps"]], 1)

    def drop(self, x, layer, random):
        """Dropout behind an FC layer of the backbone; other layers have none."""
        if not random or layer not in self.fc:
            return x
        return dropout(x, self.architecture["fc_dropout"], *random, -1 - list(self.fc).index(layer))

    def pooled(self, name):
        """The length of a tap's vector."""
        shape = self.base.get_layer(name).output.shape
        return math.prod((self.pool.compute_output_shape(shape) if len(shape) == 4 else shape)[1:])

    def vector(self):
        """The length of the vector the head takes."""
        return sum(self.pooled(name) for name in self.spec["taps"])

    def features(self):
        """The length of x; 0 where x is the images."""
        if not self.trained:
            return self.vector()
        if not self.frozen:
            return 0
        return math.prod(self.frozen[-1].output.shape[1:]) + sum(self.pooled(name) for name in self.beside)


def has_winograd(layer):
    if not isinstance(layer, keras.layers.Conv2D):
        return False
    _, height, width, filters = layer.output.shape
    return filters >= WINOGRAD_FILTERS and height * width > 4


def recast(layer, dtype):
    return type(layer).from_config(layer.get_config() | {"dtype": dtype})


def bins(size, positions):
    """Begin and end of each position's bin along an axis; bins overlap if positions does not divide size."""
    return [(i * size // positions, math.ceil((i + 1) * size / positions)) for i in range(positions)]


def flat(x):
    return tf.reshape(x, [-1, math.prod(x.shape[1:])])


def exactly(divisor):
    """A constant divisor that TensorFlow's graph optimizer does not recognize as one: it would replace the division by a
    multiplication with the reciprocal, which can differ in the last bit."""
    value = tf.constant(divisor, tf.float32)
    return tf.raw_ops.PlaceholderWithDefault(input=value, shape=value.shape)

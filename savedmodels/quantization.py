"""The frozen side in 8-bit integers, for CPUs that multiply bytes.

Activations are uint8, 0 to 255 standing for 0 to the largest that calibrate saw of their layer; kernels are int8, -127 to 127
standing for each filter's largest weight; sums are int32 and exact. This is what TensorFlow, ONNX Runtime and OpenVINO call
static quantization: Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference (2018), section 2.
"""

import keras
import numpy as np
import tensorflow as tf

from convolution import part_of

TOP, WEIGHT_TOP = 255, 127
LEAST = 1e-6  # a range, where all of a layer is zero


class Quantization:
    """Of a network whose weights are loaded: TensorFlow takes kernels of int8 only as constants of the graph."""

    def __init__(self, network):
        self.network = network
        self.convolutions = [layer for layer in network.frozen if isinstance(layer, keras.layers.Conv2D)]
        # The range of each convolution's output. Until ranges are set they are NaN, so that features are NaN instead of wrong.
        self.ranges = tf.Variable(tf.fill([len(self.convolutions)], np.float32("nan")))
        # What preprocess makes of a pixel is pixel @ matrix + offset; gray is the pixel that becomes zero, as padding is.
        corners = 255 * np.concatenate([np.zeros([1, 3]), np.eye(3)])
        offset, *rows = network.preprocess(np.uint8(corners[:, None, None]))[:, 0, 0].numpy()
        self.offset, self.matrix = offset, (np.array(rows) - offset) / 255
        self.gray = np.uint8(np.clip(np.rint(np.linalg.solve(self.matrix.T, -offset)), 0, 255))

        self.weights = {layer: layer.kernel.numpy() for layer in self.convolutions}
        first = self.convolutions[0]
        self.first_bias = first.bias.numpy() + np.einsum("c,hwcf->f", self.offset, self.weights[first])
        self.weights[first] = np.einsum("ic,hwcf->hwif", self.matrix, self.weights[first])

    def calibrate(self, images):
        """The largest output of each convolution over these images, float32 [convolutions]."""
        x, ranges = self.network.preprocess(images), []
        for layer in self.network.frozen[: 1 + self.network.frozen.index(self.convolutions[-1])]:
            x = layer(x)
            if layer in self.weights:
                ranges.append(tf.maximum(tf.reduce_max(x), LEAST))
        return tf.stack(ranges)

    def pixels(self, images):
        """Images, or what resize makes of them, to uint8 [n, *size, 3]."""
        return tf.saturate_cast(tf.round(self.network.resize(images)), tf.uint8)

    def apply(self, layer, x):
        """What a layer gives: uint8 of uint8, but of the FC layers."""
        if isinstance(layer, keras.layers.Conv2D):
            return self.convolve(self.convolutions.index(layer), x)
        if isinstance(layer, keras.layers.MaxPooling2D):
            x, _, _ = tf.raw_ops.QuantizedMaxPool(
                input=tf.bitcast(x, tf.quint8), min_input=0.0, max_input=1.0, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID"
            )
            return tf.bitcast(x, tf.uint8)
        return layer(x)

    def convolve(self, i, x):
        layer = self.convolutions[i]
        _, height, width, channels = x.shape
        weights, bias, padding, top = self.weights[layer], layer.bias.value, "SAME", self.ranges[i - 1]
        if i == 0:
            bias = tf.constant(self.first_bias, tf.float32)
            x = tf.pad(x - self.gray, [[0, 0], [1, 1], [1, 1], [0, 0]]) + self.gray  # uint8 wraps around, and back
            padding, top = "VALID", float(TOP)
        elif height * width <= 4:  # as as_matrix does it: images are the pixels of one row
            parts = [part_of(weights, i, j, height, width) for i in range(height) for j in range(width)]
            weights = np.concatenate(parts, -1).reshape(1, 1, height * width * channels, -1)
            x, bias = tf.reshape(x, [1, 1, -1, height * width * channels]), tf.tile(bias, [height * width])
        largest = np.maximum(np.abs(weights).max((0, 1, 2)), LEAST).astype(np.float32)
        kernel = np.rint(weights / largest * WEIGHT_TOP).astype(np.int8)
        y = tf.raw_ops.QuantizedConv2DWithBiasAndReluAndRequantize(
            input=tf.bitcast(x, tf.quint8),
            filter=tf.bitcast(tf.constant(kernel), tf.qint8),
            bias=bias,
            min_input=0.0,
            max_input=top,
            min_filter=-largest,
            max_filter=largest,
            min_freezed_output=0.0,
            max_freezed_output=self.ranges[i],
            out_type=tf.quint8,
            strides=[1, 1, 1, 1],
            padding=padding,
        )
        return tf.reshape(tf.bitcast(y.output, tf.uint8), [-1, height, width, layer.filters])

    def real(self, layer, x):
        """What a layer gave, as float32."""
        if x.dtype != tf.uint8:
            return x
        through = self.network.frozen[: 1 + self.network.frozen.index(layer)]
        last = sum(one in self.weights for one in through) - 1  # a pooling layer has the range of what it pools
        return tf.cast(x, tf.float32) * (self.ranges[last] / TOP)

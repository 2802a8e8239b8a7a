"""How convolutions are computed on a CPU where Keras' own layer leaves most of its vector or matrix units idle, or multiplies
more than it has to. All are of Keras' layers with 3 × 3 kernels, stride 1, padding and ReLU."""

import math

import numpy as np
import tensorflow as tf

# F(4 × 4, 3 × 3) of Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016), section 4.3: what tiles of
# 6 × 6 pixels, kernels and products are multiplied with, from both sides.
STEP, TILE = 4, 6
INPUT = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
KERNEL = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
OUTPUT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]

# With fewer filters, moving tiles takes longer than what is saved on products.
WINOGRAD_FILTERS = 256


def side_by_side(layer, x):
    """The same as Keras' layer to the last bit, computed on one wide image in which the maps are side by side with a column of
    zeros between them, since the CPU kernel processes up to 16 pixels of a row at a time."""
    _, height, width, _ = x.shape
    x = tf.nn.conv2d(one_image(x), layer.kernel.value, 1, "SAME")
    x = tf.reshape(tf.nn.relu(x + layer.bias.value), [height, -1, width + 1, layer.filters])
    # The gradient of a slice by tf.slice is padding; that of x[:, :, :width] computes on one thread.
    return tf.transpose(tf.slice(x, [0, 0, 0, 0], [height, -1, width, layer.filters]), [1, 0, 2, 3])


def one_image(x):
    """Maps [n, height, width, channels] side by side: [1, height, n × (width + 1), channels]."""
    _, height, width, channels = x.shape
    x = tf.transpose(tf.pad(x, [[0, 0], [0, 0], [0, 1], [0, 0]]), [1, 0, 2, 3])
    return tf.reshape(x, [1, height, -1, channels])


def trained_side_by_side(layer, x):
    """The same as Keras' layer, except for rounding in the gradient of the kernel, which is computed on maps side by side."""

    @tf.custom_gradient
    def convolve(x, kernel, bias):
        y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias))

        def gradient(dy):
            dy = tf.raw_ops.ReluGrad(gradients=dy, features=y)
            how = {"strides": [1, 1, 1, 1], "padding": "SAME"}
            dx = tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(x), filter=kernel, out_backprop=dy, **how)
            dkernel = tf.raw_ops.Conv2DBackpropFilter(input=one_image(x), filter_sizes=kernel.shape, out_backprop=one_image(dy), **how)
            return dx, dkernel, tf.reduce_sum(dy, [0, 1, 2])

        return y, gradient

    return convolve(x, layer.kernel.value, layer.bias.value)


def as_matrix(layer, x):
    """The same but for rounding on maps of at most 2 × 2 pixels: each pixel sees all others, so that a product with a part of
    the kernel gives it, without the zeros around. It is faster still, but its gradient is not."""
    _, height, width, channels = x.shape
    flat, kernel, pixels = tf.reshape(x, [-1, height * width * channels]), layer.kernel.value, []
    for i in range(height):
        for j in range(width):
            part = part_of(kernel, i, j, height, width)
            pixels.append(flat @ tf.reshape(part, [height * width * channels, layer.filters]))
    x = tf.nn.relu(tf.stack(pixels, 1) + layer.bias.value)
    return tf.reshape(x, [-1, height, width, layer.filters])


def part_of(kernel, i, j, height, width):
    """What a kernel [3, 3, ...] multiplies a map of at most 2 × 2 pixels with, to give its pixel (i, j): [height, width, ...]."""
    return kernel[1 - i : 1 - i + height, 1 - j : 1 - j + width]


def winograd_kernel(kernel):
    """A kernel [3, 3, channels, filters] as winograd takes it: float32 [36, channels, filters]."""
    _, _, channels, filters = kernel.shape
    kernel = tf.cast(tf.reshape(kernel, [9, -1]), tf.float32)
    return tf.reshape(both_sides(KERNEL, tf.float32) @ kernel, [TILE * TILE, channels, filters])


def winograd(layer, kernel, x):
    """The same but for rounding, with a quarter of the products: 36 for a tile of 4 × 4 pixels instead of 144."""
    _, height, width, channels = x.shape
    rows, columns = math.ceil(height / STEP), math.ceil(width / STEP)
    x = tf.pad(x, [[0, 0], [1, STEP * (rows + 1) - height - 1], [1, STEP * (columns + 1) - width - 1], [0, 0]])
    x = tf.reshape(x, [-1, rows + 1, STEP, columns + 1, STEP, channels])
    tiles = []  # each of their 36 pixels, of all tiles
    for i in range(TILE):
        for j in range(TILE):
            down, right = i // STEP, j // STEP
            tiles.append(x[:, down : down + rows, i % STEP, right : right + columns, j % STEP])
    x = both_sides(INPUT, x.dtype) @ tf.reshape(tf.stack(tiles), [TILE * TILE, -1])
    x = tf.reshape(x, [TILE * TILE, -1, channels]) @ kernel
    x = both_sides(OUTPUT, x.dtype) @ tf.reshape(x, [TILE * TILE, -1])
    x = tf.reshape(x, [STEP, STEP, -1, rows, columns, layer.filters])
    x = tf.reshape(tf.transpose(x, [2, 3, 0, 4, 1, 5]), [-1, STEP * rows, STEP * columns, layer.filters])
    return tf.nn.relu(x[:, :height, :width] + layer.bias.value)


def both_sides(matrix, dtype):
    """The matrix that does in one product with all pixels of a tile what matrix does with its rows and with its columns.
    INPUT's and OUTPUT's are whole numbers that bfloat16 holds."""
    return tf.constant(np.kron(matrix, matrix), dtype)


def in_parts(run, x, size, outputs):
    """run(x), a list of tensors like the TensorSpecs outputs, computed for a few rows at a time, so that intermediate results
    stay in the CPU's cache."""
    n = tf.shape(x)[0]
    parts = tf.maximum(1, -(-n // size))
    arrays = [tf.TensorArray(o.dtype, parts, infer_shape=False, element_shape=o.shape) for o in outputs]

    def part(i, *arrays):
        return i + 1, *(a.write(i, y) for a, y in zip(arrays, run(x[i * size : (i + 1) * size])))

    _, *arrays = tf.while_loop(lambda i, *_: i < parts, part, [0, *arrays], parallel_iterations=1)
    return [tf.ensure_shape(a.concat(), o.shape) for a, o in zip(arrays, outputs)]

"""VGG16 up to block5_pool, averaged, as ONNX, for peers that read no SavedModel."""

import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ARCHITECTURES = pathlib.Path(__file__).resolve().parents[2] / "savedmodels" / "architectures.json"
BLOCKS = json.loads(ARCHITECTURES.read_text(encoding="utf-8"))["vgg16"]["blocks"]  # of each, the filters of its convolutions


def write(file, weights, ranges=None):
    """weights: by Keras' names. The graph takes images, uint8 [n, h, w, 3], and gives features, float32 [n, 512]. With ranges,
    which are the largest that each convolution gives, by its name, it is quantized: activations to uint8, kernels to int8."""
    nodes, constants = [], []

    def node(op, inputs, **attributes):
        nodes.append(helper.make_node(op, inputs, [f"x{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    def constant(name, array):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    def quantized(x, name, scale, zero, **axis):
        """x as numbers of 8 bits and back again: a runtime computes in int8 what stands between two such pairs."""
        pair = [constant(name + "/scale", scale), name + "/zero"]
        constants.append(numpy_helper.from_array(zero, pair[1]))
        return node("DequantizeLinear", [node("QuantizeLinear", [x, *pair], **axis), *pair], **axis)

    x = node("Cast", ["images"], to=TensorProto.FLOAT)
    x = node("Transpose", [x], perm=[0, 3, 1, 2])
    x = node("Sub", [x, constant("mean", np.reshape([123.68, 116.779, 103.939], (1, 3, 1, 1)))])
    if ranges:
        x = quantized(x, "pixels", np.float32(1), np.array(124, np.uint8))
    for block, filters in enumerate(BLOCKS, 1):
        for conv in range(1, len(filters) + 1):
            name = f"block{block}_conv{conv}"
            kernel = weights[f"{name}/kernel"].transpose(3, 2, 0, 1)
            if (block, conv) == (1, 1):
                kernel = kernel[:, ::-1]  # Keras' first layer takes BGR
            inputs = [x, constant(name + "/kernel", kernel), constant(name + "/bias", weights[f"{name}/bias"])]
            if ranges:
                scale = np.abs(kernel).max((1, 2, 3)) / 127
                inputs[1] = quantized(inputs[1], name + "/kernel", scale, np.zeros(len(scale), np.int8), axis=0)
            x = node("Relu", [node("Conv", inputs, kernel_shape=[3, 3], pads=[1, 1, 1, 1])])
            if ranges:
                x = quantized(x, name, np.float32(ranges[name] / 255), np.array(0, np.uint8))
        x = node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = node("Flatten", [node("GlobalAveragePool", [x])])
    nodes[-1].output[0] = "features"
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", "h", "w", 3])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 512])
    graph = helper.make_graph(nodes, "vgg16", [images], [features], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)

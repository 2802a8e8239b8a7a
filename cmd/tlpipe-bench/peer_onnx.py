"""ONNX Runtime and OpenVINO, on the same ONNX file."""

import numpy as np

from peer import Task, serve

task = Task()
file = str(task.folder / ("vgg16-int8.onnx" if task.precision == "int8" else "vgg16.onnx"))

if task.variant == "onnxruntime":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = 2, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(images):
        return session.run(None, {"images": images})[0]
else:
    import openvino

    core = openvino.Core()
    model = core.read_model(file)
    model.reshape([task.batch, task.size, task.size, 3])
    compiled = core.compile_model(model, "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 2, "INFERENCE_PRECISION_HINT": "bf16" if task.bfloat16 else "f32",
    })
    request = compiled.create_infer_request()

    def run(images):
        return request.infer([images], share_inputs=True)[0].copy()


def once():
    first = range(0, len(task.images) - task.batch + 1, task.batch)
    features = [run(np.ascontiguousarray(task.images[i : i + task.batch])) for i in first]
    return features[0][0, :8]


serve(once)

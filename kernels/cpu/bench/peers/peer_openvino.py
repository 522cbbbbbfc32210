"""OpenVINO's CPU plug-in: u4 weights with u4 zero points and float16 scales, decompressed in the graph as its own tools write it,
`per` independent MatMuls a model. Shapes are fixed, which is the faster way there."""

import numpy as np
from peer import Missing, Peer
from work import nibbles

try:
    import openvino
    from openvino import opset13 as op
except ImportError as e:
    openvino, trouble = None, e


def packed(codes):
    """uint8 codes as a u4 constant of the same shape, in OpenVINO's own memory: it does not hold on to ours."""
    tensor = openvino.Tensor(openvino.Type.u4, list(codes.shape))
    tensor.data.reshape(-1)[:] = nibbles(codes.reshape(-1))
    return op.constant(tensor)


class OpenVino(Peer):
    name = "openvino"
    arithmetic = ""  # float32, or int8 where the processor has dot products and dynamic quantisation is on
    tolerance = 2e-2

    def __init__(self):
        self.core, self.compiled = None, []

    def version(self):
        if openvino is None:
            raise Missing(f"openvino: {trouble}")
        return f"openvino {openvino.__version__.split('-')[0]}"

    def model(self, work, turn):
        w = work.weight
        inputs, outputs = [], []
        for i in work.group_of(turn):
            codes, zeros, scales = w.copy(i)
            x = op.parameter([work.m, w.k], np.float32)
            q = op.subtract(op.convert(packed(codes), "f16"), op.convert(packed(zeros[:, :, None]), "f16"))
            q = op.multiply(q, op.constant(scales[:, :, None]))
            q = op.convert(op.reshape(q, op.constant(np.array([w.n, w.k])), False), "f32")
            inputs.append(x)
            outputs.append(op.matmul(x, q, False, True))
        return openvino.Model(outputs, inputs, "linears")

    def compile(self, model, threads):
        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        return self.core.compile_model(model, "CPU", hints)

    def setup(self, work):
        self.close()
        self.work, self.core = work, openvino.Core()
        self.requests = []
        for turn in range(work.turns):
            self.compiled.append(self.compile(self.model(work, turn), work.threads))
            request = self.compiled[-1].create_infer_request()
            for j, i in enumerate(work.group_of(turn)):
                request.set_input_tensor(j, openvino.Tensor(work.x[i % work.slots], shared_memory=True))
                request.set_output_tensor(j, openvino.Tensor(work.y[i % work.slots], shared_memory=True))
            self.requests.append(request)
        self.dynamic = int(self.compiled[0].get_property("DYNAMIC_QUANTIZATION_GROUP_SIZE"))
        x = op.parameter([1], np.float32)
        self.compiled.append(self.compile(openvino.Model([op.negative(x)], [x], "tiny"), work.threads))
        self.idle = self.compiled[-1].create_infer_request()

    def run(self, turn):
        self.requests[turn].infer()

    def empty(self):
        self.idle.infer()
        return True

    def note(self):
        return f"precision f32, latency hint, dynamic quantisation group size {self.dynamic} (the default)"

    def close(self):
        self.requests, self.idle, self.compiled, self.core = [], None, [], None


def peers():
    return [OpenVino()]

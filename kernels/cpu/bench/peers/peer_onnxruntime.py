"""ONNX Runtime's MatMulNBits at accuracy levels 1 (float32) and 4 (activations rounded to int8), `per` independent nodes a graph."""

import numpy as np
from peer import Missing, Peer
from work import nibbles

try:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper
except ImportError as e:
    onnxruntime, trouble = None, e

FLOAT, CPU = 1, ("cpu", 0)


class OnnxRuntime(Peer):
    pool_size = 0  # of the threads that all sessions of this process share

    def __init__(self, level):
        self.level = level
        self.name = f"onnxruntime level {level}"
        self.arithmetic = "int8" if level == 4 else "fp32"
        self.tolerance = 2e-2 if level == 4 else 1e-4
        self.key, self.sessions = None, []

    def version(self):
        if onnxruntime is None:
            raise Missing(f"onnxruntime: {trouble}")
        onnxruntime.set_default_logger_severity(3)
        return f"onnxruntime {onnxruntime.__version__}"

    def model(self, work, turn):
        """One graph: y<i> = x<i> . w<i>^T for every copy i of a run."""
        w = work.weight
        nodes, initializers = [], []
        for j, i in enumerate(work.group_of(turn)):
            codes, zeros, scales = w.copy(i)
            constants = {f"b{j}": nibbles(codes), f"s{j}": scales.astype(np.float32).reshape(-1)}
            if not w.symmetric:
                constants[f"z{j}"] = nibbles(zeros).reshape(-1)
            initializers += [onnx.numpy_helper.from_array(a, name) for name, a in constants.items()]
            attributes = {"K": w.k, "N": w.n, "bits": 4, "block_size": w.group, "accuracy_level": self.level}
            nodes.append(helper.make_node("MatMulNBits", [f"x{j}", *constants], [f"y{j}"], domain="com.microsoft", **attributes))
        ends = [
            [helper.make_tensor_value_info(f"{name}{j}", TensorProto.FLOAT, ["m", width]) for j in range(work.per)]
            for name, width in (("x", w.k), ("y", w.n))
        ]
        return self.serialised(helper.make_graph(nodes, "linears", *ends, initializers))

    def serialised(self, graph):
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()

    def session(self, model, threads):
        if OnnxRuntime.pool_size != threads:
            onnxruntime.set_global_thread_pool_sizes(threads, 1)
            OnnxRuntime.pool_size = threads
        options = onnxruntime.SessionOptions()
        options.use_per_session_threads = False
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def setup(self, work):
        self.work = work
        if self.key != work.key:
            self.close()
            self.sessions = [self.session(self.model(work, turn), work.threads) for turn in range(work.turns)]
            self.key = work.key
            ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])] for name in ("x", "y")]
            tiny = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "tiny", *ends)
            self.tiny = self.session(self.serialised(tiny), work.threads)
        self.bound = []
        for turn, session in enumerate(self.sessions):
            binding = session.io_binding()
            for j, i in enumerate(work.group_of(turn)):
                x, y = work.x[i % work.slots], work.y[i % work.slots]
                binding.bind_input(f"x{j}", *CPU, np.float32, x.shape, x.ctypes.data)
                binding.bind_output(f"y{j}", *CPU, np.float32, y.shape, y.ctypes.data)
            self.bound.append((session, binding))
        self.one = np.ones(2, np.float32)
        binding = self.tiny.io_binding()
        binding.bind_input("x", *CPU, np.float32, [1], self.one.ctypes.data)
        binding.bind_output("y", *CPU, np.float32, [1], self.one[1:].ctypes.data)
        self.idle = binding

    def run(self, turn):
        session, binding = self.bound[turn]
        session.run_with_iobinding(binding)

    def empty(self):
        self.tiny.run_with_iobinding(self.idle)
        return True

    def close(self):
        self.bound = self.idle = self.tiny = None
        self.key, self.sessions = None, []


def peers():
    return [OnnxRuntime(1), OnnxRuntime(4)]
